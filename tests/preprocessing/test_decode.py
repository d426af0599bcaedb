"""The rules of the decoder, each on a generated image."""

import io
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.errors import DataError
from bakeoff.preprocessing import decode, read_header
from bakeoff.preprocessing import decode as decode_function
from bakeoff.preprocessing.decode import decode_scaled

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def saved(image: Image.Image, format_: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(decode(data))


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """What a viewer shows, by the definition of EXIF: where row 0 and column 0 of the file are."""
    swap = np.swapaxes(array, 0, 1)
    return {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: swap,
        6: swap[:, ::-1],
        7: swap[::-1, ::-1],
        8: swap[::-1],
    }[orientation]


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(format_: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(RGB), format_, exif=exif)
    assert np.array_equal(pixels(data), turned(RGB, orientation))
    assert read_header(data)[:2] == turned(RGB, orientation).shape[:2]


@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_counts_as_none(exif: bytes) -> None:
    data = saved(Image.fromarray(RGB), "JPEG", exif=exif)
    assert pixels(data).shape == RGB.shape


def test_sixteen_bits_are_scaled_by_257() -> None:
    values = np.array([[0, 128, 129, 257, 65407, 65535]], np.uint16)
    for format_ in ("PNG", "TIFF"):
        data = saved(Image.fromarray(values), format_)
        assert pixels(data).tolist() == [[0, 0, 1, 1, 255, 255]]
        assert read_header(data).grey
    assert pixels(b"P5 3 1 65535\n" + np.array([0, 257, 65535], ">u2").tobytes()).tolist() == [[0, 1, 255]]


def test_one_bit_is_black_and_white() -> None:
    data = saved(Image.fromarray(GREY > 127), "PNG")
    assert np.array_equal(pixels(data), np.where(GREY > 127, 255, 0))
    assert read_header(data).grey


def test_grey_stays_grey_and_colour_stays_colour() -> None:
    assert decode(saved(Image.fromarray(GREY), "JPEG")).mode == "L"
    assert decode(saved(Image.fromarray(RGB), "JPEG")).mode == "RGB"
    assert np.array_equal(pixels(saved(Image.fromarray(RGB), "BMP")), RGB)


def test_palette_is_rgb_with_its_transparent_entry_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 0), 1)
    assert pixels(saved(image, "PNG")).tolist() == [[[10, 20, 30], [200, 0, 0]]]
    assert pixels(saved(image, "PNG", transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    assert pixels(saved(image, "GIF", transparency=0)).tolist() == [[[255, 255, 255], [200, 0, 0]]]


@pytest.mark.parametrize(("alpha", "expected"), [(255, [100, 0, 50]), (0, [255, 255, 255]), (51, [224, 204, 214])])
def test_alpha_is_composited_onto_white(alpha: int, expected: list[int]) -> None:
    data = saved(Image.new("RGBA", (1, 1), (100, 0, 50, alpha)), "PNG")
    assert pixels(data).tolist() == [[expected]]
    grey = saved(Image.new("LA", (1, 1), (100, alpha)), "PNG")
    assert pixels(grey).tolist() == [[expected[0]]]
    assert decode(grey).mode == "L"


def test_a_transparent_colour_is_white() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 9, 9))
    assert pixels(saved(image, "PNG", transparency=(1, 2, 3))).tolist() == [[[255, 255, 255], [9, 9, 9]]]
    assert pixels(saved(Image.new("L", (1, 1), 7), "PNG", transparency=7)).tolist() == [[255]]


def test_cmyk_is_rgb_by_pillow() -> None:
    image = Image.fromarray(RGB).convert("CMYK")
    assert np.array_equal(pixels(saved(image, "TIFF")), np.asarray(image.convert("RGB")))
    jpeg = saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(pixels(jpeg).astype(int) - [255, 0, 0]).max() <= 3


def test_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for format_, lossless in (("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        data = saved(frames[0], format_, save_all=True, append_images=frames[1:], **lossless)
        assert np.abs(pixels(data)[0, 0].astype(int) - [255, 0, 0]).max() <= 1, format_


def test_progressive_and_baseline_are_the_same() -> None:
    both = [saved(Image.fromarray(RGB), "JPEG", quality=90, progressive=flag) for flag in (False, True)]
    assert both[0] != both[1]
    assert np.array_equal(pixels(both[0]), pixels(both[1]))


def test_one_pixel() -> None:
    assert pixels(saved(Image.new("RGB", (1, 1), (5, 6, 7)), "PNG")).tolist() == [[[5, 6, 7]]]


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_truncated_files_are_refused(format_: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = saved(noise, format_)
    assert decode(data).size == (64, 64)
    with pytest.raises(DataError, match=r"truncated|damaged"):
        decode(data[: len(data) * 3 // 4])


def test_a_jpeg_without_its_last_byte_is_truncated() -> None:
    with pytest.raises(DataError, match=r"^truncated$"):
        decode(saved(Image.fromarray(RGB), "JPEG")[:-1])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty (0 bytes)"),
        (b"this is a text\nof two lines\n", "text, not an image"),
        ("größer, 更大".encode() * 9, "text, not an image"),
        (b"\x00\x01\x02" * 50, "not a known image format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "text, not an image"),
    ],
)
def test_what_is_no_image(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        with pytest.raises(DataError) as caught:
            decode(source)
        assert str(caught.value) == reason


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^no such file$"):
        decode(tmp_path / "none.png")
    with pytest.raises(DataError, match="can't be read"):
        decode(tmp_path)


def test_a_bomb_is_refused_before_decoding() -> None:
    small = saved(Image.new("1", (8, 8)), "PNG")
    size = (20_000).to_bytes(4, "big") + (9_000).to_bytes(4, "big")
    import zlib

    header = b"IHDR" + size + small[24:29]
    bomb = small[:8] + small[8:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]
    for function in (decode_function, read_header):
        with pytest.raises(DataError, match=r"too large .20000 x 9000 pixels; at most 178,956,970"):
            function(bomb)


def test_photos_of_200_megapixels_are_read_and_above_that_the_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # while it is written
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    photo = saved(Image.linear_gradient("L").resize((16_320, 12_240)), "JPEG", exif=exif)
    monkeypatch.undo()
    at = photo.index(b"\xff\xc0") + 5  # height and width
    small = decode_scaled(photo, lambda _: (200, 150))
    assert small.size == read_header(photo)[:2] == (16_320, 12_240)
    full = decode_function(photo).resize((1530, 2040), reducing_gap=1)
    assert full.getpixel((0, 1000)) == small.image.getpixel((0, 1000))
    with pytest.raises(DataError, match="truncated"):
        decode_function(photo[: len(photo) * 2 // 3] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"too large .16400 x 16400 pixels; at most 268,435,456"):
        decode_function(photo[:at] + (16_400).to_bytes(2, "big") * 2 + photo[at + 4 :])
    with pytest.raises(Image.DecompressionBombError):  # others of the process keep their limit
        Image.open(io.BytesIO(photo))


def test_floating_point_has_no_range() -> None:
    with pytest.raises(DataError, match="no stated range"):
        decode(saved(Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF"))


def test_the_format_is_decided_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(Image.fromarray(RGB), "PNG"))
    assert np.array_equal(np.asarray(decode(path)), RGB)


def test_no_warning_leaks_and_filters_come_back() -> None:
    """An image between half the limit and the limit makes Pillow warn; four threads at once."""
    big = saved(Image.new("1", (10_000, 9_000)), "PNG")
    before = list(warnings.filters)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            read_header(big)
        except BaseException as error:
            failures.append(error)

    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(big))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(warnings.filters) == before
