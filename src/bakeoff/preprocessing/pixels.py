"""An image's way to uint8 under a signature: decode, channels, Pillow's antialiased resize, cut.

Every step is Pillow's on uint8, whose fixed-point arithmetic is the same on every machine, so that these bytes can be
compared by hash. With `scaled_decode` libjpeg leaves out most of a large JPEG: bytes of their own, as exact.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.preprocessing._work import LARGEST_PIXELS
from bakeoff.preprocessing.decode import Least, Scaled, decode_scaled
from bakeoff.preprocessing.signature import Signature

if TYPE_CHECKING:
    from PIL import Image

GAP = 4  # pixels of a scaled JPEG for each one after the resize: of 713 top-1 none changed; of 2, three did


def prepare(
    source: str | os.PathLike[str] | bytes | NDArray[np.uint8] | Any, signature: Signature
) -> NDArray[np.uint8]:
    """The image as the model's bytes: uint8, (height, width, channels).

    Args:
        source: a path, the bytes of a file, an open file, a Pillow image of mode L or RGB, or an array of uint8,
            (height, width) or (height, width, 1 or 3).
        signature: `mean` and `std` are not applied: `normalize` does.

    Raises:
        DataError: it can't be decoded; the message is one short reason, without the path.
    """
    return np.array(render(source, signature)).reshape(*signature.size, signature.channels)


def render(source: Any, signature: Signature) -> Image.Image:
    """As `prepare`, but the Pillow image: mode L or RGB, of the signature's size."""
    return resize(draw(source, signature), signature)


def draw(source: Any, signature: Signature, least: Least | None = None) -> Scaled:
    """The source as an image with the signature's channels, before the resize.

    Args:
        source: as for `prepare`.
        signature: with `scaled_decode`, a JPEG is decoded smaller where at least `GAP` times the pixels that the resize
            leaves remain on each side.
        least: from the (height, width) of the whole image to what the resize leaves of it, where that isn't the
            signature's; called once in any case.
    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        source = Image.fromarray(source[..., 0] if source.ndim == 3 and source.shape[-1] == 1 else source)
    if isinstance(source, Image.Image):
        found = Scaled(source, (source.height, source.width), (0, 0, source.width, source.height))
    elif signature.scaled_decode:
        found = decode_scaled(source, least_of(signature, least))
        return found._replace(image=with_channels(found.image, signature.channels))
    else:
        found = decode_scaled(source)
    if least is not None:
        least(found.size)
    return found._replace(image=with_channels(found.image, signature.channels))


def least_of(signature: Signature, least: Least | None = None) -> Least:
    """What `decode_scaled` is to leave of an image for a resize; see `draw`."""

    def of(whole: tuple[int, int]) -> tuple[int, int]:
        height, width = least(whole) if least else _before_cut(whole, signature)
        return GAP * height, GAP * width

    return of


def with_channels(image: Image.Image, channels: int) -> Image.Image:
    """Grey by the luma of ITU-R 601-2, or RGB with three equal channels."""
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def resize(drawn: Scaled, signature: Signature) -> Image.Image:
    """The image at the signature's size."""
    between = _before_cut(drawn.size, signature)
    box = middle(between, signature.size, signature.half)
    if between[0] * between[1] > LARGEST_PIXELS:  # 1 x 10,000 at a short side of 256 is 655 megapixels: only the cut
        left, top, right, bottom = drawn.box
        x, y = (right - left) / between[1], (bottom - top) / between[0]
        part = (left + box[0] * x, top + box[1] * y, left + box[2] * x, top + box[3] * y)
        return resample(drawn.image, signature.size, part, signature.resize)
    image = resample(drawn.image, between, drawn.box, signature.resize)
    return image if between == signature.size else image.crop(box)


def resample(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float], name: str
) -> Image.Image:
    """The `box` (left, top, right, bottom) of an image at (height, width), by Pillow's filter of that name."""
    from PIL.Image import Resampling

    if image.size == size[::-1] and box == (0, 0, *image.size):
        return image
    return image.resize(size[::-1], Resampling[name.upper()], box)


def _before_cut(size: tuple[int, int], signature: Signature) -> tuple[int, int]:
    return signature.size if signature.fit == "stretch" else size_before_cut(size, signature)


def size_before_cut(size: tuple[int, int], signature: Signature) -> tuple[int, int]:
    """(height, width) to which `crop` resizes an image of `size`; always covers the signature's size.

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


def middle(size: tuple[int, int], cut: tuple[int, int], half: str = "even") -> tuple[int, int, int, int]:
    """The box (left, top, right, bottom) of the middle; see `Signature.half`."""
    over = size[0] - cut[0], size[1] - cut[1]
    top, left = (n // 2 if half == "down" else round(n / 2) for n in over)
    return left, top, left + cut[1], top + cut[0]


def shown(size: tuple[int, int], signature: Signature) -> tuple[float, float, float, float]:
    """The part of an image of `size` (height, width) that comes into the input: (left, top, right, bottom) as shares
    of its width and height."""
    height, width = _before_cut(size, signature)
    left, top, right, bottom = middle((height, width), signature.size, signature.half)
    return left / width, top / height, right / width, bottom / height
