"""`bakeoff verify` of what was changed: the layer and the field stand in the terminal, whatever was sealed anew."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tampering import TAMPERED, Edit, bundle

from bakeoff.bundle import write as write_bundle
from bakeoff.conversion.api import convert_source
from bakeoff.conversion.certificate import SUFFIX, digest, seal
from bakeoff.runtimes.keras_file import sidecar
from bakeoff.schemas import Certificate, Check

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "tensorflow")), reason="needs torch and TensorFlow"
)
TO = {"keras": "keras", "onnx": "onnx", "pt2": "torch", "pt": "torch", "safetensors": "torch", "bundle": "bundle"}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each kind of output, as it is asked for."""
    return tmp_path_factory.mktemp("made")


def converted(kind: str, made: Path, folder: Path) -> Path:
    """An output with its source and certificate, to be changed."""
    output = made / kind / ("net" if kind == "bundle" else f"net.{kind}")
    if not output.exists():
        source = write_bundle(output.parent / "source", bundle())
        convert_source(str(source), TO[kind], output, check="quick")
    shutil.copytree(output.parent, folder, dirs_exist_ok=True)
    return folder / output.name


def renew(output: Path) -> None:
    """The hashes and the seal, by somebody who knows how."""
    path = output.with_name(output.name + SUFFIX)
    value = json.loads(path.read_text())
    beside = sidecar(output)
    value |= {"output_sha256": digest(output), "sidecar_sha256": digest(beside) if beside.is_file() else None}
    path.write_text(json.dumps({**value, "seal": seal(value)}))


def verified(output: Path) -> tuple[int, str]:
    """Exit code and what stands in the terminal."""
    line = [sys.executable, "-m", "bakeoff", "verify", f"{output}{SUFFIX}"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, " ".join(done.stderr.split())


def test_in_the_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a certificate that doesn't hold, what differs; the table has no room for it."""
    from bakeoff import cli

    named = Check("output.contents", 1.0, 0.0, False, "layer bn, field momentum: 0.5, expected 0.9")
    found = Certificate((Check("logits", 0.0, 0.0, True), Check("output.logits", 1.0, 0.0, False, "of a file"), named))
    monkeypatch.setattr("bakeoff.conversion.verify.verify", lambda *_, **__: found)
    assert cli.main(["verify", "net.keras.certificate.json"]) == 7
    said = capsys.readouterr().err.split("\n")
    assert "it doesn't hold here: output.logits, output.contents." in said[0]
    assert said[1].strip() == "layer bn, field momentum: 0.5, expected 0.9"


@pytest.mark.slow
def test_an_epsilon(made: Path, tmp_path: Path) -> None:
    """In ONNX, where nothing but the logits would show it; as it was written, changed, and sealed anew."""
    output = converted("onnx", made, tmp_path)
    assert verified(output) == (0, "")
    (edit,) = [edit for kind, name, edit, _ in TAMPERED if (kind, name) == ("onnx", "epsilon")]
    edit(output)
    code, said = verified(output)
    assert code == 8
    assert "was changed since it was certified" in said
    assert "layer bn, field BatchNormalization.epsilon: 0.5, expected 0.001" in said
    renew(output)
    code, said = verified(output)
    assert code == 7
    assert "layer bn, field BatchNormalization.epsilon: 0.5, expected 0.001" in said


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [True, False], ids=["sealed anew", "as it was sealed"])
@pytest.mark.parametrize(("kind", "name", "edit", "said"), TAMPERED, ids=[f"{one[0]}-{one[1]}" for one in TAMPERED])
def test_named(kind: str, name: str, edit: Edit, said: str, sealed: bool, made: Path, tmp_path: Path) -> None:
    output = converted(kind, made, tmp_path)
    edit(output)
    if sealed:
        renew(output)
    code, found = verified(output)
    assert said.rstrip() in found
    assert code == (7 if sealed else 8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"licence": "Own"}, "licence: 'Own', expected None"),
        ({"caution": "none"}, "caution: 'none', expected None"),
        ({"notes": ["all is well"]}, "notes: ['all is well'], expected []"),
        ({"size": [32, 32]}, "size[0]: 32, expected 16"),
        ({"fixed_size": False}, "fixed_size: False, expected True"),
        ({"custom_objects": ["Own"]}, "custom_objects: ['Own'], expected []"),
        ({"signature": {}}, "signature, field "),
        ({"seed": 5}, "seed"),
        ({"check": "full"}, "gradients"),
    ],
)
def test_of_the_certificate(change: dict[str, object], said: str, made: Path, tmp_path: Path) -> None:
    output = converted("onnx", made, tmp_path)
    path = output.with_name(output.name + SUFFIX)
    value = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps(value))
    code, found = verified(output)
    assert code == 8
    assert "is not the one that was sealed" in found
    path.write_text(json.dumps({**value, "seal": seal(value)}))
    code, found = verified(output)
    if change != {"seed": 5}:  # another question is answered the same
        assert code == 7
        assert said in found
