"""What a page of an operator holds, in this order: `make lint` has mypy hold each page to it, the tests run each.

A page begins with its heading, a docstring: one line, Shape, Laws, Traps (library by library), and Raised where no call
of torch raises it. What many pages say alike has a maker: `_elementwise.py` (no attributes, the shape of the input, a
lowering that is one call), `_reduction.py`, `_importers.py` and `_importers_keras.py`. Lowerings see a `Scope`,
importers a `Call`, or a `LayerCall`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, Literal, Protocol

import numpy as np

from bakeoff.ops._call import Call as Call
from bakeoff.ops._call import LayerCall as LayerCall
from bakeoff.ops._dimension import Shape
from bakeoff.ops._scope import Scope as Scope
from bakeoff.schemas import Array

# What a page needs of its inputs: "spatial": ranks from 3 in the library's own image order, others canonical;
# "channels_last" and "free": canonical; "last": the last axis last, the others as they lie; "elementwise": any order,
# the same for all; "any": as they lie.
Layout = Literal["spatial", "channels_last", "last", "elementwise", "any", "free"]


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
    """A parameter that an operator asks for: its canonical shape and its role.

    Attributes:
        below: of a constant table of int64: its numbers are 0 ... below - 1; None: floating-point numbers.
    """

    shape: tuple[int, ...]
    role: Literal["weight", "state", "constant"] = "weight"
    below: int | None = None


@dataclass(frozen=True)
class Native:
    """How a library lays a slot out: its attribute, and an einops pattern from canonical to native.

    The way back is the same pattern read backwards, so the inverse is derived and can't disagree. `blocks`: equal parts
    of the last canonical axis, in this order before that, as gates that a library counts otherwise.
    """

    attribute: str
    pattern: str
    sizes: dict[str, int] = field(default_factory=dict)
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """One example that any library can run: normal inputs of these shapes, times a scale, drawn with a fixed seed.

    With `positive` the inputs are their sizes and 0.1 more: for roots, logarithms and what is divided by. With `ties`
    they are whole numbers, few of them: values tie, and functions are met where they bend.
    """

    inputs: tuple[tuple[int, ...], ...]
    attributes: Any
    train: bool = False
    scale: float = 1.0
    positive: bool = False
    ties: bool = False


@dataclass(frozen=True)
class Fault:
    """What a library does in less than float64 though all is float64, and at most how far off it is, relative."""

    what: str
    size: float


@dataclass(frozen=True)
class Gap:
    """What is not translated: in each of these libraries the call meets this error, else a test says that it is closed.

    Attributes:
        libraries: "torch", "keras", "onnx"; several with commas between them.
        call: a case, lowered to these libraries; or (library, images) -> values, to be captured from the library.
        error: words of the message.
        free: of any height and width.
        kind: "not yet": work to do; "not upstream": the library lacks it; "never": there is nothing to translate to.
    """

    libraries: str
    call: Case | Callable[[Any, Any], Any]
    error: str = "needs a fixed size"
    free: bool = False
    kind: Literal["not yet", "not upstream", "never"] = "not yet"


class Page(Protocol):
    """What none leaves out."""

    CASES: dict[str, Case]  # {what it shows: ...}
    TOLERANCE: dict[str, float]  # {dtype: of the largest |y|}, derived: see `roundings`

    def truth(self, mode: Mode, a: Any, /, *inputs: Any, **slots: Any) -> Array | tuple[Array, ...]:
        """The output: NumPy, in the dtype of its inputs, channels last."""


class Operator(Page, Protocol):
    """Lowerings give the output in the library's own words."""

    def to_torch(self, scope: Scope, a: Any, /, *inputs: Any, **_: Any) -> Any: ...
    def to_keras(self, scope: Scope, a: Any, /, *inputs: Any, **_: Any) -> Any: ...
    def to_onnx(self, scope: Scope, a: Any, /, *inputs: Any, **_: Any) -> Any: ...


class Loss(Page, Protocol):
    """A loss for each image."""

    LOSS: bool

    def to_torch(self, torch: Any, a: Any, logits: Any, labels: Any, /) -> Any: ...
    def to_keras(self, keras: Any, a: Any, logits: Any, labels: Any, /) -> Any: ...
    def labels_of(self, case: Case, /) -> Array: ...


class Parts:
    """What a page may leave out: then it is empty, or what `bakeoff.ops.USUAL` says."""

    Attributes: type  # a frozen dataclass; what the operator is told besides its inputs
    LAYOUT: str  # see `Layout`
    shape: Callable[Concatenate[Any, ...], Shape | tuple[Shape, ...]]  # (a, *input shapes); may be of symbols
    parameters: Callable[Concatenate[Any, ...], dict[str, Slot]]  # (a, *input shapes) -> by slot
    update: Callable[Concatenate[Mode, Any, ...], dict[str, Array]]  # as `truth` -> the new state, by slot
    gradient: Callable[Concatenate[Any, Array, ...], tuple[Array, ...]]  # (a, dy, *inputs, **slots): see `_ties.py`
    native: Callable[Concatenate[Any, ...], dict[str, dict[str, Native]]]  # (a, *input shapes): by library and slot
    FEATURES: dict[str, str]  # {slot: the letter of its pattern that runs over the input's features}: see dense
    FROM_TORCH: Mapping[str, Callable[[Call], Any]]  # {"aten.NAME": ...}
    FROM_KERAS: Mapping[str, Callable[[LayerCall], Any]]  # {"layers.NAME": ...}
    MUTATIONS: Mapping[str, Any]  # {attribute: a wrong value}: each must be noticed by a case
    FAULTS: Mapping[str, Fault]  # {library: ...}: the trial computes it exactly there
    GAPS: Mapping[str, Gap]  # {what is not translated: ...}
    SHOWN: Mapping[str, tuple[str, ...]]  # {label of a trap in the heading: the cases that show it}
    STOPS: bool  # nothing flows back, whatever its truth is
    DRAWS: str  # in training: "masks", by its rate, none at rate 0; or "numbers"
    PREDICTS: int  # in prediction it is its input of this number
    keeps_state: Callable[[Any], bool]  # (a) -> whether a training pass moves its state, see `update`
    mask_shape: Callable[[tuple[int, ...], Any], tuple[int, ...]]  # (shape of x, a) -> that of its masks


def rounding(products: int, dtype: str) -> float:
    """A bound for the relative error of a sum of products: a few ulps times the root of their number.

    Rounding errors of a sum in any order grow like the root of the number of terms on average (Higham, Accuracy and
    Stability of Numerical Algorithms, 2002, section 4.2); the factor 8 covers the worst of the cases' few thousand.
    """
    return float(8 * np.finfo(dtype).eps * np.sqrt(max(products, 1)))


def roundings(products: int) -> dict[str, float]:
    """A page's TOLERANCE: that bound in each precision."""
    return {dtype: rounding(products, dtype) for dtype in ("float32", "float64")}
