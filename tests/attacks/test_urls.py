"""What servers of others may do to whoever reads a URL: wait, give without end, lead to this machine."""

from __future__ import annotations

import http.server
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bakeoff.data.sources import _http, url
from bakeoff.errors import BakeoffError, DataError

WORLD, OWN, HERE, CLOUD = "93.184.216.34", "10.0.0.7", "127.0.0.1", "169.254.169.254"


@pytest.mark.parametrize(
    ("given", "places", "allowed"),
    [
        ("http://example.com/a", [WORLD, WORLD], True),
        ("http://example.com/a", [WORLD, OWN], False),
        ("http://example.com/a", [WORLD, CLOUD], False),
        ("http://example.com/a", [HERE], False),  # its owner says where a name leads
        ("http://example.com/a", ["::ffff:127.0.0.1"], False),
        ("http://example.com/a", ["fe80::1%eth0"], False),
        ("http://data.corp.example/a", [OWN, OWN], True),
        ("http://data.corp.example/a", [OWN, CLOUD], False),
        ("http://localhost:9/a", ["::1", HERE], True),
        (f"http://{HERE}:9/a", [HERE, HERE], True),
        (f"http://{WORLD}/a", [WORLD, "0.0.0.0"], False),
    ],
)
def test_nothing_leads_nearer(given: str, places: list[str], allowed: bool) -> None:
    way, made = _http.Way(given), 0
    for place in places:
        family = socket.AF_INET6 if ":" in place else socket.AF_INET
        try:
            way._socket((family, socket.SOCK_STREAM, 0, "", (place, 9))).close()
            made += 1
        except OSError:
            assert place in way.refused
    assert (made == len(places)) is allowed


class Hostile(http.server.BaseHTTPRequestHandler):
    """Its answers by the first part of the path."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "silent":
            time.sleep(9)
        self.send_response(302 if kind in ("file", "loop") else 200)
        self.send_header("Location", "file:///etc/passwd" if kind == "file" else self.path)
        if kind in ("slow", "packed"):
            self.send_header("Content-Length", "1000" if kind == "slow" else "5")
        if kind == "packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            for _ in range(1 if kind == "packed" else 100):
                self.wfile.write(b"a,b\nc" * (100_000 if kind == "endless" else 1))
                time.sleep(0.1 if kind == "slow" else 0)
        except OSError:
            pass


@pytest.fixture
def server() -> Iterator[str]:
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    found = http.server.ThreadingHTTPServer((HERE, 0), Hostile)
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://{HERE}:{found.server_address[1]}"
    found.shutdown()
    found.server_close()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("silent", "no answer within 2 s"),
        ("slow", "too slow"),
        ("endless", "more than 10,000,000 bytes, and doesn't say its size"),
        ("file", "can't be read"),
        ("loop", "can't be read"),
    ],
)
def test_a_server_is_left(kind: str, says: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_http, "WAIT_S", 2.0)
    monkeypatch.setattr(url, "MOST_BYTES", 10_000_000)
    with pytest.raises(DataError, match=says):
        url.fetch(Path(f"{server}/{kind}/x.csv"))
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]
    assert url.fetch(Path(f"{server}/packed/x.csv")).read_bytes() == b"a,b\nc"  # as it came


@pytest.mark.parametrize(
    ("said", "free", "says"), [(3, 1 << 40, "more than it said"), (9, 1 << 30, "less than 2 GiB would be left")]
)
def test_a_file_gives_what_it_said(
    said: int, free: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(url.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))  # type: ignore[attr-defined]
    target = tmp_path / "tree/a"
    with pytest.raises(BakeoffError, match=says):
        url._bring(lambda: io.BytesIO(b"four"), "s3://a", {"size": said}, target, target.parent)
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


@pytest.mark.parametrize(
    "given",
    [
        "reference://::file://{0}/evil.json",
        "reference::file://{0}/evil.json",
        "simplecache::file://{0}/secret.csv",
        "filecache::file://{0}/secret.csv",
        "blockcache::https://example.com/a.csv",
        "dir::file://{0}",
        "zip://a::file://{0}/a.zip",
        "tar://a::https://example.com/a.tar",
        "libarchive://a::file://{0}/a.zip",
        "generic://{0}/secret.csv",
        "asynclocal://{0}/secret.csv",
        "data:text/csv,abc",
        "data://text/csv,abc",
        "git://{0}:a",
        "jupyter://127.0.0.1:1/a",
        "dask://a",
        "arrow_hdfs://a/b",
        "cached://a",
    ],
)
def test_what_fsspec_reads_through_another_is_no_store(given: str, tmp_path: Path) -> None:
    """A file of others says what is read then, and from where: `reference` copied any file of this machine."""
    (tmp_path / "secret.csv").write_text("secret")
    (tmp_path / "evil.json").write_text(
        json.dumps({"version": 1, "refs": {"a/1.png": [f"file://{tmp_path}/secret.csv"]}})
    )
    with pytest.raises(BakeoffError, match="is no store of files that is read"):
        url.fetch(Path(given.format(tmp_path)))


def test_a_chain_behind_a_store_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "secret.csv").write_text("secret")
    with pytest.raises(DataError, match="nothing is there"):
        url.fetch(Path(f"memory://a::file://{tmp_path}/secret.csv"))
    assert not list((tmp_path / "cache").rglob("*.csv"))


def test_a_file_of_this_machine_is_read_where_it_lies(tmp_path: Path) -> None:
    """By the rules for links and for what is no file; no copy of it is made."""
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("a b.csv", "link"):
        assert url.fetch(Path(f"file://{tmp_path}/{name}")) == tmp_path / name
