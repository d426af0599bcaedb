"""Plots as SVG text, drawn by hand: lines, intervals, heat maps. Colours come from the page's style sheet.

A series is drawn in the class `s0`, `s1`, ...: the first solid and wide, the next dashed and thin on top of it, so that
curves that lie upon each other are both seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bakeoff.shown import html

WIDTH, HEIGHT = 480, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 16, 12, 44


@dataclass(frozen=True)
class Series:
    """A named line: points (x, y) with x rising; at each x of `breaks` it begins anew."""

    name: str
    points: tuple[tuple[float, float], ...]
    breaks: tuple[float, ...] = ()


def lines(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_format: Callable[[float], str],
    dots: bool = False,
    most: float | None = None,
    level: float | None = None,
    bands: Sequence[Sequence[tuple[float, float, float]]] = (),
) -> Any:
    """Lines on one pair of axes.

    Args:
        series: at least one point in all.
        title: what a screen reader says.
        dots: whether points are marked, as where there is one an epoch.
        most: where the y axis ends at the latest: 1 for accuracies.
        level: a value that is drawn as a thin line from side to side.
        bands: for each series (x, low, high) of what lies behind its line; none where there is nothing.
    """
    finite = [point for one in series for point in one.points if math.isfinite(point[1])]
    xs = [x for x, _ in finite]
    ys = [y for _, y in finite] + ([] if level is None else [level])
    ys += [side for band in bands for _, *sides in band for side in sides]
    ticks_y = ticks(min(ys), max(ys))
    if most is not None and ticks_y[-1] > most:
        ticks_y = [tick for tick in ticks_y if tick < most] + [most]
    # steps and epochs: no halves
    ticks_x = [tick for tick in ticks(min(xs), max(xs), 6) if min(xs) <= tick <= max(xs) and tick == int(tick)]
    place_x = scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    place_y = scale(ticks_y[0], ticks_y[-1], HEIGHT - BOTTOM, TOP)
    parts = [opened(WIDTH, HEIGHT, title, "plot"), *axes(ticks_x, ticks_y, place_x, place_y, x_label, y_format)]
    if level is not None:
        y = place_y(level)
        parts.append(f'<line class="level" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
    for index, band in enumerate(bands):
        around = [(x, high) for x, _, high in band] + [(x, low) for x, low, _ in reversed(band)]
        path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in around)
        parts += [f'<polygon class="band s{index}" points="{path}"/>'] if band else []
    for index, one in enumerate(series):
        there = [point for point in one.points if math.isfinite(point[1])]
        points = [(place_x(x), place_y(y)) for x, y in there]
        for low, high in pairwise((-math.inf, *one.breaks, math.inf)):
            path = " ".join(f"{place_x(x):.1f},{place_y(y):.1f}" for x, y in there if low <= x < high)
            parts.append(f'<polyline class="line s{index}" points="{path}"/>')
        if dots or len(points) == 1:
            radius = 4.5 if index == 0 else 2.5
            parts += [f'<circle class="dot s{index}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>' for x, y in points]
    return closed(parts)


def axes(
    ticks_x: Sequence[float],
    ticks_y: Sequence[float],
    place_x: Callable[[float], float],
    place_y: Callable[[float], float],
    x_label: str,
    y_format: Callable[[float], str],
) -> list[str]:
    """The grid of a plot with its numbers, and what the x axis is."""
    parts = []
    for tick in ticks_y:
        y = place_y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text_of(y_format(tick))}</text>')
    for tick in ticks_x:
        parts.append(f'<text x="{place_x(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:,g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 4}" text-anchor="middle">{text_of(x_label)}</text>')
    return parts


def intervals(values: Sequence[tuple[float, float, float] | None], *, low: float, title: str) -> Any:
    """One row of dots with intervals, one below the other, on the shares from `low` to 1.

    Args:
        values: (share, low, high) of each series; None where there is none.
    """
    width, step = 240, 13
    height = step * len(values) + 5
    place = scale(low, 1.0, 6, width - 6)
    parts = [opened(width, height, title, "strip")]
    for tick in (low, (low + 1) / 2, 1.0):
        x = place(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
    for index, value in enumerate(values):
        if value is None:
            continue
        y = step * index + step / 2 + 2.5
        share, least, most = (place(max(each, low)) for each in value)
        parts.append(f'<line class="whisker s{index}" x1="{least:.1f}" x2="{most:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="dot s{index}" cx="{share:.1f}" cy="{y}" r="4"/>')
    return closed(parts)


def heatmap(shares: Sequence[Sequence[float]], *, title: str) -> Any:
    """A square of cells, darker where the share is larger; row 0 on top."""
    count = len(shares)
    side = 400 / count
    parts = [opened(400, 400, title, "heat"), '<rect class="frame" x="0" y="0" width="400" height="400"/>']
    for row, cells in enumerate(shares):
        for column, share in enumerate(cells):
            if share > 0:
                kind = "right" if row == column else "wrong"
                place = f'x="{column * side:.2f}" y="{row * side:.2f}" width="{side:.2f}" height="{side:.2f}"'
                parts.append(f'<rect class="{kind}" {place} fill-opacity="{0.15 + 0.85 * share:.2f}"/>')
    return closed(parts)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about `count` of them, evenly spaced."""
    if high <= low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    raw = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A straight map of low..high onto start..end; the middle where low is high."""
    if high == low:
        return lambda _: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """A running mean that forgets with the time constant `window`, corrected for its start at 0."""
    decay, mean, weight, found = 1 - 1 / max(window, 1), 0.0, 0.0, []
    for value in values:
        mean, weight = decay * mean + (1 - decay) * value, decay * weight + (1 - decay)
        found.append(mean / weight)
    return found


def thinned(points: Sequence[tuple[float, float]], count: int = 300) -> tuple[tuple[float, float], ...]:
    """At most about `count` of the points, evenly spaced, the last always among them."""
    if len(points) <= count:
        return tuple(points)
    stride = -(-len(points) // count)
    kept = list(points[::stride])
    return tuple(kept if kept[-1] == points[-1] else [*kept, points[-1]])


def opened(width: float, height: float, title: str, kind: str) -> str:
    """The first tag of a plot, which fits the page's width."""
    label = text_of(title)
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{label}"><title>{label}</title>'


def closed(parts: list[str]) -> Any:
    """The parts as one piece of HTML."""
    from markupsafe import Markup

    return Markup("".join([*parts, "</svg>"]))


def text_of(text: str) -> str:
    """Any text as SVG may hold it."""
    return str(html(text))
