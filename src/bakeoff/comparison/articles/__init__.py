"""Comparisons that others published, as they stand: two sides, and what is unfair between them. One file each.

A file has
    TITLE, INTRO    {"en": ..., "zh": ...}: what the article is called and does
    RECIPE          the recipe of the library that both sides are made of
    FAIR            what the side has that everything is turned to
    OTHER           the side that differs
    SWITCHES        what differs, in the order in which it is told
    NOTES           {"en": (...), "zh": (...)}: what is unfair and can't be switched, or makes no difference
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from bakeoff import registry
from bakeoff.errors import UsageError

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Side:
    """One of two trainings that an article compares.

    Attributes:
        framework: that it is written in.
        overrides: of the recipe, as `--set` takes them.
    """

    framework: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Switch:
    """A choice that differs between the sides.

    Attributes:
        key: a short name.
        text: what it is, and both values, in each language.
        overrides: that give the other side the fair one's value.
        served: the net is the same, and only its images are prepared otherwise once it predicts.
    """

    key: str
    text: Texts
    overrides: tuple[str, ...]
    served: bool = False


START = Switch(
    "start",
    {
        "en": "start weights: Keras's (Glorot), the other side has torch's (He)",
        "zh": "初始权重：Keras 默认（Glorot）；另一边为 torch 默认（He）",
    },
    ("model.arguments.start=torch",),
)
EPSILON = Switch(
    "epsilon",
    {"en": "Adam's epsilon: 1e-7, the other side has 1e-8", "zh": "Adam 的 epsilon：1e-7；另一边 1e-8"},
    ("phases.0.optimizer.epsilon=1e-8",),
)


def names() -> tuple[str, ...]:
    """Their numbers, as `--as-published` takes them."""
    return tuple(name.removeprefix("article_") for name in registry.names(__name__))


def load(number: str) -> ModuleType:
    """An article's file.

    Raises:
        UsageError: there is none.
    """
    if number not in names():
        raise UsageError(
            f"--as-published {number}: expected one of {', '.join(names())} (docs/explanation/articles.md)."
        )
    return registry.load(__name__, f"article_{number}", what="article")
