"""div: the quotient of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = x1 / x2

Laws     div(x, x) = 1; div(x, 1) = x

Traps    torch   with a rounding_mode it is floor_divide: that has no gradient, and no page
         xla     may multiply by the reciprocal in float32: 1 ulp
"""

from __future__ import annotations

from operator import truediv
from typing import Any

from bakeoff.ops._elementwise import broadcasts, chained, emits, operation, pairs
from bakeoff.ops._importers import affine, torch_merged
from bakeoff.ops._importers_keras import keras_pairwise
from bakeoff.ops._page import Call, LayerCall, roundings

shape = broadcasts("div")
truth = to_torch = chained(truediv)
to_keras = operation("divide")
to_onnx = emits("Div")


def from_torch(call: Call) -> Any:
    x, y = call["self"], call["other"]
    if call.get("rounding_mode"):
        raise call.refuse(f"rounding mode {call['rounding_mode']}")
    c = call.number(y)
    if c is not None:
        return affine(call, x, scale=1 / c)
    c = call.number(x)
    if c is not None:
        return affine(call, call.emit("reciprocal", {}, y), scale=c)
    return torch_merged(call, "div", x, y)


FROM_TORCH = {"aten.div": from_torch, "aten.divide": from_torch, "aten.true_divide": from_torch}


def from_keras(call: LayerCall) -> Any:
    """x / y of keras.ops: a number is a scale."""
    left, right = call.operands
    by, over = call.number(right), call.number(left)
    if by is not None:
        return affine(call, call.value(left), scale=1 / by)
    if over is not None:
        return affine(call, call.emit("reciprocal", {}, call.value(right)), scale=over)
    return keras_pairwise("div")(call)


FROM_KERAS = {"ops.Divide": from_keras, "ops.TrueDivide": from_keras}
CASES = pairs(positive=True)
TOLERANCE = roundings(1)  # one quotient
SHOWN = {"torch": ("images",), "xla": ("vectors",)}
