"""Where weights are found: file, mirror, the framework's own cache, network; against a stand-in for the hubs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.zoo.listing import Entry, WeightsFile
from bakeoff.zoo.resolve import resolve

DATA = b"numbers" * 1000
SHA = hashlib.sha256(DATA).hexdigest()
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hugging Face hub does (a redirect that names commit and hash), and as a plain server."""

    etag, body, asked = SHA, DATA, []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if "/resolve/" in self.path:
            self.send_response(302)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-ETag", f'"{self.etag}"')
            self.send_header("Location", "/cdn/blob")
            self.end_headers()
        elif self.path in ("/cdn/blob", "/models/net-1234abcd.pth", "/models/net.h5"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(self.body)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "BAKEOFF_MIRROR", "BAKEOFF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HOME", "TORCH_HOME", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hub.etag, Hub.body, Hub.asked = SHA, DATA, []
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", address)
    yield address
    server.shutdown()
    server.server_close()


def timm() -> Entry:
    file = "model.safetensors"
    address = f"https://huggingface.co/timm/net.a1/resolve/main/{file}"
    return Entry("timm", "net", 1, (8, 8, 3), 10, weights=(WeightsFile("a1", file, address, "mit", "timm/net.a1"),))


def plain(source: str, address: str, file: str, **hashes: str) -> Entry:
    weights = WeightsFile("W", file, f"{address}/models/{file}", "mit", **hashes)
    return Entry(source, "net", 1, (8, 8, 3), 10, weights=(weights,))


def test_from_the_hub_into_its_own_cache(hub: str, tmp_path: Path) -> None:
    found = resolve(timm())
    kept = tmp_path / "HF_HOME/hub/models--timm--net.a1"
    assert (found.origin, found.sha256) == ("network", SHA)
    assert found.path == kept / "snapshots" / COMMIT / "model.safetensors"
    assert (kept / "refs/main").read_text() == COMMIT
    assert found.path.read_bytes() == DATA
    asked = len(Hub.asked)
    assert resolve(timm(), offline=True).origin == "cache"
    assert len(Hub.asked) == asked


def test_the_hubs_own_library_finds_what_was_fetched(hub: str, tmp_path: Path) -> None:
    constants = pytest.importorskip("huggingface_hub.file_download")
    found = resolve(timm())
    cached = constants.try_to_load_from_cache("timm/net.a1", "model.safetensors", cache_dir=tmp_path / "HF_HOME/hub")
    assert cached == str(found.path)


@pytest.mark.parametrize(
    ("source", "home"), [("torchvision", "TORCH_HOME/hub/checkpoints"), ("keras", "KERAS_HOME/models")]
)
def test_plain_addresses_and_caches(source: str, home: str, hub: str, tmp_path: Path) -> None:
    found = resolve(plain(source, hub, "net.h5", sha256=SHA[:8]))
    assert found.path == tmp_path / home / "net.h5"
    assert resolve(plain(source, hub, "net.h5"), offline=True).origin == "cache"


def test_a_file_wins_over_the_mirror_the_mirror_over_the_cache(hub: str, tmp_path: Path) -> None:
    mine, mirror = tmp_path / "mine.pth", tmp_path / "mirror"
    (mirror / "timm/net.a1").mkdir(parents=True)
    mine.write_bytes(b"mine")
    (mirror / "timm/net.a1/model.safetensors").write_bytes(b"mirror")
    resolve(timm())
    assert resolve(timm(), file=mine, mirror=mirror).origin == "file"
    assert resolve(timm(), mirror=mirror).path.read_bytes() == b"mirror"
    assert resolve(timm()).origin == "cache"


@pytest.mark.parametrize("place", ["127.0.0.1/models/net.h5", "net.h5"])
def test_layouts_of_a_mirror(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mirror" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    monkeypatch.setenv("BAKEOFF_MIRROR", str(tmp_path / "mirror"))
    assert resolve(plain("keras", "http://127.0.0.1", "net.h5"), offline=True).path == path
    with pytest.raises(UsageError, match="there is no such folder"):
        resolve(timm(), mirror=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["", "BAKEOFF_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_names_file_address_and_cache(
    name: str, hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name:
        monkeypatch.setenv(name, "1")
    with pytest.raises(DataError) as caught:
        resolve(timm(), offline=not name)
    text = str(caught.value)
    assert "timm/net.a1/model.safetensors" in text
    assert f"{hub}/timm/net.a1/resolve/main/model.safetensors" in text
    assert str(tmp_path / "HF_HOME/hub/models--timm--net.a1/snapshots/main/model.safetensors") in text
    assert "--mirror" in text
    assert len(text.splitlines()) <= 3
    assert not Hub.asked


def test_where_the_error_says_to_put_it_it_is_found(hub: str, tmp_path: Path) -> None:
    path = tmp_path / "HF_HOME/hub/models--timm--net.a1/snapshots/main/model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert resolve(timm(), offline=True).path == path


def test_a_wrong_hash_is_refused_and_nothing_is_kept(hub: str, tmp_path: Path) -> None:
    Hub.etag = "0" * 64
    with pytest.raises(CorruptError, match="SHA-256"):
        resolve(timm())
    with pytest.raises(CorruptError, match="MD5"):
        resolve(plain("keras", hub, "net.h5", md5="0" * 32))
    with pytest.raises(CorruptError, match="SHA-256"):
        resolve(plain("torchvision", hub, "net-1234abcd.pth", sha256="1234abcd"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "main"]


def test_a_broken_connection_keeps_nothing(hub: str, tmp_path: Path) -> None:
    Hub.body = DATA[:100]
    with pytest.raises(DataError):
        resolve(plain("keras", hub, "net.h5"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_no_answer_says_where_to_get_it(hub: str) -> None:
    with pytest.raises(DataError, match=r"answers 404[^\n]*\nGet it from http"):
        resolve(plain("keras", hub, "other.h5"))
    with pytest.raises(DataError, match=r"doesn't reach it"):
        resolve(plain("keras", "http://127.0.0.1:1", "net.h5"))


def test_a_model_without_weights_says_so() -> None:
    with pytest.raises(UsageError, match="--random-weights"):
        resolve(Entry("timm", "net", 1, None, None))
