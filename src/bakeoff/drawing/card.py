"""What a prompt and a notebook show of a value: the same few figures, as one line and as a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.schemas import brief
from bakeoff.shown import html

if TYPE_CHECKING:
    from bakeoff.drawing.svg import Series

MOST = 12  # thumbnails
STYLE = Path(__file__).with_suffix(".css")


@dataclass(frozen=True)
class Card:
    """What is shown: a title, figures by name, and parts that are HTML already."""

    title: str
    figures: Mapping[str, object] = field(default_factory=dict)
    parts: Iterable[str] = ()

    def line(self, name: str) -> str:
        """The figures alone, behind the name of their class."""
        figures = "; ".join(f"{key}: {value}" for key, value in self.figures.items())
        return f"{name}({brief(self.title, 200)}, {figures[:1500]})"

    def html(self) -> str:
        """The card; names may hold anything."""
        rows = "".join(f"<dt>{html(key)}</dt><dd>{html(value)}</dd>" for key, value in self.figures.items())
        inner = f"<b>{html(self.title)}</b><dl>{rows}</dl>{''.join(self.parts)}"
        return f'<style>{STYLE.read_text(encoding="utf-8")}</style><div class="bakeoff">{inner}</div>'


class Shown:
    """A value with a card."""

    def _card(self) -> Card:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._card().line(type(self).__name__)

    def _repr_html_(self) -> str:
        return self._card().html()


def names(given: Iterable[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    every = list(given)
    more = f" and {len(every) - most:,} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def picture(image: Any, *caption: str) -> str:
    """A thumbnail with a few words below it; the words alone where there is no image."""
    from bakeoff.drawing.thumbnail import uri

    link, tiny = (None, False) if image is None else uri(image)
    shown = f'<img src="{link}" alt="" {"class=tiny" if tiny else ""}>' if link else ""
    return f"<figure>{shown}<figcaption>{'<br>'.join(str(html(word)) for word in caption)}</figcaption></figure>"


def curve(series: Iterable[Series], title: str, x_label: str) -> list[str]:
    """Shares of 1 as lines; nothing where there are no points."""
    from bakeoff.drawing.svg import lines

    there = [one for one in series if one.points]
    named = " · ".join(one.name for one in there) if len(there) > 1 else title
    if not there:
        return []
    return [str(lines(there, title=named, x_label=f"{named}, {x_label}", y_format=_percent, dots=True, most=1.0))]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
