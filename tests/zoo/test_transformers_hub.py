"""transformers' models by name: huggingface_hub's own client against a stand-in for the hub, each in a process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="needs huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "vit"}',
    "preprocessor_config.json": b"{}",
    "README.md": b"---\nlicense: cc-by-nc-4.0\n---\n",
    "model.safetensors": b"numbers",
    "tf_model.h5": b"for others",
    "training_args.bin": b"a pickle",
}
ASK = """
import json, sys
from bakeoff import zoo
from bakeoff.errors import BakeoffError
from bakeoff.zoo.resolve import resolve
options = json.loads(sys.argv[2])
try:
    found = resolve(zoo.entry(sys.argv[1]), options.pop("revision", None), **options)
    row = found.weights
    print(json.dumps([found.origin, str(found.path), row.licence, row.caution, row.address, found.sha256]))
except BakeoffError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


class Hub(BaseHTTPRequestHandler):
    """The few addresses that snapshot_download asks for."""

    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self) -> None:
        self.answered(self.path.rpartition("/")[2])

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        if self.path.startswith(("/api/models/some/vit/revision/main", "/api/models/some/vit/revision/v2")):
            self.said({"id": "some/vit", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]})
        elif self.path.startswith("/api/models/some/vit/tree/"):
            self.said([{"type": "file", "path": name, "size": len(FILES[name]), "oid": "0" * 40} for name in FILES])
        else:
            self.answered(self.path.rpartition("/")[2])

    def answered(self, name: str) -> None:
        if "/some/vit/resolve/" in self.path and name in FILES:
            etag = hashlib.sha1(FILES[name]).hexdigest()
            self.sent(FILES[name], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def said(self, value: object) -> None:
        self.sent(json.dumps(value).encode(), {"Content-Type": "application/json"})

    def sent(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Hub.asked = []
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def asked(name: str, hub: str, home: Path, **options: object) -> list[str]:
    mine = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    gone = ("HF_HUB_OFFLINE", "HF_HUB_CACHE", "BAKEOFF_OFFLINE", "BAKEOFF_MIRROR", "HF_TOKEN")
    environment = {key: value for key, value in os.environ.items() if key not in gone} | mine
    command = [sys.executable, "-c", ASK, name, json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_from_the_hub_into_its_cache_with_its_licence(hub: str, tmp_path: Path) -> None:
    _, path, licence, caution, address, digest = asked("transformers/some/vit", hub, tmp_path)
    folder = Path(path).parent
    assert folder == tmp_path / "hub" / "models--some--vit" / "snapshots" / COMMIT
    wanted = ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]
    assert sorted(file.name for file in folder.iterdir()) == wanted
    assert (licence, caution) == ("cc-by-nc-4.0", "not for commercial use: cc-by-nc-4.0")
    assert address == "https://huggingface.co/some/vit/resolve/main/model.safetensors"
    count = len(Hub.asked)
    assert asked("transformers/some/vit", hub, tmp_path, offline=True)[1::4] == [path, digest]
    assert len(Hub.asked) == count
    assert asked("transformers/some/vit@v2", hub, tmp_path, revision="v2")[4].endswith("/resolve/v2/model.safetensors")


def test_a_mirror_comes_first(hub: str, tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "some" / "vit"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(FILES[name])
    found = asked("transformers/some/vit", hub, tmp_path, mirror=str(tmp_path / "mirror"), offline=True)
    assert found[:3] == ["mirror", str(folder / "model.safetensors"), None]
    assert "doesn't state a licence" in found[3]


@pytest.mark.parametrize(("name", "offline", "said"), [("vit", True, "--offline"), ("gone", False, "some/gone")])
def test_what_is_nowhere(hub: str, tmp_path: Path, name: str, offline: bool, said: str) -> None:
    kind, message = asked(f"transformers/some/{name}", hub, tmp_path, offline=offline)
    assert kind == "DataError"
    assert f"transformers/some/{name}: not on this machine, and" in message
    assert said in message
    assert len(message.splitlines()) == 2
