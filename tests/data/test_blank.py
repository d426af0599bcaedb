"""Images that decode and show nothing are found by the audit, and by the line before training."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from faults import photo
from PIL import Image

import bakeoff
from bakeoff.data.audit import audit

DRAW = np.random.default_rng(0)


def deep(bits: int) -> Image.Image:
    """So many bits in a file of 16."""
    values = np.asarray(photo(3).convert("L"), np.uint16)
    return Image.fromarray((values.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16))


BLANK: dict[str, tuple[Image.Image, str]] = {
    "black": (Image.new("RGB", (96, 96)), "all black"),
    "white": (Image.new("L", (96, 96), 255), "all white"),
    "blue": (Image.new("RGB", (96, 96), (10, 20, 200)), "all of one colour"),
    "noise": (Image.fromarray(DRAW.integers(99, 102, (96, 96, 3), dtype=np.uint8)), "nearly all of one colour"),
    "transparent": (Image.new("RGBA", (96, 96), (1, 2, 3, 0)), "all white"),
    "small": (Image.new("L", (20, 20), 77), "all of one colour"),
    "10 bits": (deep(10), "only levels 0 to"),
    "12 bits": (deep(12), "only levels 0 to"),
    "0 and 1": (Image.fromarray((np.asarray(photo(5).convert("L")) > 99).astype(np.uint8)), "only levels 0 to 1"),
    "0 to 5": (Image.fromarray(DRAW.integers(0, 6, (40, 40), dtype=np.uint8)), "only levels 0 to 5"),
}
SHOWN: dict[str, Image.Image] = {
    "16 bits": deep(16),
    "dark": photo(7).point(lambda level: level // 6),
    "faint": photo(8).point(lambda level: 200 + level // 16),
    "a dot": Image.fromarray(np.pad(np.full((9, 9), 200, np.uint8), 50)),
    "text": Image.fromarray(np.where(DRAW.random((96, 96)) < 0.02, 0, 255).astype(np.uint8)),
    "mask of 255": Image.fromarray((np.asarray(photo(5).convert("L")) > 99).astype(np.uint8) * 255),
}


def folder(root: Path, extra: dict[str, Image.Image], num: int = 12) -> Path:
    for index, name in enumerate("ab" * num):
        (root / name).mkdir(parents=True, exist_ok=True)
        photo(100 + index).save(root / name / f"{index}.png")
    for name, image in extra.items():
        image.save(root / "a" / f"{name}.png")
    return root


def test_each_is_found_and_nothing_else(tmp_path: Path) -> None:
    images = {name: image for name, (image, _) in BLANK.items()}
    found = audit(folder(tmp_path, images | SHOWN))
    blank = {finding.path: finding.detail for finding in found.findings if finding.kind == "blank"}
    assert set(blank) == {f"a/{name}.png" for name in BLANK}
    for name, (_, said) in BLANK.items():
        assert said in blank[f"a/{name}.png"]


@pytest.mark.parametrize("kind", ["files", "arrays"])
def test_where_most_are_dark_it_is_about_the_data(kind: str, tmp_path: Path) -> None:
    if kind == "files":
        data = folder(tmp_path, {f"{index}": deep(12).rotate(index) for index in range(60)})
    else:
        np.savez(tmp_path / "a.npz", x_train=DRAW.integers(0, 2, (60, 8, 8), dtype=np.uint8), y_train=np.arange(60) % 2)
        data = tmp_path / "a.npz"
    (line,) = [finding for finding in audit(data).findings if finding.kind == "blank"]
    assert line.path is None
    assert "bring them to 0 to 255" in line.detail


@pytest.mark.parametrize("recipe", ["photos", "splits"])
def test_the_line_before_training_has_it(recipe: str, tmp_path: Path) -> None:
    folder(tmp_path / ("data/train" if recipe == "splits" else "data"), {"12 bits": deep(12)})
    if recipe == "splits":
        folder(tmp_path / "data/test", {})
    said: list[str] = []
    options = bakeoff.Options(listen=lambda message: said.append(str(message.get("text", ""))))
    bakeoff.train(tmp_path / "data", framework="onnxruntime", run=tmp_path / "run", options=options)
    again = len(said)
    bakeoff.train(tmp_path / "data", framework="onnxruntime", run=tmp_path / "again", options=options)
    assert any("1 blank" in line for line in said[:again]), said
    assert any("1 blank" in line for line in said[again:]), said[again:]


def test_heic_is_named_with_its_remedy(tmp_path: Path) -> None:
    content = b"\0\0\0\x18ftypheic" + bytes(200)
    (folder(tmp_path, {}) / "a" / "phone.heic").write_bytes(content)
    (finding,) = [one for one in audit(tmp_path).findings if one.path == "a/phone.heic"]
    assert find_spec("pi_heif") or "pip install 'bakeoff[heif]'" in finding.detail


def test_heic_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif", reason="pi-heif is not installed")
    shutil.copy(Path(__file__).parents[1] / "preprocessing" / "phone.heic", folder(tmp_path, {}) / "a" / "phone.heic")
    assert len(bakeoff.read_data(tmp_path)) == 25
    assert audit(tmp_path).findings == ()
