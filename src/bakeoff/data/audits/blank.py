"""Images that decode and show nearly nothing: one colour, or only the darkest of all levels.

The darkest alone is what becomes of 10 or 12 bits in a file of 16, of masks of 0 and 1, and of arrays that were scaled
to 0 to 1 before they became bytes. Of 3,781 photos, 60,000 CIFAR images and 70,000 digits none varies by less than 5
levels, and none has all of its levels below 90.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.audit import Finding, Kind, Subject
from bakeoff.data.audits.too_small import LEAST
from bakeoff.data.perceptual_hash import DARK
from bakeoff.errors import DataError
from bakeoff.preprocessing import decode

KINDS = (
    Kind(
        "blank",
        45,
        "Images that decode and show nearly nothing: one colour, or the darkest levels alone.",
        "能解码但几乎看不出内容的图片：只有一种颜色，或只有最暗的灰阶。",
        imaged=True,
    ),
)
NEARLY = 2.0  # levels of standard deviation
MANY = 20  # and half of all images: then it is about the data


def find(subject: Subject) -> Iterator[Finding]:
    """One finding an image; where most are dark, one for all."""
    large = [row for row in subject.dim if min(subject.facts[row].height, subject.facts[row].width) >= LEAST]
    found = [(row, said) for row in large if (said := shown(_pixels(subject, row)))]
    dark = [said for _, said in found if "levels" in said]
    if len(dark) >= max(MANY, len(subject.good) / 2):
        many = f"{len(dark):,} of {len(subject.good):,} images have {dark[0].removeprefix('only ')}"
        yield Finding("blank", None, f"{many}; if these are 0 to 1, or 10 or 12 bits, bring them to 0 to 255")
        found = [(row, said) for row, said in found if "levels" not in said]
    for row, said in found:
        yield Finding("blank", str(subject.table.paths[row]), said, (row,))


def shown(pixels: NDArray[np.uint8]) -> str:
    """What is wrong with an image, (H, W) or (H, W, C); "" where it shows something."""
    flat = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1)
    low, high, spread = flat.min(0), flat.max(0), flat.std(0).max()
    if (low == high).all():
        return {(0,): "all black", (255,): "all white"}.get(tuple(np.unique(low).tolist()), "all of one colour")
    if high.max() <= DARK:
        return f"only levels 0 to {high.max()} of 255"
    return "nearly all of one colour" if spread < NEARLY else ""


def _pixels(subject: Subject, row: int) -> NDArray[np.uint8]:
    if subject.table.pixels is not None:
        image: NDArray[np.uint8] = subject.table.pixels[row]
        return image
    try:
        return np.asarray(decode(subject.content(row)))
    except DataError:  # named elsewhere
        return np.arange(256, dtype=np.uint8).reshape(16, 16)
