"""Two nodes of Ray that share nothing but the URL of a storage, and a driver that is neither of them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rooms import write_images

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, ("ray", "torch", "s3fs", "pyarrow"))), reason="needs Ray and a storage"),
]
RECIPE = """
[model]
name = "cifar10_resnet"

[[phases]]
strategy = "finetune"
epochs = 6
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


APART = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Node:
    """`ray start --block` in namespaces of its own: folders of others are empty there; it ends with all below it."""

    def __init__(
        self, root: Path, name: str, hidden: list[Path], environment: dict[str, str], options: list[str]
    ) -> None:
        folder = root / name
        own = {"HOME": "home", "TMPDIR": "tmp", "XDG_CACHE_HOME": "cache"}
        for below in own.values():
            (folder / below).mkdir(parents=True)
        environment = {**environment, **{key: str(folder / below) for key, below in own.items()}}
        sockets = Path(tempfile.gettempdir()) / "ray"  # whose paths have to be short
        sockets.mkdir(exist_ok=True)
        environment |= {"RAY_TMPDIR": str(sockets.parent)}
        script = "".join(f"mount -t tmpfs none '{path}' && " for path in (sockets, *hidden)) + 'exec "$@"'
        ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", *options]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*APART, "sh", "-c", script, "sh", *ray], env=environment, cwd=folder, stdout=log, stderr=log
            )

    def end(self) -> None:
        """At once, as where its power goes."""
        self.process.kill()
        self.process.wait(20)


def apart() -> bool:
    """Whether such namespaces can be made here."""
    return bool(shutil.which("unshare")) and subprocess.run([*APART, "true"], capture_output=True).returncode == 0


class Nodes(NamedTuple):
    """The environment of a driver, the head's client address, its nodes, and what starts one more."""

    environment: dict[str, str]
    where: str
    started: list[Node]
    more: Callable[[str], None]


@pytest.fixture
def nodes(tmp_path: Path, storage: dict[str, str]) -> Iterator[Nodes]:
    if not apart():
        pytest.skip("no namespaces can be made here: nodes would see each other's folders")
    driver = tmp_path / "driver"
    driver.mkdir()
    here = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | storage
    here |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    port, client = free(), free()
    head = ["--head", f"--port={port}", f"--ray-client-server-port={client}"]
    head += ["--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    started: list[Node] = []

    def more(name: str) -> None:
        started.append(Node(tmp_path, name, [driver, tmp_path / "a"], here, [f"--address=127.0.0.1:{port}"]))

    try:
        started.append(Node(tmp_path, "a", [driver], here, head))
        _until_open(port)
        _until_open(client)
        more("b")
        time.sleep(5)
        environment = {**here, "XDG_CACHE_HOME": str(driver / "cache"), "HOME": str(driver)}
        yield Nodes(environment, f"ray://127.0.0.1:{client}", started, more)
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


@pytest.mark.timeout(900)
def test_nodes_that_share_nothing_but_the_storage(nodes: Nodes, tmp_path: Path) -> None:
    """Train and predict from there; then a node is lost in the midst of a training, and another one comes."""
    environment, where, started, more = nodes
    driver = tmp_path / "driver"
    (driver / "mine.toml").write_text(RECIPE)
    pictures = write_images(driver / "pictures", {"a": 24, "b": 24}, size=(16, 16))
    bakeoff = [sys.executable, "-m", "bakeoff"]

    def run(*words: str) -> Any:
        done = subprocess.run(
            [*bakeoff, *words], cwd=driver, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done

    run("data", "shard", str(pictures), str(driver / "shards"))
    subprocess.run([sys.executable, "-c", PUT, f"{driver / 'shards'}/"], env=environment, check=True, timeout=60)
    asked = ["train", "s3://photos/shards", "-r", "mine.toml", "--framework", "torch", "--checkpoint-every", "2"]
    asked += ["--workers", "2", "--json", "--run"]
    here = json.loads(run(*asked, "here").stdout)
    there = json.loads(run(*asked, "there", "--cluster", where).stdout)
    assert there["weights_sha256"] == here["weights_sha256"]
    assert there["run"] == "there"
    assert (driver / "there" / "metrics.jsonl").read_bytes() == (driver / "here" / "metrics.jsonl").read_bytes()
    rows = [
        run("predict", "there", "s3://photos/shards", "--json", *more).stdout for more in ([], ["--cluster", where])
    ]
    assert rows[0] == rows[1]
    assert len(rows[0].splitlines()) == 48

    again = subprocess.Popen(
        [*bakeoff, *asked, "again", "--cluster", where], cwd=driver, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not list((driver / "again" / "checkpoints").glob("*.json")):
        assert again.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    started[1].end()
    more("c")
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert json.loads(out)["weights_sha256"] == here["weights_sha256"]
    assert len(json.loads(out)["restarts"]) >= 1
    assert "All workers go on from the checkpoint of step" in err
