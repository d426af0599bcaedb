"""ONNX files that point at other files: refused by name, wherever the pointer hides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bakeoff.errors import CorruptError
from bakeoff.runtimes import onnxruntime


def pointing(name: str) -> onnx.TensorProto:
    """A tensor whose numbers lie elsewhere."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../etc/passwd"), ("offset", "0"), ("length", "16")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return tensor


def model(where: str) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 2, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    secret = pointing("secret")
    nodes, initializers = [helper.make_node("Flatten", ["x"], ["y"])], []
    if where == "initializer":
        initializers = [secret]
    elif where == "attribute":
        nodes.insert(0, helper.make_node("Constant", [], ["c"], value=secret))
    elif where == "subgraph":
        inner = helper.make_graph([helper.make_node("Identity", ["secret"], ["z"])], "inner", [], [y], [secret])
        nodes.insert(0, helper.make_node("If", ["b"], ["c"], then_branch=inner, else_branch=inner))
    graph = helper.make_graph(nodes, "net", [x], [y], initializers)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    if where == "function":
        body = [helper.make_node("Constant", [], ["c"], value=secret)]
        made.functions.append(helper.make_function("own", "F", [], ["c"], body, [helper.make_opsetid("", 20)]))
    if where == "sparse":
        sparse = helper.make_sparse_tensor(secret, numpy_helper.from_array(np.arange(4), "i"), [4])
        made.graph.sparse_initializer.append(sparse)
    return made


@pytest.mark.parametrize("where", ["initializer", "attribute", "subgraph", "function", "sparse"])
def test_external_data_is_never_followed(where: str, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(model(where).SerializeToString())
    with pytest.raises(CorruptError, match=r"'secret' lies in another file, which is not followed"):
        onnxruntime.load(tmp_path / "x.onnx")
