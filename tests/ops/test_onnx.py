"""Every operator page in ONNX Runtime, float32, in prediction: each case against its truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from page_cases import as_one, draw_parameters, inputs_of

from bakeoff import ops
from bakeoff.graph import Graph, Node, Parameter, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode
from bakeoff.runtimes._onnx_build import to_onnx

CASES = [(op, name) for op in ops.names() if not hasattr(page(op), "LOSS") for name in page(op).CASES]


@pytest.mark.parametrize(("op", "name"), CASES)
def test_onnx_runtime_gives_the_truth(op: str, name: str) -> None:
    chosen, case = page(op), replace(page(op).CASES[name], train=False)
    slots = chosen.parameters(case.attributes, *case.inputs) if hasattr(chosen, "parameters") else {}
    arrays, inputs = draw_parameters(slots), inputs_of(case)
    names = ["input", *(f"input{index}" for index in range(1, len(inputs)))]
    node = Node("node", op, case.attributes, tuple(map(Ref, names)), {slot: f"node.{slot}" for slot in slots})
    parameters = {f"node.{slot}": Parameter(f"node.{slot}", array, slots[slot].role) for slot, array in arrays.items()}
    shapes = {given: (Dim("batch"), *x.shape[1:]) for given, x in zip(names, inputs, strict=True)}
    parts = chosen.shape(case.attributes, *case.inputs)
    nodes, last = (node,), Ref("node")
    if isinstance(parts[0], tuple):  # all outputs in one
        refs = tuple(Ref("node", index) for index in reversed(range(len(parts))))
        nodes = (node, Node("all", "concat", page("concat").Attributes(case.attributes.axis), refs))
        last = Ref("all")
    model = to_onnx(Graph(shapes, nodes, {"logits": last}, parameters))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feeds = {n: x.transpose(0, 3, 1, 2) if x.ndim == 4 else x for n, x in zip(names, inputs, strict=True)}
    (found,) = session.run(None, feeds)
    expected = as_one(case.attributes, chosen.truth(Mode(), case.attributes, *inputs, **arrays))
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    tolerance = max(chosen.TOLERANCE["float32"], 0.0)
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()
