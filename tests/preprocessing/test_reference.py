"""The stored bytes of the reference set, and that a difference is seen."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference_set as reference
from PIL import Image

from bakeoff.preprocessing import decode, pixels, prepare
from bakeoff.preprocessing.signature import Signature


def test_every_image_becomes_the_stored_bytes() -> None:
    assert reference.check() == []


def test_the_set_has_every_kind() -> None:
    names = set(reference.images())
    assert len(names) >= 64
    kinds = ("orientation-8", "1-bit", "8-bit", "16-bit", "grey", "palette", "cmyk", "rgba", "icc", "animated")
    for kind in (*kinds, "progressive", "1x1", "1x10000", "webp", "tiff"):
        assert any(kind in name for name in names), kind


def test_a_difference_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reference.prepare

    def one_off(source: bytes, signature: Signature) -> np.ndarray:
        found = real(source, signature)
        found[0, 0, 0] ^= 1
        return found

    monkeypatch.setattr(reference, "images", lambda: {"png-rgb": reference_png()})
    monkeypatch.setattr(reference, "prepare", one_off)
    found = [each for each in reference.check() if each.image == "png-rgb"]
    assert {each.signature for each in found} == set(reference.SIGNATURES)
    assert not any(each.encoder for each in found)


def reference_png() -> bytes:
    return reference._saved(Image.fromarray(reference.pattern()), "PNG")


def test_another_encoder_is_no_difference_of_lossy_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads(reference.STORED.read_text("utf-8"))
    for name in ("jpeg-420", "png-rgb"):
        stored[name] = dict.fromkeys(stored[name], "0" * 32)
    path = tmp_path / "stored.json"
    path.write_text(json.dumps(stored))
    monkeypatch.setattr(reference, "STORED", path)
    assert {each.image for each in reference.check()} == {"png-rgb"}


@pytest.mark.parametrize("form", ["png", "tiff"])
def test_every_orientation_shows_the_same_image(form: str) -> None:
    files = reference.images()
    upright = np.asarray(decode(files[f"{form}-rgb"]))
    for turn, expected in {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, -1), 8: np.rot90(upright)}.items():
        assert np.array_equal(np.asarray(decode(files[f"{form}-orientation-{turn}"])), expected)


def test_a_scaled_jpeg_is_turned_and_placed_as_the_whole_one() -> None:
    plain, scaled = Signature((20, 20), resize="bicubic"), Signature((20, 20), resize="bicubic", scaled_decode=True)
    for turn in range(1, 9):
        data = reference.images()[f"jpeg-large-orientation-{turn}"]
        a, b = prepare(data, plain).astype(int), prepare(data, scaled).astype(int)
        assert 0 < np.abs(a - b).mean() < 1.5, turn


def test_a_image_too_small_to_be_scaled_keeps_its_bytes() -> None:
    data = reference.images()["jpeg-420"]
    assert np.array_equal(prepare(data, Signature((30, 30), scaled_decode=True)), prepare(data, Signature((30, 30))))


def test_a_line_of_pixels_needs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resized whole before the cut, 1 x 10,000 at a short side of 256 would be 655 megapixels."""
    sizes: list[tuple[int, int]] = []
    real = pixels.resample
    monkeypatch.setattr(
        pixels, "resample", lambda image, size, *rest: (sizes.append(size), real(image, size, *rest))[1]
    )
    line = reference.pattern(1, 10_000)
    found = prepare(line, Signature((224, 224), fit="crop", resize="bicubic", resize_to=256))
    assert sizes == [(224, 224)]
    assert np.abs(found[0, 112].astype(int) - line[0, 5000]).max() <= 8
