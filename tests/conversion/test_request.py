"""What can't be converted is said before a framework starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bakeoff import frameworks
from bakeoff.conversion.request import requested
from bakeoff.errors import BakeoffError, DataError, MissingDependencyError, UsageError


@pytest.mark.parametrize(
    ("source", "to", "options", "error", "says"),
    [
        ("timm/resnet50", "kers", {}, UsageError, "did you mean 'keras'"),
        ("timm/resnet5", "keras", {}, UsageError, "did you mean 'resnet"),
        ("timm/resnet50", "keras", {"check": "fast"}, UsageError, "expected full or quick"),
        ("timm/resnet50", "keras", {"weights": "a.pth", "random_weights": True}, UsageError, "give one of them"),
        ("timm/resnet50", "keras", {"output": "a.onnx"}, UsageError, r"writes \.keras here, not \.onnx"),
        ("timm/resnet50", "torch", {"output": "a.keras"}, UsageError, r"writes \.pth"),
        ("timm/resnet50", "keras", {"input_size": (0, 3)}, UsageError, "--input-size"),
        ("timm/resnet50", "keras", {"classes": 0}, UsageError, "--classes"),
        ("tim/resnet50", "keras", {}, DataError, "no source 'tim'"),
        ("nothing.keras", "torch", {}, DataError, "no such file"),
        ("empty", "torch", {}, DataError, "nothing that can be converted"),
    ],
)
def test_refused(
    source: str,
    to: str,
    options: dict[str, Any],
    error: type[BakeoffError],
    says: str,
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=says) as caught:
        requested(source, to, **options)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize(
    ("source", "to", "given", "output"),
    [
        ("timm/resnet50.a1_in1k", "keras", None, "resnet50.keras"),
        ("timm/resnet50", "torch", None, "resnet50.pth"),
        ("keras/Xception", "torch", None, "Xception.pt2"),
        ("torchvision/resnet18", "torch", "a.safetensors", "a.safetensors"),
        ("torchvision/resnet18", "keras", "net", "net.keras"),
        ("torchvision/resnet18", "bundle", "net", "net"),
    ],
)
def test_outputs(source: str, to: str, given: str | None, output: str) -> None:
    pytest.importorskip("h5py")
    assert str(requested(source, to, given).output) == output


def test_where_each_part_lives() -> None:
    request = requested("timm/resnet50", "keras")
    assert (request.framework, request.target, request.own) == ("torch", "tensorflow", False)
    request = requested("keras/Xception", "torch")
    assert (request.framework, request.target, request.own) == ("tensorflow", "torch", False)
    assert requested("timm/resnet50", "torch").own
    assert requested("keras/Xception", "keras").own
    assert requested("timm/resnet50", "onnx").target == "torch"


def test_a_missing_framework_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frameworks, "version", lambda name: None if name in ("tensorflow", "jax") else "1")
    with pytest.raises(MissingDependencyError, match=r"bakeoff\[tensorflow\]"):
        requested("timm/resnet50", "keras")
