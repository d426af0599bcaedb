"""What the models' builders share: the input, and checks of what they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from bakeoff.errors import UsageError
from bakeoff.graph import Composer
from bakeoff.graph.initialize import Initializer, glorot_uniform, torch_uniform
from bakeoff.ops._dimension import Dim

T = TypeVar("T")
STARTS: dict[str, Initializer] = {"torch": torch_uniform, "keras": glorot_uniform}


def composer(input_size: tuple[int, int], channels: int, seed: int, initializer: Initializer) -> Composer:
    """A composer whose input is images of that size, the batch a symbol.

    Raises:
        UsageError: a size or number of channels below 1.
    """
    height, width = input_size
    if min(height, width, channels) < 1:
        raise UsageError(f"input of {height} x {width} x {channels}: height, width and channels must be at least 1.")
    return Composer((Dim("batch"), height, width, channels), seed, initializer)


def logits(classes: int | None, model: str) -> int:
    """The number of logits.

    Raises:
        UsageError: none, where the model has no features to give instead, or fewer than 1.
    """
    if classes is None:
        raise UsageError(f"model {model!r} gives logits only: it needs a number of classes.")
    if classes < 1:
        raise UsageError(f"model {model!r}: classes is {classes}; expected at least 1 (1 is one binary logit).")
    return classes


def one_of(model: str, name: str, given: str, known: Mapping[str, T]) -> T:
    """What an argument of a recipe stands for.

    Raises:
        UsageError: it isn't one of those.
    """
    if given not in known:
        raise UsageError(f"model {model}: {name}={given!r}: expected one of {', '.join(known)}.")
    return known[given]
