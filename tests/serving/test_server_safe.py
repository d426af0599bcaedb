"""Safe as it stands: who may ask, how much, how long, and what a server gives away."""

from __future__ import annotations

import gc
import json
import socket
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from served import Client, b64, image, until

from bakeoff.errors import BakeoffError, UsageError
from bakeoff.serving import serve
from bakeoff.serving.messages import message
from bakeoff.serving.settings import Settings

PREDICT = "/v1/models/net:predict"
ONE = {"instances": [b64(image())]}
QUICK: dict[str, Any] = {"rest_port": 0, "grpc_port": None, "grace_s": 0.0}


ODD = (  # what one library takes for this machine, and another for evil.com
    "evil.com\\@localhost",
    "evil.com@localhost",
    "user:pw@localhost",
    "evil.com\\.localhost",
    "evil.com%2f.localhost",
    "evil.com .localhost",
    "localhost evil.com",
    "localhost/",
    "localhost#@evil.com",
    "localhost:80:80",
    "localhost:x",
    "..localhost",
    "localhost..",
    "[::1]x",
    "[::1]@evil.com",
    "[::1%25evil.com]",
    "[localhost]",
    "127.1",
    "2130706433",
)


@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.evil.com", "", "localhost.evil.com:8501", "192.168.0.1", *ODD])
def test_other_hosts_are_refused_at_a_loopback_address(client: Client, host: str) -> None:
    assert "Host header" in client.error(PREDICT, ONE, 403, headers={"Host": host})
    assert client.ask("/healthz", headers={"Host": host})[0] == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.2:80", "[::1]:8501", "a.localhost"])
def test_names_of_this_machine_are_taken(client: Client, host: str) -> None:
    assert client.json(PREDICT, ONE, headers={"Host": host})["predictions"]


def test_pages_of_other_sites_may_not_ask_unless_told(client: Client, bundles: Path) -> None:
    odd = (f"http://{host}" for host in ODD)
    for origin in ("https://evil.com", "null", "//localhost", "file://localhost", "http://localhost/path", *odd):
        assert "Pages of other sites" in client.error(PREDICT, ONE, 403, headers={"Origin": origin})
    _, _, headers = client.ask(PREDICT, ONE, headers={"Origin": "http://localhost:3000"})
    assert not [name for name in headers if name.lower().startswith("access-control")]
    with serve({"net": bundles / "net"}, cors=True, **QUICK) as server:
        status, _, headers = Client(server).ask(PREDICT, ONE, headers={"Origin": "https://evil.com"})
        assert (status, headers["access-control-allow-origin"]) == (200, "*")


def test_a_server_for_others_asks_for_a_secret_or_says_that_it_is_open() -> None:
    for host in ("0.0.0.0", "::", "192.168.0.7", "host.name"):
        with pytest.raises(UsageError, match=r"everyone who reaches(.|\n)*--token(.|\n)*--open"):
            Settings(host=host)
        assert Settings(host=host, open_=True)
        assert Settings(host=host, token="x")
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Settings(host=host).local


def test_the_token_is_asked_for_over_both_protocols_and_health_is_free(bundles: Path) -> None:
    with serve({"net": bundles / "net"}, token="s3cret", host="0.0.0.0", **{**QUICK, "grpc_port": 0}) as server:
        client = Client(server)
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "s3cret"}):
            assert client.ask(PREDICT, ONE, headers)[0] == 401
            assert client.ask("/metrics", headers=headers)[0] == 401
        assert client.ask(PREDICT, ONE, {"Authorization": "Bearer s3cret"})[0] == 200
        for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert client.ask(path)[0] == 200
        request = message("tensorflow.serving.GetModelStatusRequest")(model_spec={"name": "net"}).SerializeToString()
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            call = channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
            with pytest.raises(grpc.RpcError) as caught:
                call(request)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert call(request, metadata=[("authorization", "Bearer s3cret")])
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"")
            channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"")


def test_what_is_too_large_or_nested_is_refused(bundles: Path) -> None:
    with serve({"net": bundles / "net"}, body_mb=1, **{**QUICK, "grpc_port": 0}) as server:
        client, large = Client(server), b"x" * ((1 << 20) + 1)
        assert "more than 1,048,576 bytes" in client.error(PREDICT, large, 413)
        for depth in (1000, 100_000):
            assert "nested too deep" in client.error(PREDICT, b'{"instances":' + b"[" * depth)
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(large)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        shape = {"dim": [{"size": 1 << 20}, {"size": 1 << 20}]}
        request = message("tensorflow.serving.PredictRequest")(model_spec={"name": "net"})
        request.inputs["bytes"].CopyFrom(message("tensorflow.TensorProto")(dtype=7, tensor_shape=shape))
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(request.SerializeToString())
            assert caught.value.details() == "tensor parsing error: bytes"


COMMON = {"context": {"a": "x" * (1 << 20)}, "examples": [{}] * 1000}
WIDE: dict[str, tuple[str, bytes, str]] = {
    "lists": (PREDICT, b'{"instances":[' + b"[]," * (5 << 20) + b"[]]}", "JSON of more than 8,388,608 values"),
    "numbers": (PREDICT, b'{"inputs":[' + b"0," * (9 << 20) + b"0]}", "JSON of more than 8,388,608 values"),
    "objects": (PREDICT, b'{"a":[' + b"{}," * (5 << 20) + b"{}]}", "JSON of more than 8,388,608 values"),
    "rows": (PREDICT, b'{"instances":[' + b'"",' * (4 << 20) + b'""]}', "Task size 4194305 is larger than"),
    "a column": (PREDICT, b'{"inputs":[' + b'"",' * (4 << 20) + b'""]}', "Task size 4194305 is larger than"),
    "examples": (
        "/v1/models/net:classify",
        b'{"examples":[' + b"{}," * (2 << 20) + b"{}]}",
        "Task size 2097153 is larger than",
    ),
    "one context a thousand times": ("/v1/models/net:classify", json.dumps(COMMON).encode(), "context of 1,048,"),
    "elements": (
        "/v2/models/net/infer",
        b'{"inputs":[{"name":"bytes","datatype":"BYTES","shape":[1],"data":[' + b'"",' * (1 << 20) + b'""]}]}',
        "unexpected number of elements",
    ),
}


@pytest.mark.parametrize("attack", WIDE)
def test_a_body_of_millions_of_nothings_holds_nobody(attack: str, bundles: Path) -> None:
    """While Python reads JSON no other thread has its turn: 20 MiB of `[],` held the health check for 4 to 10 s."""
    path, body, says = WIDE[attack]
    with serve({"net": bundles / "net"}, **QUICK) as server:
        assert says in Client(server).error(path, body)
        assert gc.isenabled()


def test_messages_beyond_four_megabytes_are_taken(client: Client) -> None:
    request = message("tensorflow.serving.PredictRequest")(model_spec={"name": "net"})
    tensor = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [image() + bytes(5 << 20)]}
    request.inputs["bytes"].CopyFrom(message("tensorflow.TensorProto")(**tensor))
    with grpc.insecure_channel(f"127.0.0.1:{client.server.grpc_port}") as channel:
        content = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(request.SerializeToString())
    assert message("tensorflow.serving.PredictResponse").FromString(content).outputs["labels"].string_val


def test_slow_senders_are_cut_off(bundles: Path) -> None:
    with serve({"net": bundles / "net"}, header_s=0.5, body_s=0.5, **QUICK) as server:
        head = b"POST /v1/models/net:predict HTTP/1.1\r\nHost: localhost\r\n"
        for sent, status in ((b"", b""), (head, b""), (head + b"Content-Length: 9\r\n\r\n12", b"HTTP/1.1 408")):
            with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as slow:
                slow.sendall(sent)
                assert slow.recv(12) == status
        with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as many:
            many.sendall(head + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100)))
            assert many.recv(12) == b"HTTP/1.1 400"
        assert Client(server).ask("/healthz")[0] == 200


def test_a_full_queue_is_said_at_once_and_a_deadline_is_kept(bundles: Path) -> None:
    with serve({"net": bundles / "net"}, threads=1, queue=2, timeout_s=0.5, **{**QUICK, "grpc_port": 0}) as server:
        client, hold = Client(server), threading.Event()
        found = server.models.find("net")
        runtime = found.opened.runtime
        predict = runtime.predict
        object.__setattr__(runtime, "predict", lambda images: (hold.wait(20), predict(images))[1])
        try:
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda _: client.ask(PREDICT, ONE), range(8)))
        finally:
            hold.set()
            object.__delattr__(runtime, "predict")
        assert sorted({status for status, *_ in answers}) == [503, 504]
        assert all(int(headers["retry-after"]) >= 1 for status, _, headers in answers if status == 503)
        until(lambda: client.ask(PREDICT, ONE)[0] == 200)


def test_files_that_ask_for_more_than_classifiers_need_are_not_served(bundles: Path, tmp_path: Path) -> None:
    import onnx
    from onnx import helper

    node = helper.make_node("NonZero", ["x"], ["y"])
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([node], "g", value[:1], value[1:])), str(tmp_path / "x.onnx"))
    with pytest.raises(BakeoffError), serve(tmp_path / "x.onnx", **QUICK):
        pass


def test_tls_for_both_ports(bundles: Path, tmp_path: Path) -> None:
    names = [tmp_path / "cert.pem", tmp_path / "key.pem"]
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-out", names[0], "-keyout", names[1]],
        capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    with serve({"net": bundles / "net"}, cert=names[0], key=names[1], **{**QUICK, "grpc_port": 0}) as server:
        context = ssl.create_default_context(cafile=str(names[0]))
        with (
            socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert secure.recv(15) == b"HTTP/1.1 200 OK"
        trusted = grpc.ssl_channel_credentials(names[0].read_bytes())
        with grpc.secure_channel(f"localhost:{server.grpc_port}", trusted) as channel:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=20)
    changed = {"cert": names[1], "key": names[0], **QUICK}
    with pytest.raises(BakeoffError, match="no certificate"), serve(bundles / "net", **changed):
        pass
    with pytest.raises(UsageError, match="TLS needs both"):
        Settings(cert=names[0])


def test_a_port_that_is_taken_is_named(client: Client, bundles: Path) -> None:
    taken = {**QUICK, "rest_port": client.server.rest_port}
    with pytest.raises(UsageError, match="can't be listened at"), serve(bundles / "net", **taken):
        pass
    taken = {**QUICK, "grpc_port": client.server.grpc_port}
    with pytest.raises(UsageError, match="can't be listened at"), serve(bundles / "net", **taken):
        pass
