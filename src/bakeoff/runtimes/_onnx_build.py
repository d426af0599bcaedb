"""Graph -> ONNX: input `input` (N, C, H, W), output `logits` (N, classes), float32 or float64; the batch is symbolic.

Parameters become initializers in ONNX's own layout under their paths; no transpose runs inside a CNN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from einops import rearrange

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.graph.graph import Graph, Node
from bakeoff.graph.layout import Value
from bakeoff.graph.lowering import CHANNELS_FIRST, Lowering
from bakeoff.ops._dimension import Dim, Shape
from bakeoff.schemas import Array

OPSET = 20  # Gelu needs it; ONNX Runtime has it since 1.17
IR_VERSION = 9  # the one that came with opset 20
PRODUCER = "bakeoff"


def to_onnx(graph: Graph, metadata: Mapping[str, str] | None = None, dtype: str = "float32") -> Any:
    """An onnx.ModelProto that computes what the graph computes in predict mode.

    Args:
        graph: gives logits or features; each output has its name.
        metadata: becomes metadata_props.
        dtype: "float32" or "float64".

    Raises:
        UnsupportedError: an operator has no ONNX form, or another dtype.
    """
    from onnx import helper

    if dtype not in ("float32", "float64"):
        raise UnsupportedError(f"ONNX in {dtype}: not yet. Use float32 or float64.")
    lowering = _OnnxLowering(graph.astype(dtype), dtype)
    lowering.walk()
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    for name, ref in graph.outputs.items():
        lowering.name_output(lowering.canonical(lowering.values[ref]).native, name)
    outputs = [
        helper.make_tensor_value_info(name, kind, [_size(size) for size in graph.shapes[ref]])
        for name, ref in graph.outputs.items()
    ]
    body = helper.make_graph(lowering.nodes, "net", lowering.inputs, outputs, list(lowering.initializers.values()))
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(body, producer_name=PRODUCER, opset_imports=opsets, ir_version=IR_VERSION)
    helper.set_model_props(model, dict(metadata or {}))
    return model


def _size(size: int | Dim) -> int | str | None:
    """A number, a plain symbol's name, or nothing where it is computed from one."""
    if isinstance(size, int):
        return size
    return size.atom if isinstance(size.atom, str) and (size.scale, size.offset) == (1, 0) else None


class _OnnxLowering(Lowering):
    """Collects nodes and initializers; a symbolic value is the name of a tensor."""

    library, image_axes = "onnx", CHANNELS_FIRST

    def __init__(self, graph: Graph, dtype: str) -> None:
        from onnx import helper

        super().__init__(graph, dtype)
        self.lib, self.own = helper, None
        self.inputs: list[Any] = []
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self._held: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def placeholder(self, name: str, shape: Shape) -> Any:
        kind = self.lib.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        self.inputs.append(self.lib.make_tensor_value_info(name, kind, [_size(size) for size in shape]))
        return self._name(name)

    def emit(self, node: Node, op: str, inputs: list[Any], attributes: dict[str, Any]) -> Any:
        return self._append(op, inputs, self._name(f"{node.id}"), attributes)

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        return self._append("Transpose", [native], self._name(f"{native}:transposed"), {"perm": order})

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        free = [place for place, size in enumerate(shape) if isinstance(size, Dim)]
        if len(free) > 1:
            raise UnsupportedError(f"ONNX: a reshape to {shape} with two free sizes. Fix the input size.")
        target = self.constant(np.array([-1 if isinstance(size, Dim) else size for size in shape], np.int64))
        return self._append("Reshape", [native, target], self._name(f"{native}:reshaped"), {})

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        grown = [1 if old == new else new for old, new in zip(before, shape, strict=True)]  # 1 leaves an axis alone
        if not any(isinstance(size, Dim) for size in grown):
            target = self.constant(np.array(grown, np.int64))
        else:
            parts = [self.size(n) if isinstance(n, Dim) else self.constant(np.array([n], np.int64)) for n in grown]
            target = self._append("Concat", parts, self._name(f"{native}:sizes"), {"axis": 0})
        return self._append("Expand", [native, target], self._name(f"{native}:expanded"), {})

    def size(self, size: Dim) -> Any:
        if isinstance(size.atom, str):
            found = self.source(size.atom)
            if found is None:
                raise UnsupportedError(f"ONNX: no input of the net has the size {size.atom}")
            place = {"start": found[1], "end": found[1] + 1}
            value = self._append("Shape", [found[0]], self._name(f"{size.atom}:size"), place)
        else:
            value = self._computed("Div", self.size(size.atom.numerator), size.atom.divisor)
        value = value if size.scale == 1 else self._computed("Mul", value, size.scale)
        return value if size.offset == 0 else self._computed("Add", value, size.offset)

    def _computed(self, op: str, value: str, number: int) -> str:
        return self._append(op, [value, self.constant(np.array([number], np.int64))], self._name("size"), {})

    def emit_many(
        self, node: Node, op: str, inputs: list[Any], outputs: int, attributes: dict[str, Any]
    ) -> tuple[Any, ...]:
        names = [self._name(f"{node.id}:{index}") for index in range(outputs)]
        self.nodes.append(self.lib.make_node(op, inputs, names, name=f"{names[0]}:{op}", **attributes))
        return tuple(names)

    def module(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value]) -> Any:
        raise BakeoffError("ONNX has no modules: a page emits nodes")

    def helper(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value], suffix: str) -> Any:
        raise BakeoffError("ONNX has no modules: a page emits nodes")

    def hold(self, path: str, pattern: str, sizes: dict[str, int]) -> Any:
        key = path, pattern
        if key not in self._held:
            array = self.graph.parameters[path].array
            self._held[key] = self._initializer(path, rearrange(array, pattern, **sizes) if pattern else array)
        return self._held[key]

    def constant(self, array: Array) -> Any:
        return self._initializer("constant", array)

    def name_output(self, value: str, wanted: str) -> None:
        """Give the tensor that is the net's output its name; a tensor of that name makes way."""
        if value in (*(given.name for given in self.inputs), *self.initializers):
            value = self._append("Identity", [value], self._name("output"), {})
        if value == wanted:
            return
        self._rename(wanted, self._name(f"{wanted}:inner"))
        self._rename(value, wanted)

    def _rename(self, old: str, new: str) -> None:
        for node in self.nodes:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]

    def _append(self, op: str, inputs: list[Any], output: str, attributes: dict[str, Any]) -> str:
        self.nodes.append(self.lib.make_node(op, inputs, [output], name=f"{output}:{op}", **attributes))
        return output

    def _initializer(self, name: str, array: Array) -> str:
        from onnx import numpy_helper

        name = self._name(name)
        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        return name

    def _name(self, wanted: str) -> str:
        """A name that no tensor has: the wanted one, or with a number."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}:{number}"
        self._taken.add(name)
        return name
