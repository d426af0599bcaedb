"""dense: a weighted sum of all features, for each output feature.

Shape    x (..., I), kernel (I, O), bias (O,)  ->  y (..., O)

Laws     linear in x and in the kernel; the same as a 1 x 1 convolution at every place

Traps    torch   nn.Linear keeps (O, I)
         keras   after a flatten the features come in another order (H, W, C) than in torch (C, H, W): the kernel's rows
                 are moved with them, and read back the same way
         onnx    Gemm takes rank 2 only; MatMul the rest
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "last"
FEATURES = {"kernel": "i"}


@dataclass(frozen=True)
class Attributes:
    units: int
    bias: bool = True


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return (*x[:-1], a.units)


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    kernel = Slot((fixed(x[-1], "dense: the number of features"), a.units))
    return {"kernel": kernel, "bias": Slot((a.units,))} if a.bias else {"kernel": kernel}


def truth(_: Mode, a: Attributes, x: Array, *, kernel: Array, bias: Array | None = None) -> Array:
    y: Array = x @ kernel
    return y if bias is None else y + bias


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return {
        "torch": {"kernel": Native("weight", "i o -> o i"), "bias": Native("bias", "o -> o")},
        "keras": {"kernel": Native("kernel", "i o -> i o"), "bias": Native("bias", "o -> o")},
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    nn = scope.lib.nn
    if not scope.owned():
        return nn.functional.linear(
            x, scope.parameter("kernel", "i o -> o i"), scope.parameter("bias") if a.bias else None
        )
    return scope.module(nn.Linear(scope.shapes[0][-1], a.units, a.bias), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if not scope.owned():
        y = scope.lib.ops.matmul(x, scope.parameter("kernel"))
        return y + scope.parameter("bias") if a.bias else y
    return scope.module(scope.lib.layers.Dense(a.units, use_bias=a.bias, name=scope.name), x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    if len(scope.shapes[0]) == 2 and a.bias:
        return scope.emit("Gemm", [x, scope.parameter("kernel", "i o -> i o"), scope.parameter("bias")])
    y = scope.emit("MatMul", [x, scope.parameter("kernel", "i o -> i o")])
    return scope.emit("Add", [y, scope.parameter("bias")]) if a.bias else y


def from_torch(call: Call) -> Any:
    x, biased = call.last(call["input"], (-1,)), call["bias"] is not None
    slots = {"kernel": call.parameter("weight", (1, 0))}
    if biased:
        slots["bias"] = call.parameter("bias")
    return call.emit("dense", {"units": call["weight"].sizes[0], "bias": biased}, x, parameters=slots)


FROM_TORCH = {"aten.linear": from_torch}


def from_keras(call: LayerCall) -> Any:
    layer = call.layer
    slots = {"kernel": layer.kernel, "bias": layer.bias if layer.use_bias else None}
    attributes = {"units": layer.units, "bias": bool(layer.use_bias)}
    return call.activated(call.emit("dense", attributes, call.inputs[0], parameters=slots))


FROM_KERAS = {"layers.Dense": from_keras}
CASES = {
    "the usual": Case(((3, 7),), Attributes(4)),
    "no bias": Case(((3, 7),), Attributes(4, bias=False)),
    "at every place of an image": Case(((2, 3, 2, 5),), Attributes(4)),
}
TOLERANCE = roundings(7)
MUTATIONS: dict[str, Any] = {"bias": False}
SHOWN = {"torch": ("the usual",), "onnx": ("at every place of an image",)}
