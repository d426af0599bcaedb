"""Requests that nobody would send: none is answered with 500, none ends the server, and what follows is as before."""

from __future__ import annotations

import http.client
import json
import os
import random
from collections.abc import Iterator
from typing import Any

import grpc
from served import Client, b64, image

from bakeoff.serving.messages import message

COUNT = int(os.environ.get("BAKEOFF_FUZZ", "150"))
ONE = b64(image(size=(12, 10)))
ODD: list[Any] = [None, True, 1.5, -1, 1 << 70, 1e308, float("nan"), "", "é\ud800", [], [[]], {}, {"b64": 1}, ONE]
ODD += [{"b64": "////"}, {"bytes": ONE}, [ONE, 3], "x" * 300, {"signature_name": "classify"}, [[[1, 2]], [[3]]]]
KEYS = ["instances", "inputs", "signature_name", "examples", "context", "id", "parameters", "outputs", "bytes"]
KEYS += [
    "images",
    "images",
    "image/encoded",
    "data",
    "shape",
    "datatype",
    "name",
    "b64",
    "binary_data_size",
    "binary_data_output",
]
V2 = {"name": "bytes", "datatype": "BYTES", "shape": [1], "data": [ONE["b64"]]}
BODIES: dict[str, list[Any]] = {
    "/v1/models/net:predict": [
        {"instances": [ONE]},
        {"inputs": {"bytes": [ONE]}},
        {"signature_name": "serve_images", "inputs": [[[[1, 2, 3]]]]},
    ],
    "/v1/models/net:classify": [{"signature_name": "classify", "examples": [{"image/encoded": ONE}], "context": {}}],
    "/v1/models/tags:regress": [{"examples": [{"a": 1}]}],
    "/v2/models/net/infer": [
        {"id": "1", "inputs": [V2], "outputs": [{"name": "labels", "parameters": {"binary_data": True}}]},
        {"inputs": [{**V2, "data": None, "parameters": {"binary_data_size": 9}}]},
    ],
}
HEADERS = [{}, {}, {"Content-Encoding": "gzip"}, {"Inference-Header-Content-Length": "30"}, {"X-Request-Id": "é\t"}]
HEADERS += [{"Inference-Header-Content-Length": "-1"}, {"Content-Length": "3"}, {"Expect": "100-continue"}]


def mutated(draw: random.Random, value: Any) -> Any:
    """A value with a part replaced, taken away, doubled or put elsewhere."""
    if draw.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return draw.choice(ODD)
    if isinstance(value, list):
        place = draw.randrange(len(value))
        return [*value[:place], mutated(draw, value[place]), *value[place + draw.randrange(2) :]]
    key, kept = draw.choice(list(value)), dict(value)
    kept[draw.choice(KEYS) if draw.random() < 0.3 else key] = mutated(draw, kept.pop(key))
    return kept


def requests(count: int) -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    draw = random.Random(7)
    for _ in range(count):
        path = draw.choice(list(BODIES))
        value = draw.choice(BODIES[path])
        for _ in range(draw.randrange(4)):
            value = mutated(draw, value)
        body = json.dumps(value).encode()
        if draw.random() < 0.4:
            at = draw.randrange(len(body) + 1)
            head, tail = body[:at], body[at:]
            head, tail = body[:at], body[at:]
            body = draw.choice([head, head + draw.randbytes(3) + tail, head + tail[1:], tail])
        method = "POST" if draw.random() < 0.9 else draw.choice(["GET", "PUT", "HEAD", "OPTIONS", "DELETE"])
        if draw.random() < 0.15:
            at = draw.randrange(1, len(path))
            path = path[:at] + draw.choice(["%ff", "//", "/versions/9", "?x=%00", "%2e%2e/", ":"]) + path[at:]
        yield method, path, body, draw.choice(HEADERS)


def test_no_request_is_answered_with_500(client: Client) -> None:
    before = client.json("/v1/models/net:predict", {"instances": [ONE]})
    found: dict[int, int] = {}
    for method, path, body, headers in requests(COUNT):
        link = http.client.HTTPConnection("127.0.0.1", client.server.rest_port, timeout=30)
        try:
            link.request(method, path, body, headers)
            status = link.getresponse().status
        except (http.client.HTTPException, OSError):  # cut off: a length that isn't that of the body
            status = 0
        finally:
            link.close()
        assert status not in (500, 504), (method, path, body, headers)
        found[status] = found.get(status, 0) + 1
    assert found[200] > COUNT // 50
    assert found[400] > COUNT // 3
    assert client.json("/v1/models/net:predict", {"instances": [ONE]}) == before


def test_no_message_of_grpc_ends_in_internal(client: Client) -> None:
    draw = random.Random(7)
    predict = message("tensorflow.serving.PredictRequest")(model_spec={"name": "net"})
    tensor = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [image(size=(12, 10))]}
    predict.inputs["bytes"].CopyFrom(message("tensorflow.TensorProto")(**tensor))
    infer = message("inference.ModelInferRequest")(model_name="net", inputs=[{"name": "bytes", "datatype": "BYTES"}])
    infer.inputs[0].shape.append(1)
    infer.raw_input_contents.append(b"\3\0\0\0abc")
    calls = {
        "/tensorflow.serving.PredictionService/Predict": predict.SerializeToString(),
        "/inference.GRPCInferenceService/ModelInfer": infer.SerializeToString(),
    }
    codes = set()
    with grpc.insecure_channel(f"127.0.0.1:{client.server.grpc_port}") as channel:
        for _ in range(COUNT // 3):
            path, content = draw.choice(list(calls.items()))
            for _ in range(draw.randrange(1, 4)):
                at = draw.randrange(min(len(content), 90))
                content = content[:at] + draw.randbytes(draw.randrange(3)) + content[at + draw.randrange(2) :]
            try:
                channel.unary_unary(path)(content, timeout=30)
            except grpc.RpcError as error:
                codes.add(error.code().name)
    assert codes <= {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}, codes
