"""Turning, moving and shearing of an image; what comes in at the edges has the colour of the border."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def border(pixels: NDArray[np.uint8]) -> tuple[int, ...]:
    """The median of the outermost pixels, per channel."""
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(edge, axis=0))


def moved(
    pixels: NDArray[np.uint8],
    *,
    degrees: float = 0.0,
    shear: tuple[float, float] = (0.0, 0.0),
    shift: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
) -> NDArray[np.uint8]:
    """The image, (H, W, C), about its middle; bilinear.

    Args:
        pixels: what is moved.
        degrees: anticlockwise.
        shear: tangents, along x and y.
        shift: to the right and down, in shares of width and height.
        scale: above 1 enlarges.
    """
    from PIL import Image

    height, width, channels = pixels.shape
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    back = turn @ np.array([[1.0, shear[0]], [shear[1], 1.0]]) / scale  # from the result to the source
    middle = np.array([width, height]) / 2
    offset = middle - back @ (middle + np.array(shift) * (width, height))
    matrix = (back[0, 0], back[0, 1], offset[0], back[1, 0], back[1, 1], offset[1])
    image = to_image(pixels)
    fill = border(pixels)
    turned = image.transform(
        image.size,
        Image.Transform.AFFINE,
        matrix,
        Image.Resampling.BILINEAR,
        fillcolor=fill[0] if channels == 1 else fill,
    )
    return to_pixels(turned)


def to_image(pixels: NDArray[np.uint8]):  # type: ignore[no-untyped-def]  # a PIL.Image.Image
    """(H, W, 1 or 3) as a Pillow image of mode L or RGB."""
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def to_pixels(image) -> NDArray[np.uint8]:  # type: ignore[no-untyped-def]
    """Back: (H, W, 1 or 3)."""
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array
