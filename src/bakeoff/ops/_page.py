"""What a page of an operator holds, in this order; tests/ops and tests/frameworks run every page through it.

    heading       docstring: one line, Shape, Laws, Traps (library by library)
    Attributes    a frozen dataclass; what the operator is told besides its inputs; left out where that is nothing
    LAYOUT        what it needs of its inputs: "spatial" (ranks from 3 in the library's own image order, others
                  canonical), "channels_last" and "free" (canonical), "last" (the last axis last, the others as they
                  lie), "elementwise" (any order, the same for all), "any" (as they lie)
    shape         (a, *input shapes) -> output shape; dimensions may be symbols
    parameters    (a, *input shapes) -> {slot: Slot}; absent when there are none
    truth         (mode, a, *inputs, **parameters) -> output: NumPy, in the dtype of its inputs, channels last
    update        (mode, a, *inputs, **parameters) -> {slot: new state}; absent when there is no state
    gradient      (a, gradient of the output, *inputs, **parameters) -> gradients of the inputs, where values tie or the
                  function bends: see `_ties.py`; absent where nothing does
    native        (a, *input shapes) -> {library: {slot: Native}}: how each library lays a slot out
    FEATURES      {slot: letter}: which letter of a slot's pattern runs over the input's features, for a page that can
                  take a flattened input in any order (dense); absent otherwise
    to_torch, to_keras, to_onnx     (scope, a, *inputs) -> output, in the library's own words
    FROM_TORCH    {"aten.NAME": importer}        FROM_KERAS  {"layers.NAME": importer}
    CASES         {what it shows: Case}
    TOLERANCE     {dtype: of the largest |y|}, derived: see `_page.roundings`
    MUTATIONS     {attribute: wrong value}: each must be noticed by a case
    FAULTS        {library: Fault}: where it computes less than float64 in float64; the trial does it exactly there
    GAPS          {what is not translated: Gap}
    SHOWN         {label of a trap in the heading: the cases that show it}, for docs/generate.py

What many pages say alike has a maker: `_elementwise.py` (no attributes, the shape of the input, a lowering that is one
call), `_reduction.py`, `_importers.py` and `_importers_keras.py`. FROM_TORCH, FROM_KERAS, MUTATIONS, FAULTS and
GAPS may be left out where they would be empty, LAYOUT where it is "elementwise", `shape` where it is that of the first
input.

A page with `STOPS = True` lets nothing flow back, whatever its truth is.

A loss is a page with `LOSS = True`: truth(mode, a, logits, labels), to_torch(torch, a, logits, labels) and
to_keras(keras, a, logits, labels) give a loss for each image; `labels_of(case)` gives labels for a case. A page
with `RANDOM = True` draws masks in training, of the shape `mask_shape(shape of x, a)`.

A `scope` is what a lowering sees of its surroundings; its words are those of `Scope`.

An importer says how a captured call becomes nodes: `from_torch(call: Call) -> value`. The names in FROM_TORCH have
neither overload nor the underscore of an in-place twin ("aten.relu" is relu, relu_ and every overload of both). Two
pages may not claim one name. A tensor that capture hands out has `sizes`, counted as torch counts, and `order`:
order[i] is the canonical axis that torch's axis i is, so that (0, 3, 1, 2) is an image in NCHW. An importer asks for
the order that its page needs (`arranged`), turns torch's axes into canonical ones (`order[axis]`), and emits nodes.

From Keras it is `from_keras(call: LayerCall) -> value`. The names in FROM_KERAS are "layers.Conv2D" for a layer's
class, "ops.Relu" for the class of an operation of keras.ops, and "activations.relu" for a function that a layer is
given as its activation. Keras counts axes as we do, so its values have a canonical `shape` and no order. `call.layer`
is the layer or operation with its settings; its variables are given to slots as they are, and capture lays them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from bakeoff.ops._dimension import Shape, Size
from bakeoff.schemas import Array

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

    The way back is the same pattern read backwards, so the inverse is derived and can't disagree.
    """

    attribute: str
    pattern: str
    sizes: dict[str, int] = field(default_factory=dict)


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


class Scope(Protocol):
    """What a lowering sees. Inputs and outputs are the library's own symbolic values."""

    lib: Any  # torch, keras, or onnx.helper
    own: (
        Any  # the few modules or layers that the library lacks: frameworks/torch/layers.py, frameworks/_keras/layers.py
    )
    batch_norm: str  # "exact", or "stock": the library's own layer though its running variance differs
    name: str  # the node's name
    shapes: tuple[Shape, ...]  # canonical shapes of the inputs
    orders: tuple[tuple[int, ...], ...]  # how they lie: the canonical axis of each physical axis
    dtype: str  # of the weights: "float32", "float64", ...
    mixed: bool  # whether 16 bits are mixed in: what the page computes in `dtype` all the same, it says (softmax)

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

    def axis(self, canonical: int, of: int = 0) -> int:
        """Where an input's canonical axis lies physically."""

    def laid(self, native: Any, axes: tuple[int, ...]) -> Any:
        """An output that says how it lies: the canonical axis of each physical axis."""

    def arranged(self, index: int, axes: tuple[int, ...]) -> Any:
        """An input moved into an order of axes."""

    def reshaped(self, shape: Shape) -> Any:
        """The first input in another canonical shape, with as few moves as can be; laid."""

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        """A value of one physical shape in another; sizes may be symbols."""

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        """A transpose of physical axes."""

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        """A value whose axes of size 1 are repeated, from one physical shape to another of the same rank."""

    def size(self, size: Size) -> Any:
        """A size as a number, or as what the net works it out to be (torch, ONNX)."""

    def emit(self, op: str, inputs: list[Any], **attributes: Any) -> Any:
        """ONNX only: append a node, give its output."""

    def emit_many(self, op: str, inputs: list[Any], outputs: int, **attributes: Any) -> tuple[Any, ...]:
        """ONNX only: append a node of several outputs, give them."""


class Call(Protocol):
    """One call of a captured graph, as an importer sees it. Values are opaque but for shape, sizes, order and rank."""

    lib: Any  # torch
    name: str  # "aten.conv2d"
    overload: str  # "default", "Tensor", ...
    path: str  # of the module that made the call

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the result (of the first, where there are several), with the stand-in for the batch."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of every result."""

    @property
    def dtype(self) -> Any:
        """Of the result, in torch's words."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments as they stand in the program; their names in the schema's order."""

    @property
    def epsilon(self) -> float:
        """What torch takes where a norm's epsilon is None: the precision's own."""

    def __getitem__(self, argument: str) -> Any:
        """An argument by the name that the operator's schema gives it: a value, a number, a list, or None."""

    def get(self, argument: str, default: Any = None) -> Any:
        """The same, or `default` where the schema has no such argument."""

    def number(self, value: Any) -> float | None:
        """The number that an argument is: a Python number, or a constant of one element; else None."""

    def is_computed(self, value: Any) -> bool:
        """Whether it is neither a parameter nor a constant."""

    def array(self, value: Any) -> Any:
        """The NumPy array that a constant argument is, one row for the whole batch; None for anything else."""

    def is_each_image(self, value: Any) -> bool:
        """Whether it counts the images of a batch: 0, 1, 2, ... of the first axis."""

    def alike(self, value: Any) -> float | None:
        """The number that all elements of a constant are; else None."""

    def drawn(self, kind: str, rate: float = 0.0, like: Any = None, shared: tuple[int, ...] = ()) -> Any:
        """The page `draw`, of the result's shape, or of this value's but for shared canonical axes."""

    def known(self, array: Array) -> Any:
        """A constant, to be given on."""

    def value(self, value: Any) -> Any:
        """Anything as a value with a `ref`: parameters and constants become nodes of their own."""

    def arranged(self, value: Any, order: tuple[int, ...] | None = None) -> Any:
        """The value with torch's axes at these canonical places; None: as torch counts. A transpose where needed."""

    def expanded(self, value: Any, sizes: tuple[int, ...]) -> Any:
        """torch's expand: axes of size 1 grow, missing ones come in front."""

    def aligned(self, *values: Any) -> list[Any]:
        """Values in one canonical frame, so that they broadcast there as torch would broadcast them."""

    def last(self, value: Any, axes: tuple[int, ...]) -> Any:
        """The value with torch's axes `axes` as its last canonical ones, in that order; the rest as it lies."""

    def filled(self, given: Any) -> Any:
        """A number as a constant of the result's precision; anything else as it is."""

    def chosen(self, condition: Any, x: Any, y: Any) -> Any:
        """The page `where`, for every kind of condition."""

    def taken(self, value: Any, axis: int, table: Array) -> Any:
        """The page `take` along torch's axis: the table's axes come in its place."""

    def reshaped(self, value: Any, sizes: tuple[int, ...]) -> Any:
        """torch's view of the value: of these sizes, with as few moves of axes as possible."""

    def channels_last(self, value: Any) -> Any:
        """The value with torch's axis 1 as the last canonical one, all others in torch's order."""

    def stored(self, slot: str, array: Array) -> str:
        """A constant for a slot: the path of a new parameter."""

    def parameter(self, argument: str, order: tuple[int, ...] | None = None) -> str | Any:
        """A tensor argument for a slot, torch's axes at these canonical places: a path, or a Ref if it is computed."""

    def slot(self, given: Any, name: str, order: tuple[int, ...] | None = None) -> str | Any:
        """A tensor for a slot, as `parameter` has it."""

    def emit(
        self,
        op: str,
        attributes: Any,
        *inputs: Any,
        parameters: dict[str, Any] | None = None,
        order: tuple[int, ...] | None = None,
    ) -> Any:
        """Append a node; attributes as the page's dataclass or a dict of its fields.

        `order` is that of the result; None: that of the first input if the rank stays, else the plain one. A page with
        several outputs gives a tuple of values.
        """

    def refuse(self, why: str) -> Exception:
        """An UnsupportedError that names operator, module and source line; to be raised."""


class LayerCall(Protocol):
    """One call of a Keras layer, operation or activation, as an importer sees it. Values are opaque but for shape."""

    lib: Any  # keras
    layer: Any  # the layer, operation or function, with its settings and variables
    inputs: tuple[Any, ...]  # all its values, in order
    path: str  # its module path
    trains: bool  # False: it was called with training=False, and Keras honours that
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def operands(self) -> list[Any]:
        """All arguments of an operation in order: values, numbers, arrays, settings."""

    def number(self, given: Any) -> float | None:
        """The number that an argument is: a Python number, or an array without axes; else None."""

    def array(self, given: Any) -> Array | None:
        """The constant array that an argument is; None for a value, and for a variable of the model."""

    def value(self, given: Any) -> Any:
        """Anything as a value: variables and arrays become nodes of their own."""

    def emit(
        self, op: str, attributes: Any, *inputs: Any, parameters: dict[str, Any] | None = None, suffix: str = ""
    ) -> Any:
        """Append a node; attributes as the page's dataclass or a dict of its fields. Several outputs: a tuple.

        `parameters` gives each slot a variable of the layer (None: the slot is not there), an array for a constant, a
        value that is computed, or (variable, order): order[i] is the variable's axis that is the slot's axis i. Axes
        that lie side by side are joined or parted as the slot's shape asks. `suffix` names a part: ".depthwise".
        """

    def keep(self, variable: Any) -> None:
        """A variable of the layer that no prediction reads: it travels along, for the way back."""

    def activated(self, value: Any, function: Any = None) -> Any:
        """The value after the layer's own activation, or after this function or layer."""

    def note(self, text: str) -> None:
        """Tell the user what the graph can't say."""

    def refuse(self, why: str, remedy: str = "") -> Exception:
        """An UnsupportedError that names the layer's class, its path and a remedy; to be raised."""


def rounding(products: int, dtype: str) -> float:
    """A bound for the relative error of a sum of products: a few ulps times the root of their number.

    Rounding errors of a sum in any order grow like the root of the number of terms on average (Higham, Accuracy and
    Stability of Numerical Algorithms, 2002, section 4.2); the factor 8 covers the worst of the cases' few thousand.
    """
    return float(8 * np.finfo(dtype).eps * np.sqrt(max(products, 1)))


def roundings(products: int) -> dict[str, float]:
    """A page's TOLERANCE: that bound in each precision."""
    return {dtype: rounding(products, dtype) for dtype in ("float32", "float64")}
