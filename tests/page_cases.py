"""What a page's cases are run on: inputs, parameters, and all outputs as one."""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.ops._page import Case, Slot
from bakeoff.schemas import Array

TIED = (-6, -3, -1, 0, 0, 1, 3, 6)  # where activations bend, and the bounds of the cases


def inputs_of(case: Case, dtype: str = "float32", seed: int = 0) -> list[Array]:
    """The inputs of a case."""
    rng = np.random.default_rng(seed)
    if case.ties:
        return [(case.scale * rng.choice(TIED, shape)).astype(dtype) for shape in case.inputs]
    drawn = [case.scale * rng.normal(size=shape) for shape in case.inputs]
    return [(np.abs(values) + 0.1 if case.positive else values).astype(dtype) for values in drawn]


def as_one(attributes: Any, outputs: Any) -> Array:
    """What a test looks at where an operator has several outputs: all of them along their axis, the last one first."""
    return np.concatenate(outputs[::-1], attributes.axis) if isinstance(outputs, tuple) else outputs


def draw_parameters(slots: dict[str, Slot], dtype: str = "float32", seed: int = 1) -> dict[str, Array]:
    """Parameters for a case: scaled normal weights; scales and variances around 1 and positive."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, slot in slots.items():
        if slot.below is not None:
            drawn[name] = np.asarray(rng.integers(0, slot.below, slot.shape))
            continue
        values = rng.normal(size=slot.shape)
        if name in ("variance", "scale"):
            values = 1 + 0.5 * np.tanh(values)
        elif len(slot.shape) > 1:
            values = values / np.sqrt(np.prod(slot.shape[:-1]))
        drawn[name] = values.astype(dtype)
    return drawn
