"""What TensorFlow Serving says of requests that it refuses, string for string: HTTP, several inputs, gRPC."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from served import Client, b64, image

from bakeoff.serving.messages import message
from bakeoff.serving.refused import Refused
from bakeoff.serving.tensors import Info
from bakeoff.serving.wire import _json, _json_tensors
from bakeoff.serving.wire._json import read

NET, PREDICT, CLASSIFY = "/v1/models/net", "/v1/models/net:predict", "/v1/models/net:classify"
ONE = b64(image())
ROW = "Failed to process element: {} of 'instances' list. "
KNOWN = "Outputs expected to be in the set {labels,logits,probabilities}."
BOTH = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
HTTP: list[tuple[str, Any, int, str]] = [
    ("/v1/models", None, 400, "Missing model name in request."),
    ("/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
    (f"{NET}/versions/x", None, 400, f"Malformed request: GET {NET}/versions/x"),
    (f"{NET}:PREDICT", {}, 400, f"Malformed request: POST {NET}:PREDICT"),
    (f"{PREDICT}?x=1", {}, 400, f"Malformed request: POST {PREDICT}?x=1"),
    (f"{NET}/versions/99999999999999999999", None, 400, "Failed to convert version: 99999999999999999999 to numeric."),
    ("/v1/models/%ff", None, 400, "Failed to decode model name:%ff"),
    ("/v1/models/net/labels/%ff:predict", {}, 400, "Failed to decode model version label:%ff"),
    ("/v1/models/no:predict", {}, 404, "Servable not found for request: Latest(no)"),
    ("/v1/models/no/metadata", None, 404, "Servable not found for request: Latest(no)"),
    (f"{NET}/versions/7:predict", {}, 404, "Servable not found for request: Specific(net, 7)"),
    (f"{NET}/labels/stable:predict", {}, 400, "Unrecognized servable version label: stable"),
    ("/v1/models/no", None, 404, "Could not find any versions of model no"),
    ("/v1/models/net?x=1", None, 404, "Could not find any versions of model net?x=1"),
    (f"{NET}/versions/7", None, 404, "Could not find version 7 of model net"),
    ("/v1/models/no:predict", b"", 400, "JSON Parse error: The document is empty"),
    (PREDICT, b" ", 400, "JSON Parse error: The document is empty. at offset: 1"),
    (PREDICT, b'{"a": nul}', 400, "JSON Parse error: Invalid value. at offset: 9"),
    (PREDICT, b'{"a": 1', 400, "JSON Parse error: Missing a comma or } after an object member. at offset: 7"),
    (PREDICT, b'{"a": [1 2]}', 400, "JSON Parse error: Missing a comma or ] after an array element. at offset: 9"),
    (PREDICT, b"{1}", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
    (PREDICT, b'{"a" 1}', 400, "JSON Parse error: Missing a colon after a name of object member. at offset: 5"),
    (PREDICT, b'{"a": "b', 400, "JSON Parse error: Missing a closing quotation mark in string. at offset: 8"),
    (PREDICT, b'{"a": "\\x"}', 400, "JSON Parse error: Invalid escape character in string. at offset: 7"),
    (
        PREDICT,
        b'{"a": "\\uZZZZ"}',
        400,
        "JSON Parse error: Incorrect hex digit after \\u escape in string. at offset: 7",
    ),
    (PREDICT, b'{"a": 1.}', 400, "JSON Parse error: Miss fraction part in number. at offset: 8"),
    (PREDICT, b'{"a": 1e}', 400, "JSON Parse error: Miss exponent in number. at offset: 8"),
    (PREDICT, [1], 400, "JSON Value: [\n    1\n] Is not object"),
    (
        PREDICT,
        {"signature_name": 1},
        400,
        'JSON Value: {\n    "signature_name": 1\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    (PREDICT, {"signature_name": "no"}, 400, 'Serving signature name: "no" not found in signature def'),
    (PREDICT, {}, 400, "Missing 'inputs' or 'instances' key"),
    (PREDICT, {"inputs": 1, "instances": 2}, 400, f'JSON Value: {{\n    "inputs": 1,\n    "instances": 2\n}} {BOTH}'),
    (
        PREDICT,
        {"instances": 2},
        400,
        "JSON Value: {\n    \"instances\": 2\n} Expecting 'instances' to be an list/array",
    ),
    (PREDICT, {"instances": []}, 400, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    (PREDICT, {"instances": [ONE, {"bytes": ONE}]}, 400, "Expecting value/list but got object at item 1 of input list"),
    (PREDICT, {"instances": [{"bytes": ONE}, ONE]}, 400, "Expecting object but got list at item 1 of input list"),
    (
        PREDICT,
        {"instances": [{"no": 1}]},
        400,
        "Failed to process element: 0 key: no of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have "
        "named input: no",
    ),
    (PREDICT, {"instances": [{}]}, 400, ROW.format(0) + "JSON object: {} keys must be equal to: bytes"),
    (PREDICT, {"inputs": {"no": 1}}, 400, "Missing named input: bytes in 'inputs' object."),
    (PREDICT, {"inputs": 1}, 400, "JSON Value: 1 Type: Number is not of expected type: string"),
    (PREDICT, {"inputs": None}, 400, "JSON Value: null Type: Null is not of expected type: string"),
    (
        PREDICT,
        {"instances": [ONE, True]},
        400,
        ROW.format(1) + "Error: INVALID_ARGUMENT: JSON Value: true Type: True is not of expected type: string",
    ),
    (PREDICT, {"inputs": [ONE, [ONE]]}, 400, "Encountered list at unexpected level: 1 expected < 1"),
    (
        PREDICT,
        {"inputs": [[ONE], [ONE, ONE]]},
        400,
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    (
        PREDICT,
        {"inputs": [["a"], "b"]},
        400,
        'JSON Value: "b" found at incorrect level: 2 in the JSON DOM. Expected at level: 2',
    ),
    (
        PREDICT,
        {"instances": [["a"], ["a", "b"]]},
        400,
        ROW.format(1) + "Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2",
    ),
    (
        PREDICT,
        {"instances": [["a", "b"], [["a", "b"]]]},
        400,
        ROW.format(1) + "Error: INVALID_ARGUMENT: Expecting shape [2] but got: [1,2]",
    ),
    (
        PREDICT,
        {"instances": [{"b64": "_-8="}]},
        400,
        ROW.format(0) + "Error: INVALID_ARGUMENT: Unable to base64 decode",
    ),
    (
        PREDICT,
        {"inputs": [{"b64": 1}]},
        400,
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
    ),
    (PREDICT, {"instances": [ONE] * 17}, 400, "Task size 17 is larger than maximum batch size 16"),
    (CLASSIFY, {"signature_name": "no", "examples": [{}]}, 400, "No signature was found with the name: no"),
    (
        CLASSIFY,
        {},
        400,
        "JSON Value: {} When method is classify, key 'examples' is expected and was not found",
    ),
    (CLASSIFY, {"examples": []}, 400, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
    (
        CLASSIFY,
        {"examples": 1},
        400,
        "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array",
    ),
    (CLASSIFY, {"examples": [1]}, 400, "Example must be JSON object but got JSON Number"),
    (CLASSIFY, {"examples": [{"a": None}]}, 400, "Feature: a has element with unexpected JSON type: Null"),
    (CLASSIFY, {"examples": [{"a": [1, "b"]}]}, 400, "Unexpected element type in feature: a expecting type: int64"),
    (CLASSIFY, {"examples": [{"a": 1 << 63}]}, 400, "Feature: a has uint64 element. Only int64 is supported."),
    (f"{NET}:regress", {"signature_name": "no", "examples": [{}]}, 400, "No signature was found with the name: no"),
]
TWO = {"a": Info("DT_FLOAT", (-1,), "a:0"), "b": Info("DT_UINT8", (-1,), "b:0")}
MANY = "as multiple input tensors required as per tensorinfo_map"
SEVERAL: list[tuple[Any, str, str]] = [
    ({"instances": [1]}, "INVALID_ARGUMENT", f"instances is a plain list, but expecting list of objects {MANY}"),
    ({"inputs": [1]}, "INVALID_ARGUMENT", f"inputs is a plain value/list, but expecting an object {MANY}"),
    ({"inputs": {"a": 1}}, "INVALID_ARGUMENT", "Missing named input: b in 'inputs' object."),
    (
        {"inputs": {"a": True, "b": 1}},
        "INVALID_ARGUMENT",
        "JSON Value: true Type: True is not of expected type: float",
    ),
    (
        {"inputs": {"a": 1, "b": 1.0}},
        "INVALID_ARGUMENT",
        "JSON Value: 1.0 Type: Number is not of expected type: uint8",
    ),
    (
        {"instances": [{"a": 1}]},
        "INVALID_ARGUMENT",
        ROW.format(0) + 'JSON object: {\n    "a": 1\n} keys must be equal to: a,b',
    ),
]


@pytest.mark.parametrize(("path", "body", "status", "wanted"), HTTP, ids=[row[3][:50] for row in HTTP])
def test_over_http(client: Client, path: str, body: Any, status: int, wanted: str) -> None:
    found = client.error(path, body, status)
    assert found == wanted
    _, content, headers = client.ask(path, body)
    assert content.decode() == '{\n    "error": ' + json.dumps(wanted, ensure_ascii=False) + "\n}"
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize(("body", "code", "wanted"), SEVERAL, ids=[row[2][:50] for row in SEVERAL])
def test_of_several_inputs(body: Any, code: str, wanted: str) -> None:
    content = json.dumps(body).encode()
    with pytest.raises(Refused) as caught:
        _json_tensors.inputs(read(content), TWO, content, 16)
    assert (caught.value.code, caught.value.message) == (code, wanted)


def test_types_without_json_and_numbers_that_wrap() -> None:
    half = {"a": Info("DT_HALF", (-1,), "a:0")}
    for body, code in (({"inputs": [1.5]}, "UNIMPLEMENTED"), ({"instances": [1.5]}, "INVALID_ARGUMENT")):
        with pytest.raises(Refused, match=r"Conversion of JSON Value: 1\.5 to type: half") as caught:
            _json_tensors.inputs(body, half, b"", 16)
        assert caught.value.code == code
    found, rows = _json_tensors.inputs({"inputs": {"a": [1, 2.5], "b": [300, 1], "c": 0}}, TWO, b"", 16)
    assert (found["a"].tolist(), found["b"].tolist(), rows) == ([1, 2.5], [44, 1], False)


def test_answers_that_rows_have_no_form_for(client: Client) -> None:
    import numpy as np

    with pytest.raises(Refused, match=r"^Tensor name: a has no shape information $"):
        _json_tensors.predictions({"a": np.float32(1).reshape(())}, rows=True)
    with pytest.raises(Refused, match=r"^Tensor name: b has inconsistent batch size: 1 expecting: 2$"):
        _json_tensors.predictions({"a": np.zeros((2, 1)), "b": np.zeros((1, 1))}, rows=True)
    with pytest.raises(Refused, match=r"^Failed to write JSON value for tensor type: half$"):
        _json_tensors.predictions({"a": np.zeros(1, np.float16)}, rows=True)


def test_they_are_many() -> None:
    assert len({wanted for *_, wanted in HTTP}) >= 55
    assert len({wanted for *_, wanted in SEVERAL}) == 6
    assert len({wanted for *_, wanted in GRPC}) >= 11


def test_what_else_http_is_asked(client: Client) -> None:
    status, body, headers = client.ask("/v3")
    assert (status, headers["content-type"]) == (404, "text/html")
    assert b"<H1>Not Found</H1>" in body
    assert client.ask("/v1/models/net", method="OPTIONS")[:2] == (400, b"")
    here = {"Origin": "http://localhost:3000"}
    assert client.ask("/v1/models/net", method="OPTIONS", headers=here)[:2] == (200, b"")
    for method in ("PUT", "DELETE", "PATCH"):
        assert client.error("/v1/models/net", None, method=method) == f"Malformed request: {method} /v1/models/net"
    assert client.ask("/v1/models/net:predict", method="GET")[0] == 400


SPEC = {"name": "net"}
GOOD = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [image()]}
SENT = "input size does not match signature: {}!=1 len({}) != len({{bytes}}). Sent extra: {}. Missing but required: {}."
GRPC: list[tuple[str, dict[str, Any], str, str]] = [
    ("Predict", {}, "INVALID_ARGUMENT", "Missing ModelSpec"),
    ("Predict", {"model_spec": {}}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ("Predict", {"model_spec": {"name": "no"}}, "NOT_FOUND", "Servable not found for request: Latest(no)"),
    (
        "Predict",
        {"model_spec": {**SPEC, "signature_name": "no"}},
        "FAILED_PRECONDITION",
        'Serving signature key "no" not found.',
    ),
    ("Predict", {"model_spec": SPEC}, "INVALID_ARGUMENT", SENT.format(0, "{}", "{}", "{bytes}")),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"bytes": GOOD, "x": GOOD}},
        "INVALID_ARGUMENT",
        SENT.format(2, "{bytes,x}", "{x}", "{}"),
    ),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"x": GOOD}},
        "INVALID_ARGUMENT",
        "Signature input alias: bytes(feed name: bytes:0) not found in request and no default value provided. Inputs "
        "expected to be in the request {bytes}, or default input alias set: ",
    ),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"bytes": {"dtype": 1, "tensor_content": b"123"}}},
        "INVALID_ARGUMENT",
        "tensor parsing error: bytes",
    ),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"bytes": {"dtype": 2, "double_val": [1.0]}}},
        "INVALID_ARGUMENT",
        "Expects arg[0] to be string but double is provided",
    ),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"bytes": GOOD}, "output_filter": ["no"]},
        "INVALID_ARGUMENT",
        f"output tensor alias not found in signature: no {KNOWN}",
    ),
    (
        "Predict",
        {"model_spec": SPEC, "inputs": {"bytes": GOOD}, "output_filter": ["labels", "labels"]},
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: labels",
    ),
    ("Classify", {"model_spec": SPEC}, "INVALID_ARGUMENT", "Input is empty."),
    (
        "GetModelMetadata",
        {"model_spec": SPEC},
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    ),
    (
        "GetModelMetadata",
        {"model_spec": SPEC, "metadata_field": ["x"]},
        "INVALID_ARGUMENT",
        "Metadata field x is not supported",
    ),
]
KINDS = {"Predict": "PredictRequest", "Classify": "ClassificationRequest"}


@pytest.fixture(scope="module")
def channel(client: Client) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{client.server.grpc_port}") as found:
        yield found


@pytest.mark.parametrize(("method", "fields", "code", "wanted"), GRPC, ids=[row[3][:50] for row in GRPC])
def test_over_grpc(channel: grpc.Channel, method: str, fields: dict[str, Any], code: str, wanted: str) -> None:
    request = message("tensorflow.serving." + KINDS.get(method, f"{method}Request"))(**fields)
    call = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
    with pytest.raises(grpc.RpcError) as caught:
        call(request.SerializeToString(), timeout=20)
    assert (caught.value.code().name, caught.value.details()) == (code, wanted)


def test_long_messages_are_cut_and_what_is_not_there_is_unimplemented(channel: grpc.Channel) -> None:
    request = message("tensorflow.serving.PredictRequest")(model_spec={"name": "n" * 3000})
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(request.SerializeToString())
    assert len(caught.value.details()) == 1024 + len("...TRUNCATED")
    for path in ("/tensorflow.ProfilerService/Profile", "/tensorflow.serving.ModelService/HandleReloadConfigRequest"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'[1, nul, "x"', "Invalid value. at offset: 7"),
        (b"[Inf, -Inf, 1 2]", "Missing a comma or ] after an array element. at offset: 14"),
        (b"[Inf, -Infinit6y]", "Invalid value. at offset: 14"),
        (b'["\\ud83d\\ude0"]', "Incorrect hex digit after \\u escape in string. at offset: 2"),
        (b'["a\\u00e9', "Missing a closing quotation mark in string. at offset: 9"),
        (b'["a\\', "Invalid escape character in string. at offset: 3"),
        (b"[0.1.2]", "Missing a comma or ] after an array element. at offset: 4"),
        (b"[1E+]", "Miss exponent in number. at offset: 4"),
        ('{"é": "]{", 1}'.encode(), "Missing a name for object member. at offset: 13"),
        ('{"é": "]{" 1}'.encode(), "Missing a comma or } after an object member. at offset: 12"),
    ],
)
def test_broken_json_is_told_in_the_words_of_rapidjson(body: bytes, said: str) -> None:
    """Offsets as a reader of our own gave them, which went through the bytes by RapidJSON's grammar."""
    with pytest.raises(Refused) as error:
        _json.read(body)
    assert error.value.message == f"JSON Parse error: {said}"


def test_trailing_commas_of_a_newer_python() -> None:
    assert _json._rapidjson_says("Illegal trailing comma before end of array", "[1, ]", 2) == ("Invalid value.", 4)
    name = "Missing a name for object member."
    assert _json._rapidjson_says("Illegal trailing comma before end of object", '{"a": 1,}', 7) == (name, 8)


def test_a_large_broken_body_is_no_work() -> None:
    digits = b"[" + b"1" * 4000 + b".0" * (_json.LOOKED_AT // 2) + b"]"
    begun = time.monotonic()
    for body in (digits, digits[: _json.LOOKED_AT], b"[" + b"Inf," * 200_000):
        with pytest.raises(Refused):
            _json.read(body)
    assert time.monotonic() - begun < 10
