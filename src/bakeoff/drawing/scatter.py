"""Named points on two axes from 0, as one image; Pillow alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bakeoff.drawing.sheet import BAR, FAINT, INK, TRACK, check_output, save
from bakeoff.drawing.svg import scale, ticks
from bakeoff.drawing.typeface import Typeface

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 560, 70, 190, 24, 54
Point = tuple[str, float, float]


def draw(points: Sequence[Point], output: str | Path, *, x_label: str, y_label: str) -> None:
    """Write the points, each with its name at its side.

    Args:
        points: name, x and y, both 0 or more; at least one.
        output: .png, .jpg, .webp or another suffix that Pillow writes.

    Raises:
        UsageError: a suffix that can't be written, or a folder that isn't there.
        DataError: the file can't be written.
    """
    from PIL import Image, ImageDraw

    target = check_output(output, "--output")
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "white")
    brush, typeface = ImageDraw.Draw(sheet), Typeface()
    xs, ys = ticks(0.0, max(x for _, x, _ in points)), ticks(0.0, max(y for *_, y in points))
    x_at, y_at = scale(0.0, xs[-1], LEFT, WIDTH - RIGHT), scale(0.0, ys[-1], HEIGHT - BOTTOM, TOP)
    for tick in ys:
        brush.line((LEFT, y_at(tick), WIDTH - RIGHT, y_at(tick)), fill=TRACK)
        typeface.write(brush, (8, y_at(tick) + 5), f"{tick:,g}", 14, FAINT, LEFT - 12)
    for tick in xs:
        typeface.write(brush, (x_at(tick) - 6, HEIGHT - BOTTOM + 20), f"{tick:,g}", 14, FAINT, 80)
    typeface.write(brush, (LEFT, HEIGHT - 10), x_label, 15, INK, WIDTH - LEFT)
    typeface.write(brush, (8, 16), y_label, 15, INK, WIDTH)
    for name, x, y in points:
        place = x_at(x), y_at(y)
        brush.ellipse((place[0] - 5, place[1] - 5, place[0] + 5, place[1] + 5), fill=BAR)
        typeface.write(brush, (place[0] + 9, place[1] + 5), name, 14, INK, WIDTH - place[0] - 12)
    save(sheet, target, "--output")
