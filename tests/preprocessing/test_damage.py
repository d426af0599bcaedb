"""What decodes and shows only part of an image, or another brightness than it should, is seen."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff.data.hashing import look_at
from bakeoff.errors import DataError
from bakeoff.preprocessing import decode
from bakeoff.preprocessing.decode import Least, decode_scaled


def photo(seed: int = 0, size: tuple[int, int] = (160, 200)) -> Image.Image:
    """Soft shapes with some noise, as a camera gives."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize(size[::-1], 3)
    return Image.fromarray(
        np.clip(np.asarray(coarse, np.int16) + draw.integers(-9, 9, (*size, 3)), 0, 255).astype(np.uint8)
    )


def jpeg(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", **options)
    return stream.getvalue()


def padded(colour: tuple[int, int, int]) -> Image.Image:
    """An image on a background of one colour, which takes its lower half, as letterboxing makes."""
    image = Image.new("RGB", (200, 160), colour)
    image.paste(photo(1, (70, 200)), (0, 0))
    return image


WHOLE = {"quality 90": {"quality": 90}, "optimized": {"optimize": True}, "4:4:4": {"subsampling": 0}}
WHOLE |= {"grey": {"grey": True}, "small": {"size": (40, 40)}, "restarts": {"restart_marker_blocks": 4}}


def made(name: str, seed: int = 0) -> bytes:
    options = dict(WHOLE[name])
    image = photo(seed, options.pop("size", (160, 200)))  # type: ignore[arg-type]
    return jpeg(image.convert("L") if options.pop("grey", False) else image, **options)


def cut_and_ended(content: bytes) -> bytes:
    """Cut short, and the end marker put behind what is left."""
    return content[: len(content) // 2] + b"\xff\xd9"


def ended_early(content: bytes) -> bytes:
    """An end marker in the midst, and all the rest behind it."""
    at = len(content) * 6 // 10
    return content[:at] + b"\xff\xd9" + content[at:]


def zeroed(content: bytes) -> bytes:
    """A sector of noughts, as a bad disk gives."""
    at = len(content) // 2
    return content[:at] + bytes(512) + content[at + 512 :]


def zeroed_to_the_end(content: bytes) -> bytes:
    at = len(content) * 2 // 3
    return content[:at] + bytes(len(content) - at - 2) + b"\xff\xd9"


def cut_late(content: bytes) -> bytes:
    return content[: len(content) * 9 // 10] + b"\xff\xd9"


DAMAGES = (cut_and_ended, ended_early, zeroed, zeroed_to_the_end, cut_late)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [name for name in WHOLE if name != "small"])
def test_damage_that_libjpeg_only_warns_of(name: str, damage: object, tmp_path: Path) -> None:
    content = made(name)
    (tmp_path / "a.jpg").write_bytes(content)
    assert look_at(tmp_path / "a.jpg").reason == ""
    decode(content)
    (tmp_path / "a.jpg").write_bytes(damage(content))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"truncated|damaged"):
        decode(tmp_path / "a.jpg")


def outcome(content: bytes, least: Least | None) -> bytes | str:
    try:
        return decode_scaled(content, least).image.tobytes()
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], zeroed, zeroed_to_the_end])
@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "JPEG2000"])
def test_damage_is_seen_whatever_size_is_asked_for(format: str, damage: Callable[[bytes], bytes]) -> None:
    """A damaged PNG that was asked for its orientation first came out black."""
    stream = io.BytesIO()
    photo().save(stream, format)
    content = damage(stream.getvalue())
    assert outcome(content, lambda size: (32, 32)) == outcome(content, None)


@pytest.mark.parametrize("colour", [(128, 128, 128), (127, 128, 128), (255, 255, 255), (0, 0, 0), (114, 114, 114)])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"quality": 100}], ids=str)
def test_images_on_one_colour_are_whole(colour: tuple[int, int, int], options: dict[str, object]) -> None:
    content = jpeg(padded(colour), **options)
    for source in (content, content + bytes(600)):  # noughts behind the end harm nobody
        decode(source)
    decode(jpeg(padded(colour).rotate(180), **options))
    decode(jpeg(Image.new("RGB", (320, 320), colour), **options))


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("seed", range(4))
def test_whole_images_are_whole(name: str, seed: int) -> None:
    decode(made(name, seed))


def test_sixteen_bits_with_a_transparent_value_are_put_on_white() -> None:
    values = np.full((8, 8), 1000, np.uint16)
    values[:4] = 40_000
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG", transparency=1000)
    found = np.asarray(decode(stream.getvalue()))
    assert (found[0, 0], found[7, 7]) == (156, 255)
