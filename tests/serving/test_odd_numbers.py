"""Numbers and shapes beyond what NumPy holds, small bodies that cost much: each is refused by name, never with 500."""

from __future__ import annotations

import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from served import Client, b64, image, put, until

from bakeoff.evaluation.opening import open_model
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.serving import serve
from bakeoff.serving.messages import message
from bakeoff.serving.model import IMAGES, TENSOR, Served
from bakeoff.serving.models import LARGEST, Given, version_number
from bakeoff.serving.refused import Refused
from bakeoff.serving.watcher import versions_of
from bakeoff.serving.wire import _json

PREDICT, INFER = "/v1/models/net:predict", "/v2/models/net/infer"
HUGE = 10**400
SHAPES = [[1 << 62, 0], [0, (1 << 63) - 1], [1 << 32, 1 << 32, 0]]


@pytest.mark.parametrize("depth", [33, 64, 65, 66, 300, 900, 100_000])
@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_lists_in_lists(client: Client, key: str, depth: int) -> None:
    for signature, leaf in (("serving_default", b64(image())), ("serve_images", 1), ("serve_tensor", 1.5)):
        nested = "[" * depth + json.dumps(leaf) + "]" * depth
        client.error(PREDICT, f'{{"signature_name": "{signature}", "{key}": {nested}}}'.encode())


def test_whole_numbers_of_hundreds_of_digits(client: Client) -> None:
    for key, value in (("inputs", HUGE), ("inputs", [-HUGE]), ("instances", [HUGE])):
        said = client.error(PREDICT, {"signature_name": "serve_tensor", key: value})
        assert "Number too big to be stored in double." in said
    for kind in ("FP32", "FP64", "INT64", "BOOL"):
        client.error(INFER, {"inputs": [{"name": "input", "datatype": kind, "shape": [1], "data": [HUGE]}]})


@pytest.mark.parametrize("shape", [*SHAPES, [HUGE, 0]], ids=lambda shape: str(shape)[:30])
def test_a_size_of_none_hides_no_other(client: Client, shape: list[int]) -> None:
    for kind in ("FP32", "UINT8", "BYTES"):
        ways: list[dict[str, Any]] = [{"data": []}, {"parameters": {"binary_data_size": 0}}]
        for more in ways:
            client.error(INFER, {"inputs": [{"name": "input", "datatype": kind, "shape": shape, **more}]})


def test_the_same_over_grpc(client: Client) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{client.server.grpc_port}") as channel:
        for shape in [*SHAPES, [1] * 65, [1] * 254]:
            tensor = message("tensorflow.TensorProto")(dtype=1, float_val=[1])
            for size in shape:
                tensor.tensor_shape.dim.add(size=size)
            predict = message("tensorflow.serving.PredictRequest")(model_spec={"name": "net"})
            predict.inputs["bytes"].CopyFrom(tensor)
            given = {"name": "input", "datatype": "FP32", "shape": shape}
            infer = message("inference.ModelInferRequest")(model_name="net", inputs=[given])
            for path, asked in (
                ("/tensorflow.serving.PredictionService/Predict", predict),
                ("/inference.GRPCInferenceService/ModelInfer", infer),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(path)(asked.SerializeToString(), timeout=20)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_versions_of_many_digits(client: Client) -> None:
    assert [version_number(text) for text in ("0", "7", "0" * 5000 + "7", str(LARGEST))] == [0, 7, 7, LARGEST]
    assert version_number("9" * 5000) > LARGEST
    zeros = "0" * 5000
    assert client.json(f"/v1/models/net/versions/{zeros}1") == client.json("/v1/models/net/versions/1")
    assert client.ask(f"/v1/models/net/versions/{zeros}7")[0] == 404
    for wrong in (f"{zeros}7", f"1{zeros}"):
        assert client.ask(f"/v2/models/net/versions/{wrong}")[0] == 404, "another version answered"


def test_folders_whose_numbers_no_client_can_say_are_no_versions(tmp_path: Path) -> None:
    for name in ("1", "0012", str(LARGEST), str(LARGEST + 1), "9" * 200, "-3", "٣", "1.5"):
        (tmp_path / name).mkdir()
    assert sorted(versions_of(Given("net", tmp_path)) or {}) == [1, 12, LARGEST]


def test_broken_json_is_not_read_slowly_at_any_length() -> None:
    bodies = [b" " * (32 << 20), b'{"inputs": [' + b"0," * (4 << 20) + b"0", b'{"inputs": "' + b"x" * (8 << 20)]
    for body in bodies:
        begun = time.process_time()
        with pytest.raises(Refused, match="JSON Parse error"):
            _json.read(body)
        assert time.process_time() - begun < 3  # byte by byte it was 10 s and more


def test_what_was_unpacked_counts_until_it_is_answered(bundles: Path) -> None:
    body = gzip.compress(json.dumps({"instances": [b64(image())]}).encode() + b" " * 1_000_000)
    quick: dict[str, Any] = {"rest_port": 0, "grpc_port": None, "grace_s": 0.0, "body_mb": 1, "threads": 1}
    with serve({"net": bundles / "net"}, queue=100, **quick) as server:
        client, go = Client(server), threading.Event()
        runtime = server.models.find("net").opened.runtime
        predict = runtime.predict
        object.__setattr__(runtime, "predict", lambda images: (go.wait(20), predict(images))[1])
        try:
            with ThreadPoolExecutor(16) as pool:
                asked = [pool.submit(client.ask, PREDICT, body, {"Content-Encoding": "gzip"}) for _ in range(16)]
                until(lambda: sum(one.done() for one in asked) >= 8)
                go.set()
                statuses = [one.result()[0] for one in asked]
        finally:
            go.set()
            object.__delattr__(runtime, "predict")
        assert statuses.count(503) >= 8
        assert statuses.count(200) >= 7
        until(lambda: client.ask(PREDICT, body, {"Content-Encoding": "gzip"})[0] == 200)


def test_numbers_that_are_not_finite_get_no_label(tmp_path: Path) -> None:
    """Finite for the first image, none for the second: it is named, and `serve_tensor` gives what the net gave."""
    logits = np.array([[1, 2, 3, 4, 5], [np.nan] * 5], np.float32)
    opened = open_model(put(tmp_path / "net"))
    served = Served("net", 1, replace(opened, runtime=FunctionRuntime("none", lambda images: logits[-len(images) :])))
    images = np.zeros((2, 24, 32, 3), np.uint8)
    with pytest.raises(Refused, match="no finite numbers for image 1"):
        served.run(IMAGES, {"images": images})
    found = served.run(TENSOR, {"input": images.astype(np.float32)})["logits"]
    assert np.array_equal(found, logits, equal_nan=True)
