"""matmul: products of matrices, which lie along the last two axes; the other axes broadcast.

Shape    x (..., M, K), y (..., K, N)  ->  z (..., M, N)

Laws     linear in each; (x y)^T = y^T x^T; axes before the last two are so many products side by side

Traps    order   a transposed factor costs nothing: the letters of einsum follow the order in which axes lie (Keras);
                 torch's matmul reads strides
         vectors rank 1 is refused: numpy.matmul adds an axis and takes it away again
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._elementwise import Attributes, broadcast
from bakeoff.ops._importers import affine, torch_merged
from bakeoff.ops._importers_keras import keras_pairwise
from bakeoff.ops._letters import LETTERS, lain
from bakeoff.ops._page import Call, Case, Gap, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "any"


def shape(a: Attributes, x: Shape, y: Shape) -> Shape:
    if min(len(x), len(y)) < 2 or x[-1] != y[-2]:
        raise UnsupportedError(f"matmul: {x} and {y} don't fit; expected (..., M, K) and (..., K, N)")
    return (*broadcast((x[:-2], y[:-2]), "matmul"), x[-2], y[-1])


def truth(_: Mode, a: Attributes, x: Array, y: Array) -> Array:
    return np.asarray(x @ y)


def _plain(scope: Scope) -> list[Any]:
    return [scope.arranged(index, tuple(range(len(shape)))) for index, shape in enumerate(scope.shapes)]


def _result(scope: Scope, z: Any) -> Any:
    return scope.laid(z, tuple(range(max(map(len, scope.shapes)))))


def to_torch(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return _result(scope, scope.lib.matmul(*_plain(scope)))


def to_keras(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    rank = len(scope.shapes[0])
    lie_plain = all(order == tuple(range(len(order))) for order in scope.orders)
    if lie_plain or scope.shapes[0][:-2] != scope.shapes[1][:-2]:
        return _result(scope, scope.lib.ops.matmul(*_plain(scope)))
    letters = LETTERS[: rank - 2]
    left, right = lain(f"{letters}mk", scope.orders[0]), lain(f"{letters}kn", scope.orders[1])
    order = scope.orders[0]  # that of x, with N where K was
    z = scope.lib.ops.einsum(f"{left},{right}->{lain(f'{letters}mn', order)}", x, y)
    return scope.laid(z, order)


def to_onnx(scope: Scope, a: Attributes, x: Any, y: Any) -> Any:
    return _result(scope, scope.emit("MatMul", _plain(scope)))


def from_torch(call: Call) -> Any:
    return _product(call, call["self"], call.get("other", call.get("mat2")))


def _product(call: Call, x: Any, y: Any) -> Any:
    if min(len(x.sizes), len(y.sizes)) < 2:
        raise call.refuse("a vector as a factor")
    return call.emit("matmul", {}, call.arranged(x), call.arranged(y), order=tuple(range(len(call.sizes))))


def from_sum(call: Call) -> Any:
    names = ("mat1", "mat2") if call.name == "aten.addmm" else ("batch1", "batch2")
    product = _product(call, call[names[0]], call[names[1]])
    alpha, beta = call.number(call["alpha"]) or 0, call.number(call["beta"]) or 0
    if not beta:
        return affine(call, product, scale=alpha)
    return torch_merged(call, "add", affine(call, product, scale=alpha), affine(call, call["self"], scale=beta))


def from_vector(call: Call) -> Any:
    """A matrix times a vector."""
    x, v = call.arranged(call["self"]), call.value(call["vec"])
    return call.reshaped(call.emit("matmul", {}, x, call.reshaped(v, (*v.sizes, 1)), order=(0, 1)), call.sizes)


FROM_TORCH = {
    "aten.mv": from_vector,
    **dict.fromkeys(("aten.matmul", "aten.bmm", "aten.mm"), from_torch),
    **dict.fromkeys(("aten.addmm", "aten.baddbmm"), from_sum),
}
FROM_KERAS = {"ops.Matmul": keras_pairwise("matmul")}
CASES = {
    "heads of tokens": Case(((2, 3, 4, 5), (2, 3, 5, 6)), Attributes()),
    "one matrix for all": Case(((2, 4, 5), (1, 5, 3)), Attributes()),
    "batches of matrices": Case(((2, 4, 5), (2, 5, 3)), Attributes()),
}
TOLERANCE = roundings(5)
GAPS = {
    "a vector as a factor": Gap("torch", lambda torch, x: x @ torch.ones(6), "a vector as a factor"),
    "vectors of rank 1": Gap("keras, onnx", Case(((2, 3, 4), (4,)), Attributes()), "don't fit"),
}
SHOWN = {"order": ("heads of tokens",), "vectors": ("batches of matrices",)}
