"""What a page of an operator holds, in this order; tests/ops and tests/frameworks run every page through it.

    heading       docstring: one line, Shape, Laws, Traps (library by library)
    Attributes    a frozen dataclass; what the operator is told besides its inputs
    LAYOUT        what it needs of its inputs: "spatial" (rank 4 in the library's own image layout, others as they
                  stand), "channels_last" (canonical), "elementwise" (any, the same for all), "free" (it looks itself)
    shape         (a, *input shapes) -> output shape; dimensions may be symbols
    parameters    (a, *input shapes) -> {slot: Slot}; absent when there are none
    truth         (mode, a, *inputs, **parameters) -> output: NumPy, in the dtype of its inputs, channels last
    update        (mode, a, *inputs, **parameters) -> {slot: new state}; absent when there is no state
    native        (a, *input shapes) -> {library: {slot: Native}}: how each library lays a slot out
    FEATURES      {slot: letter}: which letter of a slot's pattern runs over the input's features, for a page that can
                  take a flattened input in any order (dense); absent otherwise
    to_torch, to_keras, to_onnx     (scope, a, *inputs) -> output, in the library's own words
    FROM_TORCH    {aten name: raising}          FROM_KERAS  {Keras class name: raising}
    CASES         {what it shows: Case}
    TOLERANCE     {dtype: of the largest |y|}, derived: see `_page.rounding`
    MUTATIONS     {attribute: wrong value}: each must be noticed by a case
    GAPS          {what: "not yet: ..." | "not upstream: ..." | "never: ..."}
    SHOWN         {label of a trap in the heading: the cases that show it}, for docs/generate.py

A loss is a page with `LOSS = True`: truth(mode, a, logits, labels), to_torch(torch, a, logits, labels) and
to_keras(keras, a, logits, labels) give a loss for each picture; `labels_of(case)` gives labels for a case. A page
with `RANDOM = True` draws masks in training, of the shape `mask_shape(shape of x)`.

A `scope` is what a lowering sees of its surroundings; its words are those of `Scope`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from bakeoff.ops._dimension import Shape
from bakeoff.schemas import Array

Layout = Literal["spatial", "channels_last", "elementwise", "free"]


@dataclass(frozen=True)
class Mode:
    """How a run is meant: an argument of the run, never a state of the graph.

    Attributes:
        train: batch statistics, dropout and drop-path; else running statistics and no noise.
        mask: for dropout and drop-path: (shape, keep probability) -> array of 0 and 1 of that shape.
    """

    train: bool = False
    mask: Callable[[tuple[int, ...], float], Array] | None = None


@dataclass(frozen=True)
class Slot:
    """A parameter that an operator asks for: its canonical shape and its role."""

    shape: tuple[int, ...]
    role: Literal["weight", "state"] = "weight"


@dataclass(frozen=True)
class Native:
    """How a library lays a slot out: its attribute, and an einops pattern from canonical to native.

    The way back is the same pattern read backwards, so the inverse is derived and can't disagree.
    """

    attribute: str
    pattern: str
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One example that any library can run: normal inputs of these shapes, times a scale, drawn with a fixed seed."""

    inputs: tuple[tuple[int, ...], ...]
    attributes: Any
    train: bool = False
    scale: float = 1.0


class Scope(Protocol):
    """What a lowering sees. Inputs and outputs are the library's own symbolic values."""

    lib: Any  # torch, keras, or onnx.helper
    own: (
        Any  # the few modules or layers that the library lacks: frameworks/torch/layers.py, frameworks/_keras/layers.py
    )
    batch_norm: str  # "exact", or "stock": the library's own layer though its running variance differs
    name: str  # the node's name
    shapes: tuple[Shape, ...]  # canonical shapes of the inputs
    dtype: str  # "float32", "float64", ...

    def module(self, make: Any, *inputs: Any) -> Any:
        """Register a native module or layer under the node's name, holding the node's parameters, and apply it."""

    def helper(self, make: Any, *inputs: Any, suffix: str) -> Any:
        """The same for a module or layer without parameters that only helps: its name is the node's with the suffix."""

    def owned(self) -> bool:
        """Whether the native module may hold all parameters: none is computed, bare or shared with another operator."""

    def parameter(self, slot: str, pattern: str | None = None, **sizes: int) -> Any:
        """A parameter as a value (or the node's output that takes its place), rearranged by an einops pattern."""

    def constant(self, array: Array) -> Any:
        """A constant array as a value."""

    def axis(self, canonical: int) -> int:
        """Where the first input's canonical axis lies physically."""

    def emit(self, op: str, inputs: list[Any], **attributes: Any) -> Any:
        """ONNX only: append a node, give its output."""


def rounding(products: int, dtype: str) -> float:
    """A bound for the relative error of a sum of products: a few ulps times the root of their number.

    Rounding errors of a sum in any order grow like the root of the number of terms on average (Higham, Accuracy and
    Stability of Numerical Algorithms, 2002, section 4.2); the factor 8 covers the worst of the cases' few thousand.
    """
    return float(8 * np.finfo(dtype).eps * np.sqrt(max(products, 1)))


def inputs_of(case: Case, dtype: str = "float32", seed: int = 0) -> list[Array]:
    """The inputs of a case."""
    rng = np.random.default_rng(seed)
    return [(case.scale * rng.normal(size=shape)).astype(dtype) for shape in case.inputs]


def draw_parameters(slots: dict[str, Slot], dtype: str = "float32", seed: int = 1) -> dict[str, Array]:
    """Parameters for a case: scaled normal weights; scales and variances around 1 and positive."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, slot in slots.items():
        values = rng.normal(size=slot.shape)
        if name in ("variance", "scale"):
            values = 1 + 0.5 * np.tanh(values)
        elif len(slot.shape) > 1:
            values = values / np.sqrt(np.prod(slot.shape[:-1]))
        drawn[name] = values.astype(dtype)
    return drawn
