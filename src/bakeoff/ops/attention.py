"""attention: each query takes the mean of all values, weighted by how well its key fits (scaled dot products).

Shape    q (..., T, D), k (..., S, D), v (..., S, E), mask (T, S) or more axes  ->  y (..., T, E)

Formula  y = softmax(scale q k^T + mask) v;   dropout acts on the weights in training
         Vaswani et al., 2017, formula 1; scale 1 / sqrt(D) where none is given

Laws     a shift of all of a query's scores changes nothing; a mask of -inf hides a key

Traps    mask    is added; a truth value "may look" becomes 0 or -inf. Learned (relative positions), it has a gradient
         keras   its own dot_product_attention computes the softmax in float32 at the least and takes no dropout; heads
                 come second to last there. Letters follow the order of the axes: no transposes
         torch   one call picks a fused kernel; its dropout doesn't know eval(): a small module does
         causal  a query sees keys up to its own place, counted from the first
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._letters import LETTERS, lain
from bakeoff.ops._page import Call, Case, Fault, Gap, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "any"
DRAWS = "masks"


@dataclass(frozen=True)
class Attributes:
    """A scale of None is 1 / sqrt(D)."""

    scale: float | None = None
    rate: float = 0.0
    causal: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise UnsupportedError(f"attention: a dropout rate of {self.rate}; expected at least 0, and below 1")


def shape(a: Attributes, q: Shape, k: Shape, v: Shape, mask: Shape | None = None) -> Shape:
    if not (q[:-2] == k[:-2] == v[:-2] and q[-1] == k[-1] and k[-2] == v[-2]):
        raise UnsupportedError(f"attention: queries {q}, keys {k} and values {v} don't fit")
    return (*q[:-1], v[-1])


def scale(a: Attributes, q: Shape) -> float:
    """What products are multiplied by."""
    return 1 / math.sqrt(fixed(q[-1], "attention: features of a head")) if a.scale is None else a.scale


def truth(mode: Mode, a: Attributes, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
    scores = np.asarray(scale(a, q.shape), q.dtype) * (q @ k.swapaxes(-1, -2))
    if mask is not None:
        scores = scores + mask
    if a.causal:
        scores = scores + _causal(q.shape, k.shape).astype(q.dtype)
    e = np.exp(scores - scores.max(-1, keepdims=True))
    weights = e / e.sum(-1, keepdims=True)
    if mode.train and a.rate:
        if mode.mask is None:
            raise UnsupportedError("attention: the truth of a training pass with dropout needs Mode(mask=...)")
        weights = weights * mode.mask(weights.shape, 1 - a.rate).astype(q.dtype) / (1 - a.rate)
    return np.asarray(weights @ v)


def _causal(q: Shape, k: Shape) -> Array:
    """0 where a query sees a key, -inf above the diagonal."""
    sizes = fixed(q[-2], "attention: a causal mask"), fixed(k[-2], "attention: a causal mask")
    return np.where(np.tri(*sizes, dtype=bool), 0.0, -np.inf)


def _plain(scope: Scope, index: int) -> Any:
    return scope.arranged(index, tuple(range(len(scope.shapes[index]))))


def _masks(scope: Scope, a: Attributes) -> list[Any]:
    """What is added to the scores."""
    found = [_plain(scope, 3)] if len(scope.shapes) > 3 else []
    if a.causal:
        found.append(scope.constant(_causal(*scope.shapes[:2]).astype(scope.dtype)))
    return found


def to_torch(scope: Scope, a: Attributes, *_: Any) -> Any:
    values = [_plain(scope, index) for index in range(len(scope.shapes))]
    causal = a.causal and len(values) < 4
    if a.causal and not causal:  # torch takes the one or the other
        values[3] = values[3] + scope.constant(_causal(*scope.shapes[:2]).astype(scope.dtype))
    if a.rate:
        y = scope.helper(scope.own.Attention(a.scale, a.rate, causal), *values, suffix="")
    else:
        settings: dict[str, Any] = {"is_causal": True} if causal else {}
        settings |= {} if a.scale is None else {"scale": a.scale}
        y = scope.lib.nn.functional.scaled_dot_product_attention(*values, **settings)
    return scope.laid(y, tuple(range(len(scope.shapes[0]))))


def to_keras(scope: Scope, a: Attributes, q: Any, k: Any, v: Any, *_: Any) -> Any:
    ops = scope.lib.ops
    rank = len(scope.shapes[0])
    letters = LETTERS[: rank - 2]
    queries, keys = lain(f"{letters}td", scope.orders[0]), lain(f"{letters}sd", scope.orders[1])
    scores = ops.einsum(f"{queries},{keys}->{letters}ts", ops.multiply(q, scale(a, scope.shapes[0])), k)
    for mask in _masks(scope, a):
        scores = ops.add(scores, mask)
    if scope.mixed:  # as torch's kernels: the softmax in float32
        weights = ops.cast(ops.softmax(ops.cast(scores, scope.dtype), axis=-1), v.dtype)
    else:
        weights = ops.softmax(scores, axis=-1)
    if a.rate:
        weights = scope.helper(scope.lib.layers.Dropout(a.rate, name=scope.name), weights, suffix="")
    values, result = lain(f"{letters}se", scope.orders[2]), lain(f"{letters}te", scope.orders[0])
    return scope.laid(ops.einsum(f"{letters}ts,{values}->{result}", weights, v), scope.orders[0])


def to_onnx(scope: Scope, a: Attributes, *_: Any) -> Any:
    rank = len(scope.shapes[0])
    keys = scope.arranged(1, (*range(rank - 2), rank - 1, rank - 2))
    number = scope.constant(np.asarray(scale(a, scope.shapes[0]), scope.dtype))
    scores = scope.emit("MatMul", [scope.emit("Mul", [_plain(scope, 0), number]), keys])
    for mask in _masks(scope, a):
        scores = scope.emit("Add", [scores, mask])
    y = scope.emit("MatMul", [scope.emit("Softmax", [scores], axis=-1), _plain(scope, 2)])
    return scope.laid(y, tuple(range(rank)))


def from_torch(call: Call) -> Any:
    values = [call.arranged(call[name]) for name in ("query", "key", "value")]
    lead = values[0].sizes[:-2]
    if call.get("enable_gqa"):  # each head of keys serves several of queries
        times = [lead[-1] // x.sizes[-3] for x in values]
        pairs = zip(values, times, strict=True)
        values = [
            x if n == 1 else call.emit("repeat_interleave", {"count": n, "axis": x.rank - 3}, x) for x, n in pairs
        ]
    values = [call.expanded(x, (*lead, *x.sizes[-2:])) for x in values]
    scale = call["scale"] if call["scale"] is not None else 1 / math.sqrt(values[0].sizes[-1])
    attributes = {"scale": float(scale), "rate": float(call["dropout_p"]), "causal": bool(call["is_causal"])}
    mask = call["attn_mask"]
    table = call.array(mask)
    if table is not None and table.dtype == bool:
        table = np.where(table, 0.0, -np.inf).astype(np.float32)
        mask = call.known(table)
    if mask is not None and (table is None or table.any()):  # zeros hide nothing
        values.append(call.arranged(mask))
    return call.emit("attention", attributes, *values)


FROM_TORCH = {"aten.scaled_dot_product_attention": from_torch}


def from_keras(call: LayerCall) -> Any:
    """MultiHeadAttention: three projections to (N, T, heads, features), attention over the places, and one back."""
    layer, options = call.layer, call.kwargs
    wrong = [k for k in ("attention_mask", "query_mask", "value_mask", "key_mask") if options.get(k) is not None]
    wrong += [k for k in ("return_attention_scores",) if options.get(k)]
    wrong += [k for k in ("use_gate", "sliding_window") if getattr(layer, f"_{k}", None)]
    query, value, key = (*call.inputs, call.inputs[1])[:3]
    if wrong or not query.rank == value.rank == key.rank == 3 or len(call.args) > 3:
        raise call.refuse(f"{', '.join(wrong) or 'inputs that are no sequences'}", "Only plain attention is known.")
    q, k, v = (
        _keras_heads(call, name, dense, x)
        for name, dense, x in (
            ("query", layer.query_dense, query),
            ("key", layer.key_dense, key),
            ("value", layer.value_dense, value),
        )
    )
    attributes = {
        "scale": float(layer._inverse_sqrt_key_dim),
        "rate": float(layer.dropout) if call.trains else 0.0,
        "causal": bool(options.get("use_causal_mask")),
    }
    y = call.emit("attention", attributes, q, k, v, suffix=".attention")
    y = call.emit("transpose", {"axes": (0, 2, 1, 3)}, y)
    y = call.emit("reshape", {"shape": (*y.shape[:2], y.shape[2] * y.shape[3])}, y)
    out = layer.output_dense
    slots = {"kernel": out.kernel, "bias": out.bias if layer.use_bias else None}
    units = {"units": out.kernel.shape[-1], "bias": bool(layer.use_bias)}
    return call.emit("dense", units, y, parameters=slots, suffix=".attention_output")


def _keras_heads(call: LayerCall, name: str, dense: Any, x: Any) -> Any:
    """A projection, and its features parted into heads: (N, heads, T, features)."""
    _, heads, size = dense.kernel.shape
    slots = {"kernel": dense.kernel, "bias": dense.bias}
    y = call.emit(
        "dense", {"units": heads * size, "bias": dense.bias is not None}, x, parameters=slots, suffix=f".{name}"
    )
    y = call.emit("reshape", {"shape": (*y.shape[:2], heads, size)}, y)
    return call.emit("transpose", {"axes": (0, 2, 1, 3)}, y)


FROM_KERAS = {"layers.MultiHeadAttention": from_keras}
CASES = {
    "heads": Case(((2, 3, 4, 5), (2, 3, 4, 5), (2, 3, 4, 5)), Attributes()),
    "other keys, a scale": Case(((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 2)), Attributes(0.7)),
    "a mask": Case(((2, 4, 3), (2, 4, 3), (2, 4, 3), (2, 4, 4)), Attributes()),
    "one head, predict with dropout": Case(((2, 4, 3), (2, 4, 3), (2, 4, 3)), Attributes(rate=0.5)),
    "causal": Case(((2, 2, 4, 3), (2, 2, 4, 3), (2, 2, 4, 3)), Attributes(causal=True)),
    "causal, with a mask": Case(((2, 2, 4, 3), (2, 2, 4, 3), (2, 2, 4, 3), (2, 1, 4, 4)), Attributes(causal=True)),
}
TOLERANCE = roundings(30)
FAULTS = {"tensorflow": Fault("MultiHeadAttention takes its scale through float32", 6e-8)}
MUTATIONS: dict[str, Any] = {"scale": 0.5, "causal": True}
FEWER = Case(((2, 4, 3, 5), (2, 2, 3, 5), (2, 2, 3, 5)), Attributes())
GAPS = {"fewer heads of keys than of queries, not repeated": Gap("torch, keras, onnx", FEWER, "don't fit")}
SHOWN = {
    "mask": ("a mask",),
    "keras": ("heads",),
    "torch": ("one head, predict with dropout",),
    "causal": ("causal", "causal, with a mask"),
}
