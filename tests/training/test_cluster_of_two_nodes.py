"""Two nodes of Ray that share nothing but the URL of a storage, and a driver that is neither of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rooms import write_images

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, ("ray", "torch", "s3fs", "pyarrow"))), reason="needs Ray and a storage"),
]
RECIPE = """
[model]
name = "mnist_mlp"
arguments = { dropout = 0.5 }

[[phases]]
strategy = "finetune"
epochs = 4
batch_size = 14
"""
PUT = (
    "import sys, s3fs; s = s3fs.S3FileSystem(); s.mkdir('photos'); s.put(sys.argv[1], 'photos/shards', recursive=True)"
)


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as here:
        return int(here.getsockname()[1])


@pytest.fixture
def storage() -> Iterator[dict[str, str]]:
    """An S3-compatible server: the variables that lead to it."""
    command = Path(sys.executable).with_name("moto_server")
    if not command.exists():
        pytest.skip("moto's server isn't installed: pip install 'moto[s3]' flask flask-cors")
    port = free()
    with subprocess.Popen([command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(200):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
        yield {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        process.terminate()


class Node:
    """A node in a mount namespace of its own, in which others' folders are empty: `ray start --block`.

    Where namespaces can't be made (no root), its home, cache and temporary folder are its own all the same.
    """

    def __init__(
        self, root: Path, name: str, hidden: list[Path], environment: dict[str, str], options: list[str]
    ) -> None:
        self.folder = root / name
        for below in ("home", "tmp", "cache"):
            (self.folder / below).mkdir(parents=True)
        own = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache"}
        environment = {**environment, **{key: str(self.folder / below) for key, below in own.items()}}
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *options]
        script = "".join(f"mount -t tmpfs none '{path}' && " for path in hidden) + 'exec "$@"'
        command = ["unshare", "--mount", "sh", "-c", script, "sh", *ray] if apart() else ray
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def apart() -> bool:
    """Whether a mount namespace can be made here."""
    return (
        shutil.which("unshare") is not None
        and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0
    )


@pytest.fixture
def nodes(tmp_path: Path, storage: dict[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    """The environment of a driver, and the head's client address."""
    driver = tmp_path / "driver"
    driver.mkdir()
    here = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | storage
    here |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    port, client = free(), free()
    head = ["--head", f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={tmp_path / 'ray-a'}"]
    head += ["--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    started = []
    try:
        started.append(Node(tmp_path, "a", [driver], here, head))
        _until_open(port)
        _until_open(client)
        started.append(Node(tmp_path, "b", [driver, tmp_path / "a"], here, [f"--address=127.0.0.1:{port}"]))
        time.sleep(5)
        yield {**here, "XDG_CACHE_HOME": str(driver / "cache"), "HOME": str(driver)}, f"ray://127.0.0.1:{client}"
    finally:
        for node in reversed(started):
            node.end()


def _until_open(port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens at {port}")


def test_nodes_that_share_nothing_but_the_storage(
    nodes: tuple[dict[str, str], str], storage: dict[str, str], tmp_path: Path
) -> None:
    environment, where = nodes
    driver = tmp_path / "driver"
    recipe = driver / "mine.toml"
    recipe.write_text(RECIPE)
    pictures = write_images(driver / "pictures", {"a": 24, "b": 24}, size=(16, 16))

    def run(*words: str) -> Any:
        command = [sys.executable, "-m", "bakeoff", *words]
        done = subprocess.run(command, cwd=driver, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done

    run("data", "shard", str(pictures), str(driver / "shards"))
    subprocess.run([sys.executable, "-c", PUT, f"{driver / 'shards'}/"], env=environment, check=True, timeout=60)
    asked = ["-r", "mine.toml", "--framework", "torch", "--checkpoint-every", "2", "--json"]
    here = json.loads(run("train", "s3://photos/shards", *asked, "--workers", "2", "--run", "here").stdout)
    done = run("train", "s3://photos/shards", *asked, "--workers", "2", "--run", "there", "--cluster", where)
    there = json.loads(done.stdout)
    assert there["weights_sha256"] == here["weights_sha256"]
    assert there["run"] == "there"
    assert (driver / "there" / "metrics.jsonl").read_bytes() == (driver / "here" / "metrics.jsonl").read_bytes()
    rows = [
        run("predict", "there", "s3://photos/shards", "--json", *more).stdout for more in ([], ["--cluster", where])
    ]
    assert rows[0] == rows[1]
    assert len(rows[0].splitlines()) == 48
