"""A heat map over an image: violet to yellow, and the clearer the more a place says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) as shares of an image's width and height."""

LOW, HIGH = (112.0, 26.0, 160.0), (255.0, 214.0, 10.0)  # two hues, light and dark: seen on any image
MOST = 0.75  # of it is covered where a place says most
LEAST = 0.1  # log-odds below which nothing is coloured in full: they move a probability by 0.1 / 4 at most
SIDES = (280, 800)  # of a drawn image, in pixels


def cells(values: NDArray[np.float32]) -> Image.Image:
    """A pixel a cell, RGBA: clear where the value is 0 or below.

    Args:
        values: (rows, columns), what each place adds to the log-odds.
    """
    from PIL import Image

    levels = np.clip(values / max(float(values.max()), LEAST), 0, 1)[..., None]
    colours = np.array(LOW) + levels * (np.array(HIGH) - np.array(LOW))
    return Image.fromarray(np.concatenate([colours, 255 * MOST * levels], axis=2).round().astype(np.uint8), "RGBA")


def over(image: Image.Image, values: NDArray[np.float32], box: Box) -> Image.Image:
    """The image, RGB, with the heat map on the part of it that the model saw; long sides of 280 to 800 pixels.

    Args:
        image: the whole image, upright.
        values: (rows, columns).
        box: the part.
    """
    from PIL.Image import Resampling

    least, most = SIDES
    scale = min(max(1.0, least / max(image.size)), most / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    filtered = Resampling.NEAREST if scale > 3 else Resampling.LANCZOS
    sheet = image.convert("RGB").resize(size, filtered)
    left, top, right, bottom = (round(share * side) for share, side in zip(box, (*size, *size), strict=True))
    heat = cells(values).resize((max(1, right - left), max(1, bottom - top)), Resampling.BICUBIC)
    sheet.paste(heat.convert("RGB"), (left, top), heat.getchannel("A"))
    return sheet
