"""What is paid for what is got: numbered points, and the line of those that no other beats in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bakeoff.drawing.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, axes, closed, opened, scale, text_of, ticks

RADIUS = 10  # pixels, of a point with its number inside


def front(
    points: Sequence[tuple[str, float, float]],
    best: Sequence[str],
    *,
    title: str,
    x_label: str,
    y_format: Callable[[float], str],
    chosen: str = "",
) -> Any:
    """Points numbered from 1 in their order, as the rows of the table beside them are.

    Args:
        points: name, cost, gain; at least one.
        best: names of those on the line, cheapest first.
        title: what a screen reader says.
        chosen: the name of the one that is filled.
    """
    xs, ys = ticks(0, max(x for _, x, _ in points)), ticks(min(y for *_, y in points), max(y for *_, y in points))
    place_x, place_y = scale(0, xs[-1], LEFT, WIDTH - RIGHT), scale(ys[0], ys[-1], HEIGHT - BOTTOM, TOP)
    parts = [opened(WIDTH, HEIGHT, title, "plot"), *axes(xs, ys, place_x, place_y, x_label, y_format)]
    where = {name: (place_x(x), place_y(y)) for name, x, y in points}
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (where[name] for name in best))
    parts.append(f'<polyline class="line s1" points="{line}"/>')
    for number, (name, x, y) in enumerate(points, 1):
        at, kind = where[name], "chosen" if name == chosen else "open"
        parts.append(f'<g class="numbered {kind}"><title>{text_of(f"{name}: {x:,.1f}, {y_format(y)}")}</title>')
        parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{RADIUS}"/>')
        parts.append(f'<text x="{at[0]:.1f}" y="{at[1] + 4.5:.1f}" text-anchor="middle">{number}</text></g>')
    return closed(parts)
