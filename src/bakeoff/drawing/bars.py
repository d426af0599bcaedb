"""Stacked bars, one below the other: what a whole is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bakeoff.drawing.svg import closed, opened, scale, text_of

WIDTH, BAR, ABOVE, GAP = 480, 18, 18, 10  # pixels: of a bar its height, the name above it, the space below


def stacked(rows: Sequence[tuple[str, Sequence[float]]], *, title: str, shown: Callable[[float], str]) -> Any:
    """A bar a row, its parts in the colours of the series; the sum stands at its end.

    Args:
        rows: name, and the same number of parts, none below 0; at least one above.
        title: what a screen reader says.
    """
    step = ABOVE + BAR + GAP
    most = max(sum(parts) for _, parts in rows)
    place = scale(0, most, 0, WIDTH - 90)
    drawn = [opened(WIDTH, step * len(rows), title, "plot")]
    for number, (name, parts) in enumerate(rows):
        top, at = number * step, 0.0
        drawn.append(f'<text x="0" y="{top + 13}">{text_of(name)}</text>')
        for index, part in enumerate(parts):
            wide = place(part)
            drawn.append(
                f'<rect class="part s{index}" x="{at:.1f}" y="{top + ABOVE}" width="{wide:.1f}" height="{BAR}"/>'
            )
            at += wide
        drawn.append(f'<text x="{at + 8:.1f}" y="{top + ABOVE + 14}">{text_of(shown(sum(parts)))}</text>')
    return closed(drawn)
