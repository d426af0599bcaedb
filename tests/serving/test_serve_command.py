"""The command: what it says, how it ends, and `predict` with a server in the place of a model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from served import Client, b64, image

from bakeoff.cli import main

PREDICT = "/v1/models/net:predict"
ONE = {"instances": [b64(image())]}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigterm_is_not_ready_goes_on_drains_and_exits_0(bundles: Path) -> None:
    command = [sys.executable, "-m", "bakeoff", "serve", str(bundles / "net"), "--json", "--access-log"]
    command += ["--rest-port", "0", "--grpc-port", "0", "--grace", "0.8"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        assert told["models"] == ["net"]
        url = f"http://127.0.0.1:{told['rest_port']}"

        class At:
            class server:  # noqa: N801
                pass

        At.server.url = url  # type: ignore[attr-defined]
        client = Client(At.server)  # type: ignore[arg-type]
        assert client.ask("/readyz")[0] == 200
        os.kill(server.pid, signal.SIGTERM)
        time.sleep(0.3)
        assert client.ask("/readyz")[0] == 503
        assert client.ask(PREDICT, ONE, {"X-Request-Id": "mine"})[0] == 200
        _, said = server.communicate(timeout=30)
        assert server.returncode == 0
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    (line,) = (one for one in lines if one["target"] == PREDICT)
    assert (line["id"], line["status"], line["model"]) == ("mine", 200, "net")
    assert str(bundles) not in said


@pytest.mark.parametrize("name", ["net", "tags", "two", "knows"])
def test_predict_says_the_same_by_a_server(
    name: str, client: Client, bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(3):
        (tmp_path / f"{place}.jpg").write_bytes(image(seed=place))
    (tmp_path / "3.png").write_bytes(b"no image")
    images = [str(tmp_path), "--json"]

    def rows(*words: str) -> list[dict[str, Any]]:
        assert main(["predict", *words, *images]) == 3
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    here = rows(str(bundles / name))
    urls = [f"{client.server.url}/v1/models/{name}", f"{client.server.url}/v2/models/{name}"]
    urls += [f"{urls[0]}/versions/1:predict", f"grpc://127.0.0.1:{client.server.grpc_port}/{name}"]
    assert [row.get("unknown") for row in here] == ([True, False, True, None] if name == "knows" else [None] * 4)
    for url in urls:
        there = rows("--url", url)
        assert [row.keys() for row in there] == [row.keys() for row in here]
        for a, b in zip(there, here, strict=True):
            for key in ("path", "label", "error", "unknown"):
                assert a.get(key) == b.get(key)
            assert a.get("similarity") == pytest.approx(b.get("similarity"), abs=1e-6)
            assert a.get("threshold") in (
                b.get("threshold"),
                None if url.startswith("grpc") else 2,
            )  # who doesn't say it
            for key in {"top", "labels"} & a.keys():
                assert [label for label, _ in a[key]] == [label for label, _ in b[key]]
                assert [share for _, share in a[key]] == pytest.approx([share for _, share in b[key]], abs=1e-6)


def test_unknown_is_in_the_table_and_in_csv_of_a_server(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(2):
        (tmp_path / f"{place}.jpg").write_bytes(image(seed=place))
    url = f"{client.server.url}/v1/models/knows"
    assert main(["predict", "--url", url, str(tmp_path)]) == 0
    assert capsys.readouterr().out.count(", unknown") == 1
    assert main(["predict", "--url", url, str(tmp_path), "--csv", "--top", "1"]) == 0
    header, *lines = (line.split(",") for line in capsys.readouterr().out.splitlines())
    assert header[-2:] == ["unknown", "similarity"]
    assert [line[-2] for line in lines] == ["true", "false"]


def test_a_server_that_is_not_there_or_says_no_is_one_line(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(Path(__file__).parents[1] / "preprocessing" / "phone.heic")
    for url, said in (
        ("http://127.0.0.1:9/v1/models/net", "Is the server running"),
        (f"{client.server.url}/v1/models/no", "Servable not found for request: Latest(no)"),
        (f"{client.server.url}/v2/models/no", "Model with name no does not exist."),
        (f"grpc://127.0.0.1:{client.server.grpc_port}/no", "Servable not found for request: Latest(no)"),
        ("ftp://x", "expected http://HOST:PORT"),
    ):
        assert main(["predict", "--url", url, image]) in (1, 2)
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert main(["predict", image]) == 2
    assert "no image was given" in capsys.readouterr().err
