"""reshape: the same numbers, in the order in which the last axis runs fastest, under another shape.

Shape    x  ->  y of shape `shape`, which holds as many elements; sizes may be symbols, as the batch or a multiple of it

Laws     reshaping back gives x; axes that are neither joined nor split don't matter

Traps    order   axes are joined in canonical order, channels last. Where they lie in another one, the builder moves
                 them: one transpose, and none if the axes of each joined group lie side by side
         keras   Reshape leaves the batch out of its shape, and can't make windows out of batches: ops.reshape can
         onnx    one size may stay open (-1)
Raised   from torch by views, an order of axes as often as a node: frameworks/torch/capture/_structure.py
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Shape, Size
from bakeoff.ops._importers_keras import keras_axes
from bakeoff.ops._page import Case, Gap, LayerCall, Mode, Scope
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    """`shape` has numbers and symbols; no -1."""

    shape: Shape


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    elements = [size for size in x if isinstance(size, int)]
    free = [size for size in a.shape if isinstance(size, Dim)]
    if len(elements) < len(x):
        return a.shape
    known = prod(size for size in a.shape if isinstance(size, int))
    if len(free) > 1 or (prod(elements) % known if free else prod(elements) != known):
        raise UnsupportedError(f"reshape: {x} and {a.shape} hold different numbers of elements")
    return tuple(prod(elements) // known if isinstance(size, Dim) else size for size in a.shape)


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    return x.reshape(shape(a, x.shape))  # type: ignore[arg-type]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    return scope.reshaped(a.shape)


to_keras = to_onnx = to_torch

BATCH = Dim("batch")


def from_keras(call: LayerCall) -> Any:
    """The layer Reshape: its target leaves the batch out."""
    return _keras_reshaped(call, (None, *call.layer.target_shape))


def from_operation(call: LayerCall) -> Any:
    return _keras_reshaped(call, tuple(call.layer.newshape))


def from_expand_dims(call: LayerCall) -> Any:
    given = call.layer.axis
    many = (given,) if isinstance(given, int) else tuple(given)
    rank = call.inputs[0].rank + len(many)
    shape = list(call.inputs[0].shape)
    for axis in sorted(axis % rank for axis in many):
        shape.insert(axis, 1)
    return call.emit("reshape", {"shape": tuple(shape)}, call.inputs[0])


def from_squeeze(call: LayerCall) -> Any:
    x, axis = call.inputs[0], call.layer.axis
    ones = tuple(place for place, size in enumerate(x.shape) if size == 1)
    gone = ones if axis is None else keras_axes(call, axis)
    return call.emit("reshape", {"shape": tuple(size for axis, size in enumerate(x.shape) if axis not in gone)}, x)


def from_repeat_vector(call: LayerCall) -> Any:
    x = call.inputs[0]
    x = call.emit("reshape", {"shape": (x.shape[0], 1, x.shape[1])}, x)
    return call.emit("repeat", {"counts": (1, call.layer.n, 1)}, x)


def from_patches(call: LayerCall) -> Any:
    """ops.image.extract_patches, side by side: rows and columns parted, and put together in another order."""
    layer, x = call.layer, call.inputs[0]
    size, strides = tuple(layer.size), layer.strides
    strides = (strides, strides) if isinstance(strides, int) else tuple(strides)
    if x.rank != 4 or strides != size or layer.dilation_rate not in (1, (1, 1)) or layer.padding != "valid":
        raise call.refuse("patches that overlap, or are padded", "Use a convolution whose stride is its kernel.")
    counts = [x.shape[axis + 1] // size[axis] for axis in (0, 1)]
    for axis in (0, 1):
        if x.shape[axis + 1] != counts[axis] * size[axis]:
            x = call.emit("slice", {"axis": axis + 1, "stop": counts[axis] * size[axis]}, x)
    batch, channels = x.shape[0], x.shape[3]
    x = call.emit("reshape", {"shape": (batch, counts[0], size[0], counts[1], size[1], channels)}, x)
    x = call.emit("transpose", {"axes": (0, 1, 3, 2, 4, 5)}, x)
    return call.emit("reshape", {"shape": (batch, *counts, size[0] * size[1] * channels)}, x)


def _keras_reshaped(call: LayerCall, target: tuple[Any, ...]) -> Any:
    """None in front is the batch, -1 what is left over; both may be symbols."""
    x = call.inputs[0]
    known = [size for size in target[1:] if isinstance(size, int) and size >= 0]
    if any(not isinstance(size, int) for size in target[1:]) or len(target) - 1 - len(known) > 1:
        raise call.refuse(f"a target of {target}", "Give every size but one as a number.")
    if target[0] == -1 and len(known) == len(target) - 1:  # the batch, or windows counted as a batch
        total: Size = x.shape[0]
        for size in x.shape[1:]:
            total = total * size
        return call.emit("reshape", {"shape": (total // prod(known), *known)}, x)
    if target[0] not in (None, -1):
        raise call.refuse(f"a target of {target}", "The first size is the batch: leave it open.")
    rest: Size = 1
    for size in x.shape[1:]:
        rest = size * rest
    filled = tuple(rest // prod(known) if size == -1 else size for size in target[1:])
    return call.emit("reshape", {"shape": (x.shape[0], *filled)}, x)


FROM_KERAS = {
    "layers.Reshape": from_keras,
    "layers.RepeatVector": from_repeat_vector,
    "ops.Reshape": from_operation,
    "ops.ExpandDims": from_expand_dims,
    "ops.ExtractPatches": from_patches,
    "ops.Squeeze": from_squeeze,
}
CASES = {
    "tokens of an image": Case(((2, 3, 4, 5),), Attributes((BATCH, 12, 5))),
    "heads of features": Case(((2, 3, 12),), Attributes((BATCH, 3, 3, 4))),
    "everything": Case(((2, 3, 4, 5),), Attributes((BATCH, 60))),
    "windows become batches": Case(((2, 4, 5, 3),), Attributes((4 * BATCH, 5, 3))),
    "batches become windows": Case(((4, 5, 3),), Attributes((BATCH, 15, 1))),
    "rows and columns are parted": Case(((2, 4, 6, 3),), Attributes((BATCH, 2, 2, 3, 2, 3))),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}
MUTATIONS: dict[str, Any] = {"shape": (BATCH, 5, 12)}
PARTED = Case(((2, 3, 4, 6),), Attributes((BATCH, Dim("height"), Dim("width"), 2, 3)))
GAPS = {"more than one size known only when the net runs": Gap("keras, onnx", PARTED, "with two free sizes", free=True)}
SHOWN = {"order": ("tokens of an image",), "keras": ("windows become batches",), "onnx": ("heads of features",)}
