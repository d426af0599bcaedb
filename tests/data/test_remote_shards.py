"""Shards behind URLs: ranges read ahead and kept, storages that go away and come back, servers that give no ranges."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from image_folders import write_folder

pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")

from bakeoff.data import Data, read_data, write_shards  # noqa: E402
from bakeoff.data.shards import columns, remote, store  # noqa: E402
from bakeoff.data.sources import _http  # noqa: E402
from bakeoff.errors import CorruptError, DataError, StorageError, UsageError  # noqa: E402

PLACE, URL = "/bakeoff-shards", "memory://bakeoff-shards"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data", {"a": 30, "b": 30})


@pytest.fixture
def system(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage in this process, with the shards of `folder`, small blocks and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "BLOCK", 4096)
    write_shards(folder, tmp_path / "shards", shard_bytes=30_000)
    memory = fsspec.filesystem("memory")
    for place in (tmp_path / "shards").iterdir():
        memory.pipe_file(f"{PLACE}/{place.name}", place.read_bytes())
    yield memory
    memory.rm(PLACE, recursive=True)


def batches(data: Data, epoch: int = 0) -> list[np.ndarray]:
    return [batch.images.copy() for batch in data.train.batches(batch_size=8, epoch=epoch, cache="none")]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def blocks(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "bakeoff" / "ranges").glob("*.part"))


@pytest.mark.parametrize("limit", ["16GB", "0"])
def test_batches_are_those_of_the_folder(
    limit: str, system: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, int]] = []
    given = type(system).cat_file

    def counted(self: Any, path: str, start: int, end: int) -> bytes:
        asked.append((path, start, end))
        return bytes(given(self, path, start, end))

    plain, found = read_data(folder), None
    monkeypatch.setattr(type(system), "cat_file", counted)
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", limit)
    for epoch in (0, 1):
        found = read_data(URL)
        assert equal(batches(plain, epoch), batches(found, epoch))
        if epoch == 0:
            first = len(asked)
            assert len(asked) == len(set(asked)), "a range was asked for twice"
    assert found is not None
    assert found.fingerprint == plain.fingerprint
    if limit == "0":
        assert len(asked) == 2 * first == 2 * len(plain.train)  # a request an image
        assert not blocks(tmp_path)
    else:
        assert len(asked) == first == len(blocks(tmp_path))  # the second process and epoch ask for nothing
        for place in blocks(tmp_path)[::2]:  # what became of a block is seen, and mended once
            place.write_bytes(bytes(place.stat().st_size))
        blocks(tmp_path)[1].write_bytes(b"short")
        assert equal(batches(plain, 2), batches(read_data(URL), 2))
        assert len(asked) > first


def test_the_cache_keeps_to_its_budget(
    system: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "1GB")
    data = read_data(URL)
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "20KB")  # less than there is, as it is where others use the cache, too
    assert equal(batches(read_data(folder)), batches(data))
    assert 0 < sum(place.stat().st_size for place in blocks(tmp_path)) <= 20_000
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: SimpleNamespace(free=0)
    )  # and a disk without space costs only time
    assert equal(batches(read_data(folder), 1), batches(data, 1))


def failing(monkeypatch: pytest.MonkeyPatch, system: Any, until: float) -> list[str]:
    """The storage refuses until a time; the lines that are told."""
    given, said = type(system).cat_file, list[str]()

    def refused(self: Any, path: str, start: int, end: int) -> bytes:
        if time.monotonic() < until:
            raise ConnectionError("Connection refused")
        return bytes(given(self, path, start, end))

    monkeypatch.setattr(type(system), "cat_file", refused)
    monkeypatch.setattr(store, "PAUSES", (0.02, 0.1))
    monkeypatch.setattr(store, "tell", said.append)
    return said


def test_a_storage_that_is_gone_for_a_while_costs_that_time(
    system: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_data(URL)
    said = failing(monkeypatch, system, time.monotonic() + 1.0)
    assert equal(batches(read_data(folder)), batches(data))
    assert len(said) == 1
    assert said[0].startswith(f"{URL}: no answer (Connection refused)")


def test_a_storage_that_stays_away_is_an_error_that_says_how_to_go_on(
    system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = read_data(URL, bad_files="exclude")
    failing(monkeypatch, system, float("inf"))
    monkeypatch.setattr(store, "PATIENCE", 0.3)
    with pytest.raises(StorageError, match=r"no answer for 0 s \(Connection refused\).\nTry again .*--resume"):
        batches(data)


def test_a_shard_that_was_cut_short_or_changed(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PAUSES", (0.01, 0.1))
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "0")
    place = f"{PLACE}/shard-000001.tar"
    whole, data = system.cat_file(place), read_data(URL, bad_files="exclude")
    for content, says in (
        (whole[: len(whole) // 2], "it ends within"),
        (whole[:600] + bytes(len(whole) - 600), "it isn't what was written"),
        (None, "no such file"),
    ):
        system.rm_file(place)
        if content is not None:
            system.pipe_file(place, content)
        with pytest.raises(CorruptError, match=rf"shard-000001\.tar: {says}"):
            batches(data)
    with pytest.raises(CorruptError, match=r"shard-000001\.tar: no such file"):
        read_data(URL)
    system.pipe_file(place, whole[:-1])
    with pytest.raises(CorruptError, match=r"bytes, where [\d,]+ were written"):
        read_data(URL)


def test_a_file_alone_may_be_all_that_may_be_read(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = type(system).isfile

    def guarded(self: Any, path: str) -> bool:
        if path.endswith("list.csv/shards.parquet"):
            raise PermissionError("Forbidden")
        return bool(given(self, path))

    system.pipe_file(f"{PLACE}/list.csv", b"path,label\n")
    monkeypatch.setattr(type(system), "isfile", guarded)
    with pytest.raises(DataError, match="no rows"):
        read_data(f"{URL}/list.csv")


def test_two_processes_share_a_cache(system: Any, folder: Path, tmp_path: Path) -> None:
    """Both fill it at once: each block is whole, whoever wrote it."""
    code = (
        "import sys, fsspec, pathlib, numpy, hashlib\n"
        "from bakeoff.data import read_data\n"
        "from bakeoff.data.shards import remote\n"
        "remote.BLOCK = 4096\n"
        "remote.Remote._versions = lambda self: [''] * len(self.shards)\n"  # here they hang on the process
        "memory = fsspec.filesystem('memory')\n"
        "for place in pathlib.Path(sys.argv[1]).iterdir():\n"
        f"    memory.pipe_file('{PLACE}/' + place.name, place.read_bytes())\n"
        f"found = read_data('{URL}').train.batches(batch_size=8, cache='none', seed=int(sys.argv[2]))\n"
        "print(hashlib.sha256(b''.join(batch.images.tobytes() for batch in found)).hexdigest())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "shards")]
    both = [subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = {one.communicate(timeout=60)[0] for one in both}
    assert len(said) == 1
    whole = b"".join(images.tobytes() for images in batches(read_data(folder)))
    sizes = [place.stat().st_size for place in (tmp_path / "shards").glob("*.tar")]
    assert 1 < len(blocks(tmp_path)) <= sum(-(-size // 4096) for size in sizes)
    assert said == {hashlib.sha256(whole).hexdigest() + "\n"}


def test_one_worker_brings_the_manifest_and_the_others_wait(system: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second copy would take the place of the first while that is read."""
    given, inside, most = columns.columns_of, list[int](), list[int]()

    def slow(manifest: Path) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.3)
        found = given(manifest)
        inside.pop()
        return found

    monkeypatch.setattr("bakeoff.data.sources.shards.columns_of", slow)
    threads = [threading.Thread(target=read_data, args=(URL,)) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == [1, 1, 1]


class Ranged(http.server.SimpleHTTPRequestHandler):
    """Gives ranges of files, unless it is told to give them whole."""

    whole = False

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        if asked is None or self.whole:
            super().do_GET()
            return
        first, last = (int(word) for word in asked.removeprefix("bytes=").split("-"))
        content = Path(self.translate_path(self.path)).read_bytes()[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_http(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_shards(folder, tmp_path / "shards", shard_bytes=30_000)
    handler = lambda *given: Ranged(*given, directory=str(tmp_path / "shards"))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/shards.parquet"
        assert equal(batches(read_data(folder)), batches(read_data(address)))
        shutil.rmtree(tmp_path / "cache")
        monkeypatch.setattr(Ranged, "whole", True)
        with pytest.raises(UsageError, match="gives no ranges"):
            batches(read_data(address))
        monkeypatch.setattr(_http, "nearness", lambda address: 1)  # the name is of the world, and leads here
        data = read_data(address)
        data.images.table.store.ranges._way.nearest = 0  # type: ignore[union-attr]
        with pytest.raises(UsageError, match="an address of this machine"):
            batches(data)
    finally:
        server.shutdown()
        server.server_close()


class Gate:
    """A port that leads to a server, and can refuse for a while: what is open is cut, what is new isn't taken."""

    def __init__(self, to: int) -> None:
        self.to, self.open, self.passed = to, list[socket.socket](), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def refuse(self, seconds: float) -> None:
        self.close()
        time.sleep(seconds)
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        for each in (self.listener, *self.open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes who waits on it in a thread
            each.close()
        self.open.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                here = listener.accept()[0]
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self.to))
            self.open += [here, there]
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    def _copy(self, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while content := a.recv(1 << 16):
                self.passed += len(content)
                b.sendall(content)
        for each in (a, b):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gate]:
    """An S3-compatible server of its own process behind a gate; keys and address stand in the environment."""
    command = Path(sys.executable).with_name("moto_server")
    if not command.exists():
        pytest.skip("moto's server isn't installed: pip install 'moto[s3]' flask flask-cors")
    pytest.importorskip("s3fs")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([command, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    gate = Gate(port)
    try:
        for _ in range(200):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.1)
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{gate.port}"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield gate
    finally:
        gate.close()
        process.terminate()
        process.wait(10)


PUT = (
    "import sys, s3fs; s = s3fs.S3FileSystem(); s.mkdir('photos'); s.put(sys.argv[1], 'photos/shards', recursive=True)"
)


def test_s3_with_an_outage(bucket: Gate, folder: Path, tmp_path: Path) -> None:
    outage(bucket, folder, tmp_path, 3.0)


@pytest.mark.slow
def test_s3_with_an_outage_of_half_a_minute(bucket: Gate, folder: Path, tmp_path: Path) -> None:
    outage(bucket, folder, tmp_path, 30.0)


READ = """
import hashlib, json, sys, time
from bakeoff.data import read_data
data, found, records = read_data(sys.argv[1]), [], []
for number, batch in enumerate(data.train.batches(batch_size=4, cache="none")):
    if number == 3:
        print("now", flush=True)
        time.sleep(0.5)
    found.append(batch.images.tobytes())
    records += batch.records.tolist()
print(json.dumps([hashlib.sha256(b"".join(found)).hexdigest(), records]))
"""


def outage(bucket: Gate, folder: Path, tmp_path: Path, seconds: float) -> None:
    """Nothing twice, nothing lost, one line: a process reads an epoch, and the storage refuses in its midst."""
    write_shards(folder, tmp_path / "shards", shard_bytes=30_000)
    subprocess.run([sys.executable, "-c", PUT, f"{tmp_path / 'shards'}/"], check=True, timeout=60)
    environment = {**os.environ, "BAKEOFF_CACHE_LIMIT": "0"}  # each image is a request
    told = []
    for place in (str(folder), "s3://photos/shards"):
        process = subprocess.Popen(
            [sys.executable, "-c", f"from bakeoff.data import loader; loader.ANNOUNCED = 8\n{READ}", place],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        if place != str(folder):
            bucket.refuse(seconds)
        out, err = process.communicate(timeout=60 + 4 * seconds)
        assert process.returncode == 0, err
        told.append((json.loads(out), err))
    assert told[0][0] == told[1][0]
    assert len(told[1][0][1]) == len(set(told[1][0][1]))
    assert [line for line in told[1][1].splitlines() if "no answer" in line] == told[1][1].splitlines() != []
    assert len(told[1][1].splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(find_spec("torch") is None, reason="it trains: needs PyTorch")
def test_training_and_predicting_from_s3_while_it_goes_away(bucket: Gate, digits: Path, tmp_path: Path) -> None:
    """30 s in the midst of the training's reading, 5 s in that of prediction: the bits and rows of the folder."""
    write_shards(digits, tmp_path / "shards", shard_bytes=200_000)
    subprocess.run([sys.executable, "-c", PUT, f"{tmp_path / 'shards'}/"], check=True, timeout=60)

    def run(*words: str, refused: float = 0.0) -> str:
        command = [sys.executable, "-m", "bakeoff", *words]
        environment = {**os.environ, "BAKEOFF_CACHE_LIMIT": "0"}  # each image is a request
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        bucket.passed = 0
        while refused and bucket.passed < 400_000 and process.poll() is None:
            time.sleep(0.01)
        if refused:
            assert process.poll() is None
            bucket.refuse(refused)
        out, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
        assert err.count("no answer") == (refused > 0), err
        return out

    for name, place, seconds in (("a", str(digits), 0.0), ("b", "s3://photos/shards", 30.0)):
        given = ("-r", "mnist-cnn", "--set", "phases.0.epochs=1", "--run", str(tmp_path / name))
        run("train", place, *given, refused=seconds)
    weights = [tmp_path / name / "bundle" / "weights.safetensors" for name in "ab"]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    rows = [
        [
            json.loads(line)
            for line in run("predict", str(tmp_path / "b"), place, "--json", refused=seconds).splitlines()
        ]
        for place, seconds in ((str(digits), 0.0), ("s3://photos/shards", 5.0))
    ]
    for row in (*rows[0], *rows[1]):
        row["path"] = "/".join(row["path"].split("/")[-2:])
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1797
