"""Certificates of others: what they name is hashed, opened and run again, so each name is a way in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakeoff.conversion import delivery
from bakeoff.conversion.api import convert_source
from bakeoff.conversion.certificate import digest, seal
from bakeoff.conversion.verify import verify
from bakeoff.errors import BakeoffError, WorkerError
from bakeoff.workers.launch import Worker

sys.path += [str(Path(__file__).parents[1] / "conversion")]

NONE = "0" * 64
MARK = "hacked"
HOSTILE = f"open({MARK!r}, 'w').close()\n"
ROW = {"name": "logits", "difference": 0.0, "tolerance": 1.0, "passed": True, "detail": ""}


@pytest.fixture
def value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A certificate that would be run again; a conversion that begins is a failure."""

    def work(*_: Any) -> None:
        raise AssertionError("the conversion was run again")

    monkeypatch.setattr("bakeoff.conversion.verify.Session", work)
    (tmp_path / "out.keras").write_bytes(b"model")
    text: dict[str, Any] = dict.fromkeys(
        (
            "source_sha256",
            "sidecar_sha256",
            "weights",
            "licence",
            "caution",
            "pictures",
            "classes",
            "input_size",
            "head",
        )
    )
    text |= {"schema": 1, "kind": "conversion", "passed": True, "summary": "", "source": "net", "source_kind": "zoo"}
    text |= {"to": "keras", "output": "out.keras", "output_sha256": digest(tmp_path / "out.keras"), "check": "full"}
    text |= {"random_weights": True, "seed": 0, "size": [224, 224], "fixed_size": False, "signature": {}}
    return {**text, "custom_objects": [], "notes": [], "checks": [ROW], "environment": {}, "source": "timm/resnet18"}


def certificate(folder: Path, text: str) -> Path:
    path = folder / "out.keras.certificate.json"
    path.write_text(text)
    return path


def asks(folder: Path, value: dict[str, Any], **change: Any) -> Path:
    """One that is sealed, as by somebody who knows how."""
    changed = {**value, **change}
    return certificate(folder, json.dumps({**changed, "seal": seal(changed)}))


def source(kind: str, place: str) -> dict[str, Any]:
    return {"source": place, "source_kind": kind, "source_sha256": NONE}


def weights(place: str) -> dict[str, Any]:
    return {"weights": {"origin": "file", "sha256": NONE, "file": place}, "random_weights": False}


NAMED: dict[str, tuple[dict[str, Any], str]] = {
    "the whole disk as a source": (source("folder", "/"), "no file that can be read"),
    "the whole disk as a bundle": (source("bundle", "../" * 40), "no file that can be read"),
    "a device as a source": (source("keras", "/dev/zero"), "no file that can be read"),
    "a pipe as a source": (source("pt2", "pipe"), "no file that can be read"),
    "a link to a device": (source("keras", "device"), "no file that can be read"),
    "a file without end": (source("keras", "hole.keras"), "more than a net has"),
    "a link to memory": (source("keras", "/proc/kcore"), "more than a net has|isn't there|no file|Operation not perm"),
    "a bundle with a pipe": (source("bundle", "bundle"), "no file that can be read"),
    "a link in a circle": (source("keras", "circle"), "isn't there|can't be read|symbolic links"),
    "a name of 4,096 letters": (source("keras", "a" * 4096), "isn't there|too long|can't be"),
    "a name with a nought": (source("keras", "a\0b"), "null|isn't there|can't be|embedded"),
    "a device as weights": (weights("/dev/zero"), "no file that can be read"),
    "a pipe as weights": (weights("pipe"), "no file that can be read"),
    "images of 268 million pixels": ({"input_size": [1 << 14, 1 << 14]}, "it asks about images of"),
    "a source of 268 million pixels": ({"size": [1 << 14, 1 << 14]}, "it asks about images of"),
    "a million classes": ({"classes": 10**6}, "classes"),
    "another file as the output": ({"output": "/etc/passwd"}, "should be called"),
    "a folder above as the output": ({"output": ".."}, "should be called|certifies"),
    "a source that is an option": (source("keras", "--trust"), "isn't there"),
    "a source behind a URL": (source("keras", "http://169.254.169.254/a.keras"), "isn't there"),
    "a target that is a module": ({"to": "os"}, "no such target"),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", NAMED)
def test_what_it_names_is_held_to_what_nets_are(attack: str, value: dict[str, Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/bundle.json").write_text("{}")
    os.mkfifo(tmp_path / "bundle/pipe")
    hole(tmp_path / "hole.keras")
    before = sorted(tmp_path.rglob("*"))
    change, says = NAMED[attack]
    with pytest.raises(BakeoffError, match=says):
        verify(asks(tmp_path, value, **change), offline=True)
    assert {*before, tmp_path / "out.keras.certificate.json"} == set(tmp_path.rglob("*"))


TEXTS: dict[str, str] = {
    "lists in lists": '{"kind":' + "[" * 200_000,
    "objects in objects": '{"kind":' * 200_000,
    "a number of a million digits": '{"kind":"conversion","schema":' + "9" * 1_000_000 + "}",
    "a million checks": '{"kind":"conversion","schema":1,"checks":[' + "{}," * 1_000_000 + "{}]}",
    "nothing": "",
    "noughts": "\0" * 1000,
    "a list": "[]",
    "a name twice": '{"kind":"conversion","kind":"party"}',
    "half a letter": '{"kind":"\\ud800"}',
    "checks that are text": '{"kind":"conversion","schema":1,"checks":"abc"}',
    "checks that are numbers": '{"kind":"conversion","schema":1,"checks":[1]}',
    "a difference that is text": '{"kind":"conversion","schema":1,"checks":[{"name":"a","difference":"x"}]}',
    "a tolerance that is a list": (
        '{"kind":"conversion","schema":1,"checks":[{"name":"a","difference":1,"tolerance":[1]}]}'
    ),
    "declared things that are none": '{"kind":"conversion","schema":1,"checks":[],"declared":[{"a":1}]}',
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", TEXTS)
def test_a_text_that_is_none_is_named(attack: str, tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match=r"out\.keras\.certificate\.json"):
        verify(certificate(tmp_path, TEXTS[attack]))


def hole(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


PLACES: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "a folder": Path.mkdir,
    "a hole of a terabyte": hole,
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("attack", PLACES)
def test_a_certificate_is_a_file(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "out.keras.certificate.json"
    PLACES[attack](path)
    with pytest.raises(BakeoffError, match=r"out\.keras\.certificate\.json"):
        verify(path)


def test_of_a_page_that_was_compared_ours_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside theirs may lie a torch.py, which would be imported."""
    run: list[Path] = []
    monkeypatch.setattr(delivery, "tried", lambda _, made: run.append(made))
    session: Any = SimpleNamespace(request=SimpleNamespace(page=True), folder=tmp_path)
    made = delivery.Delivery(session)
    made.read_back(tmp_path / "theirs/model.py")
    (tmp_path / "again").mkdir()  # as `as_meant` leaves it
    made.read_back(tmp_path / "theirs/model.py")
    assert run == [tmp_path / "theirs", tmp_path / "again"]


@pytest.mark.slow
@pytest.mark.torch
def test_modules_beside_a_page_are_not_imported(tmp_path: Path) -> None:
    from tampering import bundle

    from bakeoff.bundle import write

    convert_source(str(write(tmp_path / "source", bundle())), "torch", tmp_path / "page", check="quick", page=True)
    for name in ("torch", "numpy", "typing", "pathlib", "weights"):
        (tmp_path / f"page/{name}.py").write_text(HOSTILE)
    line = [sys.executable, "-P", "-m", "bakeoff", "verify", str(tmp_path / "page/model.py.certificate.json")]
    done = subprocess.run(line, cwd=tmp_path / "page", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob(MARK))


ROOMS = {
    "onnxruntime": "runtimes.onnxruntime",
    "torch": "frameworks.torch.layers",
    "tensorflow": "frameworks._keras.layers",
}


@pytest.mark.parametrize("library", ROOMS)
def test_modules_in_the_working_folder_are_not_imported(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` looks there first: a worker that was started in an unpacked download ran its torch.py."""
    if find_spec(library) is None:
        pytest.skip(f"needs {library}")
    monkeypatch.chdir(tmp_path)
    for name in ("torch", "numpy", "tensorflow", "keras", "json", "msgspec", "PIL", "onnxruntime", "bakeoff"):
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    with Worker(library) as worker, pytest.raises(WorkerError, match="has no attribute 'nothing'"):
        worker.call(f"bakeoff.{ROOMS[library]}:nothing")
    assert not (tmp_path / MARK).exists()
