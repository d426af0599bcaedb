"""Clients of others, in an environment of their own (`make test-clients`): over every way the same answer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import Client, b64, image

HERE = Path(__file__).parent / "clients"
PYTHON = Path(__file__).parents[2] / ".venv-clients" / "bin" / "python"


def ask(script: str, client: Client, images: list[Path]) -> Any:
    if not PYTHON.is_file():
        pytest.skip("tritonclient and kserve are in an environment of their own: make test-clients")
    addresses = (client.server.url.removeprefix("http://"), f"127.0.0.1:{client.server.grpc_port}")
    command = [PYTHON, HERE / script, *addresses, *images]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("script", ["triton_asks.py", "kserve_asks.py"])
def test_every_way_gives_the_same_answer(script: str, client: Client, tmp_path: Path) -> None:
    contents = [image("JPEG"), image("PNG", (90, 30), "RGBA", seed=1), image("WEBP", (33, 47), seed=2)]
    images = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(images, contents, strict=True):
        path.write_bytes(content)
    rows = client.json("/v1/models/net:predict", {"instances": [b64(content) for content in contents]})["predictions"]
    told = ask(script, client, images)
    refused = told.pop("refused", "does not exist")
    assert len(told) >= 2
    assert "none" in refused or "exist" in refused
    for way, found in told.items():
        assert found["labels"] == [row["labels"] for row in rows], way
        for name in ("probabilities", "logits"):
            wanted = np.array([row[name] for row in rows], np.float32)
            assert np.array_equal(np.array(found[name], np.float32).reshape(wanted.shape), wanted), (way, name)
