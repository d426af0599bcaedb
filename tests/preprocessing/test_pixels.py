import hashlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff.preprocessing import Signature, normalize, prepare, scale_and_offset
from bakeoff.preprocessing.pixels import middle, size_before_cut

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize("filter_", ["nearest", "box", "bilinear", "bicubic", "lanczos"])
def test_stretch_is_pillows_resize(filter_: Any) -> None:
    expected = Image.fromarray(IMAGE).resize((20, 16), Image.Resampling[filter_.upper()])
    assert np.array_equal(prepare(IMAGE, Signature((16, 20), resize=filter_)), np.asarray(expected))


def test_crop_is_torchvisions_resize_and_centre_crop() -> None:
    """Resize(32): short side 32, long side int(32 * 53 / 37) = 45; CenterCrop(28) at round(2.0), round(8.5) = 2, 8."""
    expected = np.asarray(Image.fromarray(IMAGE).resize((45, 32), Image.Resampling.BICUBIC))[2:30, 8:36]
    signature = Signature((28, 28), fit="crop", resize="bicubic", resize_to=32)
    assert np.array_equal(prepare(IMAGE, signature), expected)
    upright = Image.fromarray(IMAGE.swapaxes(0, 1).copy())
    assert prepare(upright, signature).shape == (28, 28, 3)


def test_bytes_are_golden() -> None:
    """Pillow's fixed-point arithmetic gives these on every machine."""
    signature = Signature((24, 24), fit="crop", resize="bicubic", resize_to=28)
    assert hashlib.sha256(prepare(IMAGE, signature).tobytes()).hexdigest()[:16] == "5fe1ce0735c8d7f6"


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 9), (64, 64), (640, 480), (479, 641)])
@pytest.mark.parametrize("size", [(8, 8), (5, 16), (16, 5)])
def test_crop_without_resize_to_covers_the_size(shape: tuple[int, int], size: tuple[int, int]) -> None:
    signature = Signature(size, fit="crop")
    between = size_before_cut(shape, signature)
    assert between[0] >= size[0]
    assert between[1] >= size[1]
    assert between[0] == size[0] or between[1] == size[1]
    left, top, right, bottom = middle(between, size)
    assert (bottom - top, right - left) == size
    assert left >= 0
    assert top >= 0


def test_channels() -> None:
    assert prepare(IMAGE, Signature((8, 8), channels=1)).shape == (8, 8, 1)
    grey = prepare(IMAGE[..., 0], Signature((8, 8)))
    assert grey.shape == (8, 8, 3)
    assert (grey[..., 0] == grey[..., 2]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normalize_is_its_formula(dtype: str) -> None:
    signature = Signature((37, 53), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images = np.stack([IMAGE, IMAGE[::-1]])
    scale = (1 / (255 * np.array(signature.std))).astype(dtype)
    offset = (-np.array(signature.mean) / np.array(signature.std)).astype(dtype)
    expected = images.astype(dtype) * scale + offset
    result = normalize(images, signature, dtype)
    assert result.dtype == dtype
    assert np.array_equal(result, expected)
    exact = (images / 255 - np.array(signature.mean)) / np.array(signature.std)
    assert np.abs(result - exact).max() <= 8 * np.finfo(dtype).eps


def test_normalize_turns_channels_round_before_it_counts_them() -> None:
    turned = Signature((1, 1), mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0), channel_order="BGR")
    pixel = np.array([[[255, 51, 0]]], np.uint8)
    assert normalize(pixel, turned, "float64").ravel() == pytest.approx([-1.0, 0.2 - 0.25, 0.5])


def test_normalize_writes_to_out_and_takes_one_image() -> None:
    signature = Signature((37, 53), mean=(0.5,), std=(0.5,))
    out = np.empty((37, 53, 3), np.float32)
    assert normalize(IMAGE, signature, out=out) is out
    assert np.array_equal(out, normalize(IMAGE[None], signature)[0])
    assert out.min() >= -1
    assert out.max() <= 1


def test_normalize_refuses_what_is_no_image() -> None:
    signature = Signature((4, 4))
    with pytest.raises(ValueError, match="expected uint8"):
        normalize(np.zeros((1, 4, 4, 1), np.uint8), signature)
    with pytest.raises(ValueError, match="contiguous"):
        normalize(np.zeros((1, 4, 4, 3), np.uint8), signature, out=np.zeros((2, 4, 4, 3), np.float32))


def test_without_mean_and_std_it_is_a_255th() -> None:
    scale, offset = scale_and_offset(Signature((4, 4)))
    assert scale.tolist() == [np.float32(1 / 255)] * 3
    assert offset.tolist() == [0, 0, 0]
    assert not np.signbit(offset).any()


@pytest.mark.parametrize(("half", "box"), [("even", (4, 2, 7, 4)), ("down", (3, 1, 6, 3))])
def test_halves_of_what_is_cut_off(half: str, box: tuple[int, ...]) -> None:
    assert middle((5, 10), (2, 3), half) == box
    assert middle((6, 9), (2, 3), half) == (3, 2, 6, 4)
    assert ("half" in Signature((2, 2), fit="crop", half=half).to_json()) == (half == "down")  # type: ignore[arg-type]
