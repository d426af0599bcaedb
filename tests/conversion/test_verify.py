"""Certificates that can't be run again say why; nothing starts for them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bakeoff.conversion.certificate import digest, seal
from bakeoff.conversion.verify import verify
from bakeoff.errors import BakeoffError, CorruptError, DataError, VersionError

NONE = "0" * 64


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs is looked for by converting again: see test_tampered.py, and test_contents.py in frameworks."""

    def work(*_: Any) -> None:
        raise BakeoffError("the conversion was run again")

    monkeypatch.setattr("bakeoff.conversion.verify.Session", work)


@pytest.fixture
def value(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "out.keras").write_bytes(b"model")
    (tmp_path / "out.keras.bakeoff.json").write_bytes(b"text")
    (tmp_path / "source.keras").write_bytes(b"source")
    return {
        "schema": 1,
        "kind": "conversion",
        "passed": True,
        "summary": "timm/resnet18 -> keras: 1 of 1 checks passed",
        "source": "timm/resnet18",
        "source_kind": "zoo",
        "source_sha256": None,
        "to": "keras",
        "output": "out.keras",
        "output_sha256": digest(tmp_path / "out.keras"),
        "sidecar_sha256": digest(tmp_path / "out.keras.bakeoff.json"),
        "check": "full",
        "weights": None,
        "random_weights": True,
        "licence": None,
        "caution": None,
        "pictures": None,
        "classes": None,
        "input_size": None,
        "seed": 0,
        "size": [224, 224],
        "fixed_size": False,
        "head": None,
        "signature": {},
        "custom_objects": [],
        "notes": [],
        "checks": [CHECK],
        "environment": {},
    }


DECLARED = {"name": "noise", "where": ["a"], "what": "it draws", "effect": 0.5}
CHECK = {"name": "logits", "difference": 0.0, "tolerance": 1.0, "passed": True, "detail": ""}


def certificate(folder: Path, value: dict[str, Any], name: str = "out.keras.certificate.json") -> Path:
    """Sealed, as by someone who knows how."""
    path = folder / name
    path.write_text(json.dumps({**value, "seal": seal(value)}))
    return path


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"schema": 9}, VersionError, "schema 9"),
        ({"kind": "party"}, DataError, "no certificate of a conversion"),
        ({"seed": "x"}, CorruptError, "seed"),
        ({"seed": -1}, CorruptError, "seed"),
        ({"seed": 10**40}, CorruptError, "damaged or edited|JSON"),
        ({"checks": 3}, CorruptError, "damaged or edited"),
        ({"checks": []}, CorruptError, "checks"),
        ({"checks": [CHECK, CHECK]}, CorruptError, "twice"),
        ({"checks": [{**CHECK, "tolerance": float("nan")}]}, CorruptError, "JSON"),
        ({"checks": [{**CHECK, "tolerance": -1.0}]}, CorruptError, "tolerance"),
        ({"checks": [{**CHECK, "difference": 2.0}]}, CorruptError, "logits did not pass"),
        ({"checks": [{**CHECK, "difference": None}]}, CorruptError, "damaged"),
        ({"checks": [{**CHECK, "passed": False}]}, CorruptError, "logits did not pass"),
        ({"passed": False}, CorruptError, "passed is false"),
        ({"declared": [], "verdict": "declared"}, CorruptError, "its verdict is 'declared'"),
        ({"declared": [DECLARED], "verdict": "passed"}, CorruptError, "its verdict is 'passed'"),
        ({"declared": [{**DECLARED, "where": 3}], "verdict": "declared"}, CorruptError, "damaged"),
        ({"output": "../out.keras"}, CorruptError, "should be called"),
        ({"output": "/etc/hostname"}, CorruptError, "should be called"),
        ({"output": ""}, CorruptError, "output"),
        ({"output_sha256": NONE}, CorruptError, "was changed"),
        ({"output_sha256": None}, CorruptError, "output_sha256"),
        ({"sidecar_sha256": NONE}, CorruptError, "beside the output was changed"),
        ({"to": "party"}, BakeoffError, "no such target"),
        ({"to": "onnx"}, BakeoffError, "writes .onnx"),
        ({"check": "none"}, CorruptError, "check"),
        ({"input_size": [10**9, 10**9]}, CorruptError, "input_size"),
        ({"classes": 10**12}, CorruptError, "classes"),
        ({"source": "a.keras", "source_kind": "keras", "source_sha256": NONE}, DataError, "the source of the cert"),
        ({"source": "source.keras", "source_kind": "keras", "source_sha256": NONE}, CorruptError, "was changed"),
        ({"source": "source.keras", "source_kind": "keras"}, CorruptError, "source_sha256"),
        ({"source": "source.keras", "source_kind": "zoo"}, BakeoffError, "no name"),
        ({"source": "rm -rf /", "source_kind": "zoo"}, BakeoffError, "no name"),
        ({"weights": {"origin": "file", "sha256": None, "file": "x"}}, CorruptError, "sha256"),
        ({"weights": {"origin": "file", "sha256": NONE, "file": "x.pth"}, "random_weights": False}, DataError, "isn't"),
    ],
)
def test_refused(
    change: dict[str, Any], error: type[BakeoffError], says: str, value: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(error, match=says):
        verify(certificate(tmp_path, {**value, **change}))


@pytest.mark.parametrize(
    "change", [{"summary": "better"}, {"licence": "MIT"}, {"checks": [{**CHECK, "tolerance": 2.0}]}, {"seed": 1}]
)
def test_an_edit_shows(change: dict[str, Any], value: dict[str, Any], tmp_path: Path) -> None:
    path = certificate(tmp_path, value)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CorruptError, match="not the one that was sealed"):
        verify(path)


def test_of_another_output(value: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match=r"certifies 'out.keras'"):
        verify(certificate(tmp_path, value, "mine.keras.certificate.json"))


def test_moved_away_from_its_files(value: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DataError, match="the output of the certificate isn't there"):
        verify(certificate(tmp_path / "elsewhere", value))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("place", ["itself", "in a folder"])
def test_a_pipe_is_no_file(place: str, value: dict[str, Any], tmp_path: Path) -> None:
    """Reading one would wait for ever."""
    output = tmp_path / "out.keras"
    output.unlink()
    if place == "in a folder":
        output.mkdir()
        (output / "bundle.json").write_text("{}")
    os.mkfifo(output / "weights.safetensors" if place == "in a folder" else output)
    empty = hashlib.sha256().hexdigest()
    with pytest.raises(DataError, match="no file that can be read"):
        verify(certificate(tmp_path, {**value, "output_sha256": empty}))


def test_folders_of_other_files_have_other_digests(tmp_path: Path) -> None:
    for name, files in {"a": {"x": b"1", "y": b"2"}, "b": {"x": b"1y\x002"}, "c": {"x": b"1", "z": b"2"}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "bundle.json").write_bytes(b"")
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)
    (tmp_path / "run").mkdir()
    (tmp_path / "a").rename(tmp_path / "run/bundle")
    assert len({digest(tmp_path / name) for name in ("run", "b", "c")}) == 3


def test_what_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(CorruptError, match="not readable as JSON"):
        verify(tmp_path / "x.json")
    with pytest.raises(DataError, match="there is no such file; did you mean"):
        verify(tmp_path / "y.json")
