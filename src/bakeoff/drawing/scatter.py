"""Named points on two axes of logarithms, as one image; Pillow alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from bakeoff.drawing.sheet import BAR, FAINT, INK, TRACK, check_output, save
from bakeoff.drawing.svg import scale
from bakeoff.drawing.typeface import Typeface

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 620, 70, 190, 40, 120
LINE = 17  # pixels
Point = tuple[str, float, float]


def draw(points: Sequence[Point], output: str | Path, *, x_label: str, y_label: str) -> None:
    """Write the points, each with its name at its side.

    Args:
        points: name, x and y, both above 0; at least one.
        output: .png, .jpg, .webp or another suffix that Pillow writes.

    Raises:
        UsageError: a suffix that can't be written, or a folder that isn't there.
        DataError: the file can't be written.
    """
    from PIL import Image, ImageDraw

    target = check_output(output, "--output")
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "white")
    brush, typeface = ImageDraw.Draw(sheet), Typeface()
    xs, ys = _ticks([x for _, x, _ in points]), _ticks([y for *_, y in points])
    x_log, y_log = (_logs(xs, LEFT, WIDTH - RIGHT), _logs(ys, HEIGHT - BOTTOM, TOP))
    for tick in ys:
        brush.line((LEFT, y_log(tick), WIDTH - RIGHT, y_log(tick)), fill=TRACK)
        typeface.write(brush, (8, y_log(tick) + 5), f"{tick:,g}", 14, FAINT, LEFT - 12)
    for tick in xs:
        typeface.write(brush, (x_log(tick) - 6, HEIGHT - BOTTOM + 20), f"{tick:,g}", 14, FAINT, 80)
    typeface.write(brush, (LEFT, HEIGHT - 10), x_label, 15, INK, WIDTH - LEFT)
    typeface.write(brush, (8, 16), y_label, 15, INK, WIDTH)
    lowest = -math.inf  # of the names so far: each has a line of its own
    for name, x, y in sorted(points, key=lambda point: -point[2]):
        place = x_log(x), y_log(y)
        lowest = max(place[1] + 5, lowest + LINE)
        brush.line((*place, place[0] + 14, lowest - 5), fill=FAINT)
        brush.ellipse((place[0] - 5, place[1] - 5, place[0] + 5, place[1] + 5), fill=BAR)
        typeface.write(brush, (place[0] + 16, lowest), name, 14, INK, WIDTH - place[0] - 18)
    save(sheet, target, "--output")


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2 and 5 of each power of ten, from at most the least to at least the largest."""
    powers = range(math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))) + 1)
    every = [round(step * 10.0**power, 12) for power in powers for step in (1, 2, 5)]
    low = max(one for one in every if one <= min(values))
    return [one for one in every if low <= one <= min(tick for tick in every if tick >= max(values))]


def _logs(ticks: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    at = scale(math.log10(ticks[0]), math.log10(ticks[-1]), start, end)
    return lambda value: at(math.log10(value))
