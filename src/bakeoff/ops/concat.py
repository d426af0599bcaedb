"""concat: values side by side along an axis.

Shape    x1, x2, ... of the same shape but for `axis`  ->  y; its size along `axis` is the sum of theirs

Laws     the inputs lie in y unchanged, one after the other

Traps    axis    channels are the last axis here and in Keras, the second in torch
         order   flattened images can't be joined in torch's feature order (C, H, W) and be taken for (H, W, C): the
                 builder puts the features in order before it joins them
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._elementwise import Along as Attributes
from bakeoff.ops._elementwise import emits_along
from bakeoff.ops._importers import joined
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array


def shape(a: Attributes, first: Shape, *others: Shape) -> Shape:
    axis = a.axis % len(first)
    total = first[axis]
    for other in others:
        if len(other) != len(first) or (*other[:axis], *other[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
            raise UnsupportedError(f"concat: {first} and {other} differ in more than axis {axis}")
        total = total + other[axis]
    return (*first[:axis], total, *first[axis + 1 :])


def truth(_: Mode, a: Attributes, *inputs: Array) -> Array:
    return np.concatenate(inputs, a.axis)


def to_torch(scope: Scope, a: Attributes, *inputs: Any) -> Any:
    return scope.lib.cat(list(inputs), scope.axis(a.axis))


def to_keras(scope: Scope, a: Attributes, *inputs: Any) -> Any:
    if len(inputs) == 1:
        return inputs[0]
    return scope.helper(scope.lib.layers.Concatenate(scope.axis(a.axis), name=scope.name), *inputs, suffix="")


to_onnx = emits_along("Concat")


def from_torch(call: Call) -> Any:
    parts = [call.value(x) for x in call["tensors"] if 0 not in x.sizes]
    return joined(call, parts, call["dim"] % len(call.sizes))


def from_torch_stack(call: Call) -> Any:
    axis = call["dim"] % len(call.sizes)
    single = (*call.sizes[:axis], 1, *call.sizes[axis + 1 :])
    return joined(call, [call.reshaped(x, single) for x in call["tensors"]], axis)


FROM_TORCH = {
    "aten.cat": from_torch,
    "aten.concat": from_torch,
    "aten.concatenate": from_torch,
    "aten.stack": from_torch_stack,
}


def from_keras(call: LayerCall) -> Any:
    return call.emit("concat", {"axis": call.layer.axis % call.inputs[0].rank}, *call.inputs)


def from_operation(call: LayerCall) -> Any:
    parts = [call.value(part) for part in call.operands[0]]
    return call.emit("concat", {"axis": call.layer.axis % parts[0].rank}, *parts)


def from_stack(call: LayerCall) -> Any:
    """Along a new axis: each part gets it with size 1."""
    parts = [call.value(part) for part in call.operands[0]]
    axis, first = call.layer.axis % (parts[0].rank + 1), parts[0].shape
    shape = (*first[:axis], 1, *first[axis:])
    return call.emit("concat", {"axis": axis}, *(call.emit("reshape", {"shape": shape}, part) for part in parts))


FROM_KERAS = {"layers.Concatenate": from_keras, "ops.Concatenate": from_operation, "ops.Stack": from_stack}
CASES = {
    "channels": Case(((2, 3, 4, 5), (2, 3, 4, 2)), Attributes()),
    "rows": Case(((2, 3, 4, 5), (2, 1, 4, 5), (2, 2, 4, 5)), Attributes(1)),
    "columns": Case(((2, 3, 3, 5), (2, 3, 3, 5)), Attributes(2)),
    "vectors": Case(((3, 7), (3, 2)), Attributes()),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # copied
MUTATIONS: dict[str, Any] = {"axis": 1}
SHOWN = {"axis": ("channels",)}
