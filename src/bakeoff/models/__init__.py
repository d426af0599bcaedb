"""One architecture per file: `build(input_size, channels, classes, seed, **arguments) -> Graph`, all give logits.

The folder is the registry: a file here is a model, under its own name. What a file may hold besides:

    SUMMARY     one line for `bakeoff models`
    SIGNATURE   how the source prepared images (a pretrained backbone has one)
    STAGES      {stage: node id}, in order: where the net can be cut
    WEIGHTS     where pretrained weights come from, their licence and their hash
"""

from __future__ import annotations

import inspect
from typing import Any

from bakeoff import registry
from bakeoff.errors import UsageError
from bakeoff.graph import Graph


def names() -> tuple[str, ...]:
    """The models that have a file."""
    return registry.names(__name__)


def model(name: str) -> Any:
    """The module of a model.

    Raises:
        UsageError: there is none of that name.
    """
    return registry.load(__name__, name, what="model")


def build(
    name: str,
    input_size: tuple[int, int],
    channels: int,
    classes: int | None,
    seed: int = 0,
    **arguments: Any,
) -> Graph:
    """A model by name.

    Args:
        name: a file of this folder.
        input_size: (height, width) in pixels.
        channels: 1 (grey) or 3 (RGB).
        classes: the number of logits; None gives features, where the model has them.
        seed: of the start weights.
        arguments: what the model's own `build` takes besides.

    Raises:
        UsageError: an unknown model, an argument that it doesn't take, or a value that it can't use.
        UnsupportedError: images too small for it.
    """
    make = model(name).build
    known = set(inspect.signature(make).parameters) - {"input_size", "channels", "classes", "seed"}
    for key in arguments:
        if key not in known:
            takes = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"model {name!r} takes no argument {key!r}{registry.nearest(key, known)}. It takes: {takes}"
            )
    graph: Graph = make(input_size=tuple(input_size), channels=channels, classes=classes, seed=seed, **arguments)
    return graph
