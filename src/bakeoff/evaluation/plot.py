"""Images with their labels, as one image; Pillow alone."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.data.labels import NONE
from bakeoff.drawing.sheet import BAD, BAR, FAINT, INK, TRACK, check_output, save
from bakeoff.drawing.typeface import Typeface
from bakeoff.errors import DataError, UsageError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SIDE = 200  # of an image, pixels
GAP = 20
CAPTION = 58  # below an image
MOST = 96  # images in one image


def draw(rows: Sequence[Mapping[str, Any]], output: str | Path, *, font: str | Path | None = None) -> frozenset[str]:
    """Write the images of `rows` (see `predict.Row`) in a grid, label, probability and file name below each.

    Args:
        rows: the first 96 are drawn.
        output: .png, .jpg, .webp or another suffix that Pillow writes.
        font: a font file to try first.

    Returns:
        The characters that no font here has; they are drawn as boxes.

    Raises:
        UsageError: nothing to draw, a suffix that can't be written, a font that can't be read.
        DataError: the file can't be written.
    """
    from PIL import Image, ImageDraw

    if not rows:
        raise UsageError("--plot: there is no image to draw.")
    target = check_output(output)
    rows = rows[:MOST]
    columns = min(len(rows), max(1, math.ceil(math.sqrt(1.4 * len(rows)))), 12)
    width = GAP + columns * (SIDE + GAP)
    height = GAP + math.ceil(len(rows) / columns) * (SIDE + CAPTION + GAP)
    sheet = Image.new("RGB", (width, height), "white")
    brush, typeface = ImageDraw.Draw(sheet), Typeface(font)
    for index, row in enumerate(rows):
        place = GAP + index % columns * (SIDE + GAP), GAP + index // columns * (SIDE + CAPTION + GAP)
        _tile(sheet, brush, typeface, row, place)
    save(sheet, target)
    return frozenset(typeface.missing)


def _tile(
    sheet: Image.Image,
    brush: ImageDraw.ImageDraw,
    typeface: Typeface,
    row: Mapping[str, Any],
    place: tuple[int, int],
) -> None:
    left, top = place
    image = _thumbnail(row)
    if image is None:
        brush.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill=TRACK)
    else:
        sheet.paste(image, (left + (SIDE - image.width) // 2, top + (SIDE - image.height) // 2))
    name = Path(row["path"]).name
    if "error" in row:
        typeface.write(brush, (left, top + SIDE + 22), str(row["error"]), 14, BAD, SIDE)
    else:
        name_of, chance = answer(row)
        share = f"{100 * chance:.1f} %"
        room = SIDE - typeface.length(share, 14) - 10
        label = unicodedata.normalize("NFC", name_of)
        typeface.write(brush, (left, top + SIDE + 22), label, 17, INK, room)
        typeface.write(brush, (left + room + 10, top + SIDE + 22), share, 14, FAINT, SIDE)
        level = top + SIDE + 30
        brush.rectangle((left, level, left + SIDE - 1, level + 3), fill=TRACK)
        brush.rectangle((left, level, left + round((SIDE - 1) * chance), level + 3), fill=BAR)
    typeface.write(brush, (left, top + SIDE + 51), name, 12, FAINT, SIDE)


def answer(row: Mapping[str, Any]) -> tuple[str, float]:
    """Label and probability; of several labels all that are given, and the least probability among them."""
    if "labels" not in row:
        return f"{row['label']}{' (unknown)' if row.get('unknown') else ''}", row["probability"]
    if not row["labels"]:
        return NONE, 1 - max((share for _, share in row["top"]), default=0.0)
    return ", ".join(name for name, _ in row["labels"]), row["labels"][-1][1]


def _thumbnail(row: Mapping[str, Any]) -> Image.Image | None:
    """The image, to fit the tile; small ones are enlarged without blur."""
    from PIL.Image import Resampling

    from bakeoff.preprocessing import decode

    try:
        image = decode(row["path"]).convert("RGB")
    except (DataError, OSError):
        return None
    scale = SIDE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Resampling.NEAREST if scale > 3 else Resampling.LANCZOS)
