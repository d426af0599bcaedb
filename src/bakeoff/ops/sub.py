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
from bakeoff.ops._importers import affine, numbered, torch_merged
from bakeoff.ops._importers_keras import keras_merged, keras_numbered
from bakeoff.ops._page import Call

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
    found = numbered(call, x, y, lambda c: (1, -alpha * c), lambda c: (-alpha, c))
    return torch_merged(call, "sub", x, affine(call, y, scale=alpha)) if found is None else found


FROM_TORCH = {"aten.sub": from_torch, "aten.subtract": from_torch, "aten.rsub": from_torch}
FROM_KERAS = {
    "layers.Subtract": keras_merged("sub"),
    "ops.Subtract": keras_numbered("sub", lambda c: (1, -c), lambda c: (-1, c)),
}
CASES = pairs()
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # one operation, rounded the same way everywhere (IEEE 754)
SHOWN = {"torch": ("images",), "order": ("the smaller one first",)}
