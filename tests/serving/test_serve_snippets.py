"""The snippets of the page, run as they stand against a server, where what they need is here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from served import Client, image

from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import predict
from bakeoff.serving import serve

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "serve.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(bash|python|js)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FILE = "const file = new Blob([require('fs').readFileSync('cat.jpg')]);\n"


@pytest.fixture(scope="module")
def address(bundles: Path) -> Iterator[Client]:
    with serve({"RUN": bundles / "net"}, rest_port=0, grpc_port=0, grace_s=0.0) as server:
        yield Client(server)


@pytest.mark.parametrize(("language", "text"), BLOCKS, ids=[text.splitlines()[0][:40] for _, text in BLOCKS])
def test_a_snippet_prints_the_label(
    language: str, text: str, address: Client, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("tensorflow_serving", "tritonclient"):
        if library in text and not find_spec(library):
            pytest.skip(f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.jpg").write_bytes(image())
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "RUN").symlink_to(bundles / "net")
    text = text.replace("localhost:8501", f"127.0.0.1:{address.server.rest_port}")
    text = text.replace("localhost:8500", f"127.0.0.1:{address.server.grpc_port}")
    if language == "js" and not shutil.which("node"):
        pytest.skip("node is not installed")
    called = {
        "bash": ["bash", "-c", text],
        "python": [sys.executable, "-c", f"import bakeoff\n{text}"],
        "js": ["node", "-e", f"(async () => {{ {FILE}{text} }})()"],
    }[language]
    done = subprocess.run(called, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    if "bakeoff.serve(" in text:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+ \d+\n", done.stdout)
    else:
        (row,) = predict(open_model("runs/RUN"), ["cat.jpg"])
        assert row["label"] in done.stdout


def test_the_description_has_every_path_that_is_answered(address: Client) -> None:
    found = address.json("/openapi.json")
    for path, methods in found["paths"].items():
        asked = path.replace("{model}", "RUN")
        for method in methods:
            status, body, _ = address.ask(asked, b"{}" if method == "post" else None, method=method.upper())
            assert status in ((200,) if method == "get" else (400,)), (asked, body)
    for named in re.findall(r"`(/[a-z/.]+)`", PAGE):
        assert address.ask(named)[0] == 200, named


CLIENT = """
import sys, grpc, numpy as np, tensorflow as tf
from tensorflow_serving.apis import classification_pb2, get_model_metadata_pb2, get_model_status_pb2
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc
channel = grpc.insecure_channel(sys.argv[1], [("grpc.max_send_message_length", -1)])
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
image = open("cat.jpg", "rb").read()
request = predict_pb2.PredictRequest()
request.model_spec.name = "RUN"
request.inputs["bytes"].CopyFrom(tf.make_tensor_proto([image] * 3))
whole = stub.Predict(request, 20)
request.output_filter.append("probabilities")
assert whole.model_spec.version.value == 1 and whole.model_spec.signature_name == "serving_default"
shares = tf.make_ndarray(stub.Predict(request, 20).outputs["probabilities"])
assert shares.shape == (3, 5) and shares.dtype == np.float32
assert np.array_equal(shares, tf.make_ndarray(whole.outputs["probabilities"]))
for content in (np.zeros((40, 24, 32, 3), np.float32), np.full((24, 32, 3), 1.5, np.float32)[None]):
    tensor = predict_pb2.PredictRequest()
    tensor.model_spec.CopyFrom(request.model_spec)
    tensor.model_spec.signature_name = "serve_tensor"
    tensor.inputs["input"].CopyFrom(tf.make_tensor_proto(content))
    assert tf.make_ndarray(stub.Predict(tensor, 20).outputs["logits"]).shape == (len(content), 5)
ask = classification_pb2.ClassificationRequest()
ask.model_spec.name, ask.model_spec.signature_name = "RUN", "classify"
ask.input.example_list.examples.add().features.feature["image/encoded"].bytes_list.value.append(image)
(one,) = stub.Classify(ask, 20).result.classifications
assert np.allclose([each.score for each in one.classes], np.sort(shares[0])[::-1])
about = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
about.model_spec.name = "RUN"
known = get_model_metadata_pb2.SignatureDefMap()
assert stub.GetModelMetadata(about, 20).metadata["signature_def"].Unpack(known)
assert known.signature_def["serve_images"].inputs["images"].dtype == tf.uint8.as_datatype_enum
state = get_model_status_pb2.GetModelStatusRequest()
state.model_spec.name = "RUN"
found = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(state, 20).model_version_status
assert [(each.version, each.state) for each in found] == [(1, 30)]
print(whole.outputs["labels"].string_val[0].decode())
"""
OVMS = """
import sys, ovmsclient
client = ovmsclient.make_grpc_client(sys.argv[1])
found = client.predict({"bytes": [open("cat.jpg", "rb").read()]}, "RUN")
assert client.get_model_status("RUN")[1]["state"] == "AVAILABLE"
assert client.get_model_metadata("RUN")["inputs"].keys() == {"bytes"}
print(found["labels"][0].decode())
"""


@pytest.mark.parametrize(("library", "code"), [("tensorflow_serving", CLIENT), ("ovmsclient", OVMS)])
def test_genuine_clients_of_tensorflow_serving_get_what_they_expect(
    library: str, code: str, address: Client, bundles: Path, tmp_path: Path
) -> None:
    if not find_spec(library):
        pytest.skip(f"{library} is not installed")
    (tmp_path / "cat.jpg").write_bytes(image())
    called = [sys.executable, "-c", code, f"127.0.0.1:{address.server.grpc_port}"]
    done = subprocess.run(called, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = predict(open_model(bundles / "net"), [tmp_path / "cat.jpg"])
    assert done.stdout == f"{row['label']}\n"
