"""The command: what it says, how it ends, and `predict` with a server in the place of a model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served import Client, b64, image

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
