"""A graph in fewer bits than float32, simulated in NumPy: weights and what each layer gives are rounded.

bfloat16, float16   to the nearest
tfloat32            10 bits of mantissa, of what convolutions and dense layers read
int8                256 steps from the smallest to the largest, of weights for each output channel
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bakeoff.graph import interpreter
from bakeoff.graph.graph import Graph, Ref
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode
from bakeoff.schemas import Array

KINDS = ("bfloat16", "float16", "tfloat32", "int8")
SUMS = ("conv1d", "conv2d", "conv_transpose2d", "dense", "matmul")


def run(graph: Graph, images: Array, kind: str) -> Array:
    """The logits (N, classes), float32."""
    cut = ROUNDED[kind]
    weights = {
        path: _channels(p.array) if kind == "int8" and p.array.ndim > 1 else p.array if kind == "int8" else cut(p.array)
        for path, p in graph.parameters.items()
        if p.array.dtype.kind == "f"
    }
    graph = replace(graph.astype("float32").with_arrays({path: w.astype(np.float32) for path, w in weights.items()}))
    values = {Ref(next(iter(graph.inputs))): cut(images.astype(np.float32))}
    sizes = {n.atom: size for n, size in zip(graph.input_shape, images.shape, strict=True) if isinstance(n, Dim)}
    for node in graph.nodes:
        given = [cut(values[ref]) if node.op in SUMS else values[ref] for ref in node.inputs]
        attributes = interpreter.concrete(node.attributes, sizes)
        out = node.page.truth(Mode(), attributes, *given, **interpreter.parameters(graph, node, values))
        for index, one in enumerate(out if isinstance(out, tuple) else (out,)):
            whole = kind in ("tfloat32", "int8") or one.dtype.kind != "f"
            values[Ref(node.id, index)] = one if whole else cut(one)
    return values[graph.output]


def _mantissa(bits: int) -> Callable[[Array], Array]:
    """Rounds float32 to so many bits of mantissa, to the nearest, ties to even."""

    def cut(x: Array) -> Array:
        left = 23 - bits
        raw = np.ascontiguousarray(x, np.float32).view(np.uint32)
        half = (1 << (left - 1)) - 1 + ((raw >> left) & 1)
        return np.asarray(((raw + half) >> left << left).view(np.float32))

    return cut


def _steps(x: Array) -> Array:
    """256 steps over the range of an array, 0 among them."""
    low, high = min(0.0, float(x.min(initial=0.0))), max(0.0, float(x.max(initial=0.0)))
    step = (high - low) / 255 or 1.0
    zero = np.rint(-low / step)
    return np.asarray((np.clip(np.rint(x / step) + zero, 0, 255) - zero) * step, np.float32)


def _channels(x: Array) -> Array:
    """127 steps up and down to the largest of each output channel, which is the last axis."""
    step = np.abs(x).max(tuple(range(x.ndim - 1)), keepdims=True) / 127
    step = np.where(step == 0, 1, step)
    return np.asarray(np.rint(x / step) * step)


ROUNDED: dict[str, Callable[[Array], Array]] = {
    "bfloat16": _mantissa(7),
    "float16": lambda x: np.asarray(x.astype(np.float16).astype(np.float32)),
    "tfloat32": _mantissa(10),
    "int8": _steps,
}
