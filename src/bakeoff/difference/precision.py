"""A graph in fewer bits than float32.

bfloat16, float16   in NumPy: weights and what each layer gives are rounded to the nearest
tfloat32            in NumPy: 10 bits of mantissa, of what convolutions and dense layers read
int8                by the quantizer of `export`, with the scales that a file says, or those of the images at hand
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bakeoff.graph import interpreter
from bakeoff.graph.graph import Graph, Ref
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode
from bakeoff.schemas import Array

KINDS = ("bfloat16", "float16", "tfloat32", "int8")
SUMS = ("conv1d", "conv2d", "conv_transpose2d", "dense", "matmul")


def run(graph: Graph, images: Array, kind: str, scales: str = "") -> Array:
    """The logits (N, classes), float32.

    Args:
        scales: an ONNX file that has them, for int8.
    """
    graph = graph.astype("float32")
    if kind == "int8":
        return _int8(graph, images, scales)
    cut = ROUNDED[kind]
    graph = graph.with_arrays({path: cut(p.array) for path, p in graph.parameters.items() if p.array.dtype.kind == "f"})
    values = {Ref(next(iter(graph.inputs))): cut(images.astype(np.float32))}
    sizes = {n.atom: size for n, size in zip(graph.input_shape, images.shape, strict=True) if isinstance(n, Dim)}
    for node in graph.nodes:
        given = [cut(values[ref]) if node.op in SUMS else values[ref] for ref in node.inputs]
        attributes = interpreter.concrete(node.attributes, sizes)
        out = node.page.truth(Mode(), attributes, *given, **interpreter.parameters(graph, node, values))
        for index, one in enumerate(out if isinstance(out, tuple) else (out,)):
            whole = kind == "tfloat32" or one.dtype.kind != "f"
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


def _int8(graph: Graph, images: Array, scales: str) -> Array:
    import onnx

    from bakeoff.runtimes import _onnx_smaller, onnxruntime
    from bakeoff.runtimes._onnx_build import to_onnx

    known = _onnx_smaller.scales(onnx.load(scales)) if scales else {}
    model = _onnx_smaller.to_int8(to_onnx(graph), images[:1] if known else images, known)
    return onnxruntime.of_model(model, 1).predict(images)


ROUNDED: dict[str, Callable[[Array], Array]] = {
    "bfloat16": _mantissa(7),
    "float16": lambda x: np.asarray(x.astype(np.float16).astype(np.float32)),
    "tfloat32": _mantissa(10),
}
