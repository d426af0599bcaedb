"""transformers' image processors as signatures, and back.

What a processor says of itself gives candidates; two test images, prepared by it and by each candidate, decide, so that
nothing it does goes unnoticed: where no candidate prepares them alike, the nearest one comes with what differs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.preprocessing import normalize, prepare
from bakeoff.preprocessing.signature import Filter, Half, Signature
from bakeoff.schemas import Array
from bakeoff.seeds import rng

# Of the test images: wide, tall, square, and a row of them, so that halves of pixels are cut off in every way.
SIZES = ((375, 501), (642, 427), (96, 96), *((97, width) for width in range(120, 128)))
LEVEL = 1 / 255
ROUNDED = 3 * LEVEL  # torchvision's resize and Pillow's: each rounds to whole levels twice
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # by Pillow's numbers


def signature_of(processor: Any) -> tuple[Signature, tuple[str, ...]]:
    """The signature of an image processor, and what it can't say."""
    images = [_image(size) for size in SIZES]
    wanted = [_prepared(processor, image) for image in images]
    sizes = {one.shape[:2] for one in wanted}
    first = _numbers(processor, wanted[2].shape[:2])
    resize = FILTERS[int(getattr(processor, "resample", None) or 0)]
    notes = [] if resize in get_args(Filter) else [f"its filter is {resize}, which Pillow alone has; here bilinear"]
    notes += [f"images keep their proportions ({_sizes(sizes)}); here {_sizes({first.size})}"] if len(sizes) > 1 else []
    first = replace(first, resize="bilinear" if notes else resize)  # type: ignore[arg-type]
    apart = {
        one: [_apart(image, array, one) for image, array in zip(images, wanted, strict=True)]
        for one in _candidates(processor, first)
    }
    best = min(apart, key=lambda one: sum(float(each.mean()) for each in apart[one]))
    most = max(float(each.max()) for each in apart[best])
    if most > (LEVEL / 2 if type(processor).__name__.endswith("Pil") else ROUNDED) and not notes:
        said = ", ".join(f"{name} {_plain(getattr(processor, name, None))}" for name in ("size", "crop_size"))
        notes = [f"{type(processor).__name__} ({said}) has no exact form here; test images differ by up to {most:.2f}"]
    return best, tuple(f"image processor: {note}" for note in notes)


def _candidates(processor: Any, first: Signature) -> Iterator[Signature]:
    """Stretched, or a short side and a cut: every length that the processor's own numbers can mean."""
    yield first
    size, crop = _plain(getattr(processor, "size", None)), getattr(processor, "crop_pct", None)
    given = [*size.values(), getattr(processor, "resize_short", None), *first.size]
    for number in {int(one) for one in given if one}:
        for side in {number, int(number / (crop or 1)), int(256 / 224 * number)}:  # the last: LeViT's
            if side >= max(first.size):
                yield from (replace(first, fit="crop", resize_to=side, half=half) for half in get_args(Half))


def _numbers(processor: Any, size: tuple[int, int]) -> Signature:
    """Mean, deviation and order of channels, as black, white and red images show them."""
    black, white, red = (
        _prepared(processor, np.full((64, 64, 3), color, np.uint8))[size[0] // 2, size[1] // 2].astype(float)
        for color in (0, 255, (255, 0, 0))
    )
    std = 1 / (white - black)
    mean = -black * std
    own = [getattr(processor, f"image_{name}", None) for name in ("mean", "std")]
    mean, std = (
        given
        if given is not None and np.allclose(given, found, atol=1e-6)
        else [round(float(one), 7) + 0.0 for one in found]
        for given, found in zip(own, (mean, std), strict=True)
    )
    turned = abs(red[0] - black[0]) < abs(red[2] - black[2])
    return Signature(size, 3, mean=tuple(mean), std=tuple(std), channel_order="BGR" if turned else "RGB")


def _apart(image: Array, wanted: Array, signature: Signature) -> Array:
    """The difference of every pixel, on the scale 0 to 1."""
    found = normalize(prepare(image, signature), signature)
    if found.shape != wanted.shape:
        return np.full(1, np.inf)
    return np.asarray(np.abs(found - wanted) * np.asarray(signature.std))


def _prepared(processor: Any, image: Array) -> Array:
    array = np.asarray(processor(images=image, return_tensors="pt")["pixel_values"][0])
    return array.transpose(1, 2, 0)


def _image(size: tuple[int, int]) -> Array:
    """Colors that change slowly: what is read from another place differs, what is rounded otherwise hardly does."""
    height, width = size
    draw = rng(0, "image processor").uniform(0, 2 * np.pi, (3, 4))
    y, x = np.mgrid[:height, :width] / 40
    waves = [np.sin(x + a) + np.sin(y + b) + np.sin(x + y + c) + np.sin(x - y + d) for a, b, c, d in draw]
    return ((np.stack(waves, -1) / 8 + 0.5) * 255).round().astype(np.uint8)


def _plain(given: Any) -> dict[str, int]:
    return {key: value for key, value in dict(given or {}).items() if value}


def _sizes(sizes: set[tuple[int, ...]]) -> str:
    return ", ".join(f"{height} x {width}" for height, width in sorted(sizes))


def config_of(signature: Signature) -> dict[str, Any]:
    """A signature as preprocessor_config.json.

    Raises:
        UsageError: what no image processor does; says which.
    """
    cut = signature.fit == "crop"
    covers = cut and (signature.resize_to is None or signature.half == "even")
    if covers or signature.channel_order == "BGR" or signature.channels != 3:
        what = "fit = 'crop' without resize_to, or with halves rounded to even" if covers else "BGR or grey images"
        raise UsageError(
            f"{what}: no image processor of transformers does that. Write a state dict: --output NAME.safetensors"
        )
    height, width = signature.size
    whole = {"height": height, "width": width}
    return {
        "image_processor_type": "CLIPImageProcessor" if cut else "ViTImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": signature.resize_to} if cut else whole,
        **({"do_center_crop": True, "crop_size": whole} if cut else {}),
        "resample": FILTERS.index(signature.resize),
        "do_rescale": True,
        "rescale_factor": LEVEL,
        "do_normalize": True,
        "image_mean": list(signature.mean),
        "image_std": list(signature.std),
    }
