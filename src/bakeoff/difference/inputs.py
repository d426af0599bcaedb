"""From the bytes of an image to a net's input, as anybody does it: the settings `input.*`, stage by stage.

    decoder   "exact" (Pillow's) | "fast" (TensorFlow's default)      orient    whether EXIF turns it
    channels  1 | 3              order     "RGB" | "BGR"              fit       "stretch" | "crop" | "pad"
    size      (height, width)    resize_to short side before a crop   sequence  "resize, crop" | "crop, resize"
    filter    nearest, box, bilinear, bicubic, lanczos                antialias whether a smaller image is averaged
    numbers   "bytes" (rounded after the resize) | "floats"
    mean, std of y = (x / 255 - mean) / std                           buffer    "right" | "truncated" | "reshaped"

Without antialiasing positions are those of half pixels, and bicubic is Keys's with a = -0.5, as tf.image.resize has it.
"truncated": the normalised numbers were stored as bytes; "reshaped": channels were moved by reshape, not by transpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.files import workspace
from bakeoff.preprocessing import Signature, decode
from bakeoff.preprocessing.pixels import middle, size_before_cut, with_channels
from bakeoff.registry import either
from bakeoff.schemas import Array
from bakeoff.workers.launch import Worker

STAGES = ("decode", "orient", "resize", "channels", "normalise")
USUAL: Mapping[str, Any] = {
    "input.decoder": "exact",
    "input.orient": True,
    "input.channels": 3,
    "input.order": "RGB",
    "input.fit": "stretch",
    "input.resize_to": 0,
    "input.sequence": "resize, crop",
    "input.filter": "bilinear",
    "input.antialias": True,
    "input.numbers": "bytes",
    "input.buffer": "right",
}
IMAGENET = {"input.mean": (0.485, 0.456, 0.406), "input.std": (0.229, 0.224, 0.225)}
SCALES: Mapping[str, tuple[float, float]] = {"0 to 1": (0.0, 1.0), "-1 to 1": (0.5, 0.5), "0 to 255": (0.0, 1 / 255)}
CAFFE = {"input.mean": tuple(m / 255 for m in (103.939, 116.779, 123.68)), "input.std": (1 / 255,) * 3}
FILTERS = ("bilinear", "bicubic", "nearest", "lanczos", "box")
Bytes = Sequence[bytes]
JPEG = b"\xff\xd8\xff"


def of_signature(signature: Signature) -> dict[str, Any]:
    """The settings that a signature states."""
    return {
        **USUAL,
        "input.channels": signature.channels,
        "input.order": signature.channel_order,
        "input.fit": signature.fit,
        "input.size": tuple(signature.size),
        "input.resize_to": signature.resize_to or 0,
        "input.filter": signature.resize,
        "input.mean": tuple(signature.mean),
        "input.std": tuple(signature.std),
    }


def fits(size: tuple[int, int]) -> list[tuple[str, int]]:
    """How the field fits an image that isn't square: (fit, short side before a cut), the usual ones first."""
    side = max(size)
    cuts = dict.fromkeys((0, round(side / 0.875), round(side * 232 / 224), side))
    return [("stretch", 0), *(("crop", to) for to in cuts), ("pad", 0)]


def prepared(images: Bytes, settings: Mapping[str, Any]) -> Array:
    """The inputs of a net, float32 (N, H, W, C)."""
    if settings.get("input.decoder") == "fast":
        decoded_fast(images)  # all in one process
    return np.stack([stages(image, settings)["normalise"] for image in images])


def stages(image: bytes, settings: Mapping[str, Any]) -> dict[str, Array]:
    """What each stage makes of an image, in order: float32 after the resize, uint8 before."""
    s = {key.removeprefix("input."): value for key, value in settings.items() if key.startswith("input.")}
    read = fast if s["decoder"] == "fast" else _decoded
    found = {"decode": read(image, True, 3), "orient": read(image, s["orient"], s["channels"])}
    found["resize"] = _resized(found["orient"].reshape(*found["orient"].shape[:2], s["channels"]), s)
    found["channels"] = found["resize"][..., ::-1] if s["order"] == "BGR" else found["resize"]
    mean, std = np.float64(s["mean"]), np.float64(s["std"])
    y = np.asarray(found["channels"] * (1 / (255 * std)).astype("f") + (0.0 - mean / std).astype("f"), np.float32)
    if s["buffer"] == "truncated":
        y = np.clip(y, 0, 255).astype(np.uint8).astype(np.float32)
    if s["buffer"] == "reshaped":
        y = np.ascontiguousarray(y).reshape(y.shape[2], *y.shape[:2]).transpose(1, 2, 0)
    found["normalise"] = y
    return found


@lru_cache(maxsize=256)
def _decoded(image: bytes, orient: bool, channels: int) -> Array:
    """uint8 pixels by Pillow, turned by EXIF or not."""
    from PIL import Image

    found = decode(image)
    if not orient:
        with Image.open(BytesIO(image)) as opened:
            bare = opened.copy()
            tags = [name for name in opened.info if "exif" in str(name) or "xmp" in str(name)]
            bare.info = {name: value for name, value in opened.info.items() if name not in tags}
            found = decode(bare)
    return np.asarray(with_channels(found, channels), np.uint8)


def channels_last(images: Array) -> Array:
    """(N, H, W, C) of either layout: the axis of 1 or 3 is that of the channels."""
    first = images.shape[1] in (1, 3) and images.shape[3] not in (1, 3)
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1) if first else images, dtype=np.float32)


_FAST: dict[bytes, Array] = {}  # what one process of TensorFlow has decoded, by the image: not turned


def fast(image: bytes, orient: bool, channels: int) -> Array:
    """uint8 pixels of a JPEG as TensorFlow decodes it unless it is told otherwise, turned by EXIF or not."""
    from PIL import Image, ImageOps

    decoded_fast([image])
    if image not in _FAST:
        return _decoded(image, orient, channels)  # no JPEG
    found = Image.fromarray(_FAST[image])
    with Image.open(BytesIO(image)) as opened:
        found.getexif().update(opened.getexif())
    return np.asarray(with_channels(ImageOps.exif_transpose(found) if orient else found, channels))


def decoded_fast(images: Bytes) -> None:
    """Have all JPEGs of these decoded by one process of TensorFlow."""
    new = [image for image in dict.fromkeys(images) if image not in _FAST and image.startswith(JPEG)]
    if not new:
        return
    with workspace("decode") as folder, Worker("tensorflow") as worker:
        for number, image in enumerate(new):
            (folder / f"{number:05d}.jpg").write_bytes(image)
        worker.call("bakeoff.frameworks.tensorflow.decode:fast", folder=str(folder))
        _FAST.update({image: np.load(folder / f"{number:05d}.npy") for number, image in enumerate(new)})


# the resize -----------------------------------------------------------------------------------------------------------


def _resized(pixels: Array, s: Mapping[str, Any]) -> Array:
    """(H, W, C) at the size that the settings ask for, float32."""
    size = s["size"]
    if s["fit"] == "crop" and s["sequence"] == "resize, crop":
        to = s["resize_to"]  # may be less than the cut, which is then filled up, as torchvision's is
        wanted = Signature((1, 1), fit="crop", resize_to=to) if to else Signature(size, fit="crop")
        between = size_before_cut((pixels.shape[0], pixels.shape[1]), wanted)
        return _cut(_sampled(pixels, between, s), size)
    if s["fit"] == "crop":
        short = min(pixels.shape[:2])
        side = round(short * min(1.0, max(size) / s["resize_to"])) if s["resize_to"] else short
        return _sampled(_cut(pixels, (side, side)), size, s)
    if s["fit"] == "pad":
        scale = min(size[0] / pixels.shape[0], size[1] / pixels.shape[1])
        inner = tuple(max(1, min(side, round(n * scale))) for n, side in zip(pixels.shape[:2], size, strict=True))
        over = size[0] - inner[0], size[1] - inner[1]
        pads = [(n // 2, n - n // 2) for n in over]
        return np.pad(_sampled(pixels, (inner[0], inner[1]), s), [*pads, (0, 0)])
    return _sampled(pixels, size, s)


def _cut(pixels: Array, size: tuple[int, int]) -> Array:
    over = [max(0, wanted - n) for wanted, n in zip(size, pixels.shape[:2], strict=True)]
    if any(over):
        pixels = np.pad(pixels, [*((n // 2, n - n // 2) for n in over), (0, 0)])
    left, top, right, bottom = middle((pixels.shape[0], pixels.shape[1]), size)
    return pixels[top:bottom, left:right]


def _sampled(pixels: Array, size: tuple[int, int], s: Mapping[str, Any]) -> Array:
    from PIL import Image

    if pixels.shape[:2] == tuple(size):
        return np.asarray(pixels, np.float32)
    if s["antialias"] or s["filter"] in ("nearest", "box", "lanczos"):
        name = Image.Resampling[s["filter"].upper()]
        if s["numbers"] == "bytes":
            image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
            return np.asarray(image.resize(size[::-1], name), np.float32).reshape(*size, pixels.shape[2])
        layers = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(pixels.shape[2])]
        return np.stack([np.asarray(one.resize(size[::-1], name), np.float32) for one in layers], -1)
    rows, columns = (_weights(n, out, s["filter"]) for n, out in zip(pixels.shape[:2], size, strict=True))
    y = np.einsum("ih,hwc->iwc", rows, pixels.astype(np.float64), optimize=True)
    y = np.einsum("jw,iwc->ijc", columns, y, optimize=True)
    return np.asarray(np.clip(np.rint(y), 0, 255) if s["numbers"] == "bytes" else y, np.float32)


def _weights(size: int, out: int, kind: str) -> Array:
    """(out, size): how much each element counts, without antialiasing (Keys, 1981, for bicubic)."""
    at = (np.arange(out) + 0.5) * size / out - 0.5
    first, found = np.floor(at).astype(int), np.zeros((out, size))
    reach = range(2) if kind == "bilinear" else range(-1, 3)
    for tap in reach:
        x = np.abs(at - (first + tap))
        if kind == "bilinear":
            weight = np.maximum(0, 1 - x)
        else:
            weight = np.where(x <= 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2) * (x < 2)
        inside = (first + tap >= 0) & (first + tap < size) if kind == "bicubic" else np.ones(out, bool)
        np.add.at(found, (np.arange(out), np.clip(first + tap, 0, size - 1)), weight * inside)
    return np.asarray(found / found.sum(1, keepdims=True))


# what a user declares -------------------------------------------------------------------------------------------------

PRESETS = {
    "torchvision:IMAGENET1K_V1": {"input.fit": "crop", "input.resize_to": 256, "input.size": (224, 224), **IMAGENET},
    "torchvision:IMAGENET1K_V2": {"input.fit": "crop", "input.resize_to": 232, "input.size": (224, 224), **IMAGENET},
}
WORDS = {"yes": True, "true": True, "no": False, "false": False}


def declared(text: str, option: str) -> dict[str, Any]:
    """Settings that a user stated: a preset, `keras:NAME`, and `key=value` with commas between them.

    Lists have `/` or `x` between their numbers: `size=224x224,mean=0.485/0.456/0.406`. `keras:NAME` is what the
    documentation of keras.applications shows: load_img(target_size=...), which takes the nearest pixel, and the
    family's preprocess_input.

    Raises:
        UsageError: a key or preset that isn't known.
    """
    found: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            found |= _preset(part, option)
        elif f"input.{key}" in {*USUAL, "input.size", "input.mean", "input.std"}:
            found[f"input.{key}"] = _value(key, value, option)
        else:
            known = ", ".join(name.removeprefix("input.") for name in (*USUAL, "input.size", "input.mean", "input.std"))
            raise UsageError(f"{option} {part}: no setting {key!r}. Known: {known}.")
    return found


def _preset(name: str, option: str) -> dict[str, Any]:
    if name in PRESETS:
        return {**USUAL, **PRESETS[name]}
    head, _, model = name.partition(":")
    if head == "keras" and model:
        from bakeoff.zoo.sources.keras import described

        return {**of_signature(described(model)), "input.filter": "nearest"}
    raise UsageError(f"{option} {name}: expected {', '.join(PRESETS)}, keras:NAME as keras:mobilenet_v2, or key=value.")


def _value(key: str, text: str, option: str) -> Any:
    try:
        if key in ("mean", "std"):
            return tuple(float(one) for one in text.split("/"))
        if key == "size":
            sides = [int(one) for one in text.replace("x", "/").split("/")]
            return sides[0], sides[-1]
        if key in ("channels", "resize_to"):
            return int(text)
        if key in ("antialias", "orient"):
            return WORDS[text.lower()]
    except (ValueError, KeyError):
        raise UsageError(
            f"{option} {key}={text}: can't be read; expected as size=224x224, mean=0.5/0.5/0.5, antialias=no."
        ) from None
    if key == "filter" and text not in FILTERS:
        raise UsageError(f"{option} {key}={text}: expected {either(FILTERS)}.")
    return text.replace("+", ", ")
