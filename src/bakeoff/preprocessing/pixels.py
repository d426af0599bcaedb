"""A picture's way to uint8 under a signature: decode, channels, Pillow's antialiased resize, cut.

Every step is Pillow's on uint8, whose fixed-point arithmetic is the same on every machine, so that these bytes can be
compared by hash.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.preprocessing.decode import decode
from bakeoff.preprocessing.signature import Signature

if TYPE_CHECKING:
    from PIL import Image


def prepare(
    source: str | os.PathLike[str] | bytes | NDArray[np.uint8] | Any, signature: Signature
) -> NDArray[np.uint8]:
    """The picture as the model's bytes: uint8, (height, width, channels).

    Args:
        source: a path, the bytes of a file, an open file, a Pillow image of mode L or RGB, or an array of uint8,
            (height, width) or (height, width, 1 or 3).
        signature: `mean` and `std` are not applied: `normalize` does.

    Raises:
        DataError: it can't be decoded; the message is one short reason, without the path.
    """
    image = resize(with_channels(_image(source), signature.channels), signature)
    return np.array(image).reshape(*signature.size, signature.channels)


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Grey by the luma of ITU-R 601-2, or RGB with three equal channels."""
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def resize(image: Image.Image, signature: Signature) -> Image.Image:
    """The image at the signature's size."""
    from PIL.Image import Resampling

    height, width = signature.size
    filter_ = Resampling[signature.resize.upper()]
    if signature.fit == "stretch":
        return image if image.size == (width, height) else image.resize((width, height), filter_)
    between = size_before_cut((image.height, image.width), signature)
    if image.size != (between[1], between[0]):
        image = image.resize((between[1], between[0]), filter_)
    return image.crop(middle((image.height, image.width), signature.size))


def size_before_cut(size: tuple[int, int], signature: Signature) -> tuple[int, int]:
    """(height, width) to which `crop` resizes a picture of `size`; always covers the signature's size.

    With `resize_to` the short side becomes that long, and the other int(resize_to * long / short), which is
    torchvision's rule. Without it, the side that is the shorter in proportion becomes the signature's, and the other
    is rounded down likewise, but never below the signature's.
    """
    (height, width), to = size, signature.resize_to
    if to is not None:
        return (to, int(to * width / height)) if height <= width else (int(to * height / width), to)
    want_height, want_width = signature.size
    if want_height * width >= want_width * height:
        return want_height, max(want_width, want_height * width // height)
    return max(want_height, want_width * height // width), want_width


def middle(size: tuple[int, int], cut: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the middle; halves are rounded to even, as torchvision does."""
    top, left = round((size[0] - cut[0]) / 2), round((size[1] - cut[1]) / 2)
    return left, top, left + cut[1], top + cut[0]


def _image(source: Any) -> Image.Image:
    from PIL import Image

    if isinstance(source, Image.Image):
        return source
    if isinstance(source, np.ndarray):
        return Image.fromarray(source[..., 0] if source.ndim == 3 and source.shape[-1] == 1 else source)
    return decode(source)
