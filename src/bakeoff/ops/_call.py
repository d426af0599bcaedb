"""What an importer sees: it says how a captured call becomes nodes.

From torch it is `from_torch(call: Call) -> value`. The names in FROM_TORCH have neither overload nor the underscore of
an in-place twin ("aten.relu" is relu, relu_ and every overload of both). A tensor that capture hands out has `sizes`,
counted as torch counts, and `order`: order[i] is the canonical axis that torch's axis i is, so that (0, 3, 1, 2) is an
image in NCHW. An importer asks for the order that its page needs (`arranged`), turns torch's axes into canonical ones
(`order[axis]`), and emits nodes.

From Keras it is `from_keras(call: LayerCall) -> value`. The names in FROM_KERAS are "layers.Conv2D" for a layer's
class, "ops.Relu" for the class of an operation of keras.ops, and "activations.relu" for a function that a layer is
given as its activation. Keras counts axes as we do, so its values have a canonical `shape` and no order. `call.layer`
is the layer or operation with its settings; its variables are given to slots as they are, and capture lays them out.

Two pages may not claim one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bakeoff.schemas import Array


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

    def moved(self, value: Any, axes: tuple[int, ...]) -> Any:
        """torch's permute: no node."""

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
        value that is computed, or (variable, order): order[i] is the variable's axis that is the slot's axis i; with a
        third the blocks of `Native`. Axes that lie side by side are joined or parted as the slot's shape asks. `suffix`
        names a part: ".depthwise".
        """

    def keep(self, variable: Any) -> None:
        """A variable of the layer that no prediction reads: it travels along, for the way back."""

    def activated(self, value: Any, function: Any = None) -> Any:
        """The value after the layer's own activation, or after this function or layer."""

    def note(self, text: str) -> None:
        """Tell the user what the graph can't say."""

    def refuse(self, why: str, remedy: str = "") -> Exception:
        """An UnsupportedError that names the layer's class, its path and a remedy; to be raised."""
