"""ONNX files that point at other files: refused by name, wherever the pointer hides."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from bakeoff.errors import CorruptError
from bakeoff.evaluation.given import images_of
from bakeoff.evaluation.predict import predict
from bakeoff.preprocessing import Signature
from bakeoff.runtimes import Opened, onnxruntime
from bakeoff.runtimes._bounds import Bounded, bounded


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


def made_of(*operators: str, domain: str = "", within: str = "") -> onnx.ModelProto:
    """A file with nodes of these operators, in its graph, within an If, or in a function."""
    made = model("nothing")
    nodes = [
        helper.make_node(operator, ["x"], [f"y{place}"], domain=domain) for place, operator in enumerate(operators)
    ]
    if within == "If":
        inner = helper.make_graph(nodes, "inner", [], [])
        nodes = [helper.make_node("If", ["b"], ["c"], then_branch=inner, else_branch=inner)]
    elif within == "function":
        made.functions.append(helper.make_function("own", "F", [], [], nodes, [helper.make_opsetid("", 20)]))
        nodes = [helper.make_node("F", [], [], domain="own")]
    made.graph.node.extend(nodes)
    return made


@pytest.mark.parametrize(
    ("operator", "domain"),
    [(name, "") for name in ("Loop", "Scan", "SequenceMap", "ImageDecoder", "StringSplit", "Own")]
    + [("FusedConv", "com.microsoft"), ("TreeEnsemble", "ai.onnx.ml"), ("Add", "own")],
)
@pytest.mark.parametrize("within", ["", "If", "function"])
def test_operators_that_no_classifier_needs_are_refused(
    operator: str, domain: str, within: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(made_of(operator, domain=domain, within=within).SerializeToString())
    with pytest.raises(CorruptError, match=rf"it holds {domain and domain + '.'}{operator}, which (?s:.*)--trust"):
        onnxruntime.load(path)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"])
def test_a_function_of_the_file_hides_no_operator_of_the_library(domain: str, tmp_path: Path) -> None:
    """Which of the two a library takes is its own affair."""
    made = made_of("Loop", domain=domain)
    body = [helper.make_node("Identity", ["a"], ["b"])]
    made.functions.append(helper.make_function(domain, "Loop", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
    (tmp_path / "x.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(CorruptError, match=r"it holds (\S+\.)?Loop, which"):
        onnxruntime.load(tmp_path / "x.onnx")


def test_functions_of_the_file_are_run(tmp_path: Path) -> None:
    """As torch's exporter writes them, in a domain of their own."""
    made = model("nothing")
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    made.functions.append(helper.make_function("pkg.own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
    made.opset_import.append(helper.make_opsetid("pkg.own", 1))
    made.graph.node.append(helper.make_node("Twice", ["y"], ["z"], domain="pkg.own"))
    made.graph.output[0].name = "z"
    (tmp_path / "x.onnx").write_bytes(made.SerializeToString())
    found = onnxruntime.load(tmp_path / "x.onnx").predict(np.ones((1, 2, 2, 3), np.float32))
    np.testing.assert_array_equal(found, np.full((1, 12), 2, np.float32))


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_a_file_for_one_batch_size_takes_any_number_of_images(count: int, tmp_path: Path) -> None:
    """The last call, and the first one of a file that is held to its time, have fewer."""
    made = model("nothing")
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    (tmp_path / "x.onnx").write_bytes(made.SerializeToString())
    images = np.arange(count * 12, dtype=np.float32).reshape(count, 2, 2, 3)
    runtime = Bounded(onnxruntime.load(tmp_path / "x.onnx"), tmp_path / "x.onnx")
    np.testing.assert_array_equal(runtime.predict(images), images.transpose(0, 3, 1, 2).reshape(count, 12))


@pytest.mark.parametrize(
    ("node", "says"),
    [
        (helper.make_node("Flatten", ["y"], ["z"], axis=0), "run: .*ValueError"),  # all images in one row
        (helper.make_node("Concat", ["y", "y"], ["z"], axis=0), "run: .*ValueError"),
        (helper.make_node("ReduceMean", ["y"], ["z"], keepdims=0), "run: .*ValueError"),
        (helper.make_node("Concat", ["y", "y"], ["z"], axis=1), r"gives float32 \(2, 24\)"),
        (helper.make_node("Einsum", ["y", "y"], ["z"], equation="ab,cd->abcd"), "gives float32"),
        (helper.make_node("Cast", ["y"], ["z"], to=TensorProto.INT32), "gives int32"),
    ],
    ids=lambda one: getattr(one, "op_type", ""),
)
def test_what_a_net_gives_is_looked_at(node: onnx.NodeProto, says: str, tmp_path: Path) -> None:
    """A row an image, a number a class: others were errors without a name, or another image's answer."""
    made = model("nothing")
    made.graph.node.append(node)
    made.graph.output[0].CopyFrom(onnx.ValueInfoProto(name="z"))
    (tmp_path / "x.onnx").write_bytes(made.SerializeToString())
    runtime, names = onnxruntime.load(tmp_path / "x.onnx"), tuple(map(str, range(12)))
    opened = Opened(runtime, Signature((2, 2)), names, "softmax_cross_entropy", tmp_path / "x.onnx")
    rows = predict(opened, images_of([Image.new("RGB", (2, 2))] * 2))
    with pytest.raises(CorruptError, match=says):
        next(rows)


@pytest.mark.parametrize("said", ["no such room", "zoom is not implemented", "the shape is wrong"])
def test_other_errors_are_not_taken_for_a_lack_of_memory(said: str, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=said), bounded(tmp_path, 60):
        raise RuntimeError(said)


@pytest.mark.parametrize("said", ["std::bad_alloc", "Failed to allocate memory for x", "OOM when allocating tensor"])
def test_a_lack_of_memory_is_known_by_what_libraries_say(said: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="of memory"), bounded(tmp_path, 60):
        raise RuntimeError(said)


def test_a_loop_is_run_where_it_is_trusted(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["a", "a"], ["b"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, None)],
    )
    made = model("nothing")
    made.graph.node.append(helper.make_node("Loop", ["two", "", "y"], ["z"], body=body))
    made.graph.initializer.append(numpy_helper.from_array(np.array(2), "two"))
    made.graph.output[0].name = "z"
    (tmp_path / "x.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(CorruptError, match="Loop"):
        onnxruntime.load(tmp_path / "x.onnx")
    found = onnxruntime.load(tmp_path / "x.onnx", trust=True).predict(np.ones((1, 2, 2, 3), np.float32))
    np.testing.assert_array_equal(found, np.full((1, 12), 4, np.float32))


@pytest.mark.parametrize("known", [True, False], ids=["as it is loaded", "as it runs"])
def test_memory_is_held(known: bool, tmp_path: Path) -> None:
    """Some hundred bytes that ask for 8 GB."""
    made = model("nothing")
    made.graph.node.extend(
        [
            helper.make_node("Shape", ["x"], ["n"], end=1),
            helper.make_node("Mul", ["much", "one" if known else "n"], ["shape"]),
            helper.make_node("ConstantOfShape", ["shape"], ["c"]),
            helper.make_node("ReduceMean", ["c"], ["mean"], keepdims=0),
            helper.make_node("Add", ["y", "mean"], ["z"]),
        ]
    )
    for name, number in (("much", 2_000_000_000), ("one", 1)):
        made.graph.initializer.append(numpy_helper.from_array(np.array([number]), name))
    made.graph.output[0].name = "z"
    path = tmp_path / "x.onnx"
    path.write_bytes(made.SerializeToString())
    onnxruntime.ready()
    with pytest.raises(CorruptError, match=r"more than 2.0 GiB of memory"), bounded(path, 60):
        onnxruntime.load(path).predict(np.ones((1, 2, 2, 3), np.float32))


@pytest.mark.parametrize(
    ("limits", "taking", "says"),
    [
        ("(0.2,)", "time.sleep(30)", "no answer within 0 s. It was ended."),
        ("(30, 0.2)", "while True: pass", "loading it takes more than 0 s of work. It was ended."),
        ("(30, 0.2)", "time.sleep(1); os._exit(2)", ""),  # another process has the processor, or the disk is slow
    ],
    ids=["an answer", "a load", "a load that waits"],
)
def test_what_takes_too_long_is_ended(limits: str, taking: str, says: str, tmp_path: Path) -> None:
    code = f"""
import os, pathlib, time
from bakeoff.cli._errors import end
from bakeoff.runtimes import _bounds
_bounds.end_by(end)
with _bounds.bounded(pathlib.Path({str(tmp_path)!r}), 5):
    pass
with _bounds.bounded(pathlib.Path({str(tmp_path)!r}), *{limits}):
    {taking}
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert time.monotonic() - begun < 25
    assert done.returncode == (CorruptError.exit_code if says else 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
