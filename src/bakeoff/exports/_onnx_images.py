"""An ONNX net that takes images as they are: uint8 (N, H, W, C) of its size, with probabilities beside its logits.

It never decodes files: what does so in ONNX Runtime's extensions ends the process at a damaged one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.bundle import Bundle
from bakeoff.preprocessing import scale_and_offset
from bakeoff.schemas import Array

INPUT = "images"


def of_images(model: Any, bundle: Bundle) -> Any:
    """The model with the input `images`, and `logits` and `probabilities`: what `predict` takes comes first.

    Args:
        model: ONNX's ModelProto, from float32 (N, C, H, W) to `logits`; it is changed.
        bundle: what it is.
    """
    from onnx import TensorProto, helper

    graph, names = model.graph, _Names(model.graph)
    (given,), (logits, *_) = graph.input, graph.output
    count, channels, height, width = (one.dim_param or one.dim_value for one in given.type.tensor_type.shape.dim)
    scale, offset = (names.constant(array) for array in scale_and_offset(bundle.signature))
    value = names.node("Cast", INPUT, to=TensorProto.FLOAT)
    if bundle.signature.channel_order == "BGR":
        value = names.node("Gather", value, names.constant(np.arange(2, -1, -1)), axis=3)
    value = names.node("Add", names.node("Mul", value, scale), offset)
    before = len(names.nodes) + 1
    names.node("Transpose", value, out=given.name, perm=[0, 3, 1, 2])
    _probabilities(names, bundle, logits.name, one=logits.type.tensor_type.shape.dim[1].dim_value == 1)
    inner = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*names.nodes[:before], *inner, *names.nodes[before:]])
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [count, height, width, channels]))
    shares = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [count, len(bundle.classes)])
    graph.output.insert(0 if bundle.multilabel else 1, shares)
    return model


def _probabilities(names: _Names, bundle: Bundle, logits: str, one: bool) -> None:
    if bundle.multilabel:
        names.node("Sigmoid", logits, out="probabilities")
        return
    if one:  # of two classes: the softmax of (0, z)
        logits = names.node("Concat", names.node("Sub", logits, logits), logits, axis=1)
    names.node("Softmax", logits, out="probabilities", axis=1)


class _Names:
    """Collects nodes, under names that the graph doesn't have; of what it gives to others its own make way."""

    def __init__(self, graph: Any) -> None:
        self.graph, self.nodes, self.before = graph, list[Any](), "prepared"
        taken = {name for node in graph.node for name in node.output} | {one.name for one in graph.initializer}
        while any(name.startswith(self.before) for name in taken):
            self.before += "_"
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [f"{self.before}:{name}" if name in (INPUT, "probabilities") else name for name in names]

    def constant(self, array: Array) -> str:
        from onnx import numpy_helper

        name = f"{self.before}:constant:{len(self.graph.initializer)}"
        self.graph.initializer.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        from onnx import helper

        made = out or f"{self.before}:{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [made], name=f"{made}:{op}", **attributes))
        return made
