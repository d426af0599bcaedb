"""sub: the difference of two values, element by element.

Shape    x1, x2 (as NumPy broadcasts)  ->  y = x1 - x2

Laws     sub(x, x) = 0; sub(x, 0) = x

Traps    torch   `torch.sub(x, y, alpha=a)` takes a y: capture writes the product out
         order   the first input is the one that stays positive, though the second one be the larger array
"""

from __future__ import annotations

from operator import sub
from typing import Any

from bakeoff.ops._elementwise import broadcasts, chained, emits, operation, pairs
from bakeoff.ops._importers import affine, torch_merged
from bakeoff.ops._importers_keras import keras_merged, keras_pairwise
from bakeoff.ops._page import Call, LayerCall

shape = broadcasts("sub")
truth = to_torch = chained(sub)
to_keras = operation("subtract")
to_onnx = emits("Sub")


def from_torch(call: Call) -> Any:
    x, y, alpha = call["self"], call["other"], call.number(call.get("alpha", 1)) or 1
    if call.name == "aten.rsub":
        x, y = y, x
        if alpha != 1:
            raise call.refuse(f"alpha {alpha} (only 1)")
    c = call.number(y)
    if c is not None:
        return affine(call, x, shift=-alpha * c)
    c = call.number(x)
    if c is not None:
        return affine(call, y, scale=-alpha, shift=c)
    return torch_merged(call, "sub", x, affine(call, y, scale=alpha))


FROM_TORCH = {"aten.sub": from_torch, "aten.subtract": from_torch, "aten.rsub": from_torch}


def from_operation(call: LayerCall) -> Any:
    """x - y of keras.ops: a number is a shift."""
    left, right = call.operands
    less, start = call.number(right), call.number(left)
    if less is not None:
        return affine(call, call.value(left), shift=-less)
    if start is not None:
        return affine(call, call.value(right), scale=-1, shift=start)
    return keras_pairwise("sub")(call)


FROM_KERAS = {"layers.Subtract": keras_merged("sub"), "ops.Subtract": from_operation}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"torch": ("images",), "order": ("the smaller one first",)}
