"""What is predicted besides files, images in memory; and the rows that come of it, which a notebook shows as images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.drawing.card import MOST, Card, Shown, picture
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.plot import answer
from bakeoff.preprocessing import decode

EXPECTED = "a path, bytes of a file, an open binary file, a Pillow image, a uint8 array (H, W) or (H, W, 1, 3 or 4)"


@dataclass(frozen=True, eq=False)
class InMemory:
    """An image that is no file here; its name says which of those given it was.

    Attributes:
        source: bytes of a file, or a Pillow image; or what gives the one or the other when it is called.
    """

    name: str
    source: Any

    def __str__(self) -> str:
        return self.name

    def content(self) -> Any:
        """Bytes of a file, or a Pillow image."""
        return self.source() if callable(self.source) else self.source


def images_of(given: Any) -> list[Any]:
    """One image or many as a list of paths and images in memory; an array of four axes is many."""
    alone = isinstance(given, str | bytes | bytearray | memoryview) or not hasattr(given, "__iter__")
    one = given.ndim < 4 if isinstance(given, np.ndarray) else alone or hasattr(given, "read")
    every = enumerate([given] if one else given)
    return [image if isinstance(image, str | os.PathLike) else in_memory(image, place) for place, image in every]


def in_memory(given: Any, place: int) -> InMemory:
    """An image that is no path, ready to be prepared.

    Raises:
        UsageError: it is nothing that can be an image; says which, what it is, and what may be given.
    """
    from PIL import Image

    name = f"image {place}"
    if isinstance(given, Image.Image):
        return InMemory(str(getattr(given, "filename", "") or name), given)
    if isinstance(given, bytes | bytearray | memoryview):
        return InMemory(name, bytes(given))
    if hasattr(given, "read"):
        content = given.read()
        if isinstance(content, str):
            raise UsageError(f"{name}: a file opened as text; open it with mode 'rb'.")
        called = getattr(given, "name", None)
        return InMemory(called if isinstance(called, str) else name, content)
    what = type(given).__name__
    if isinstance(given, np.ndarray):
        fits = given.ndim == 2 or (given.ndim == 3 and given.shape[-1] in (1, 3, 4))
        if given.dtype == np.uint8 and fits and given.size:
            pixels = np.ascontiguousarray(given[..., 0] if given.shape[2:] == (1,) else given)
            return InMemory(name, Image.fromarray(pixels))
        what = f"an array of {given.dtype}, {given.shape}"
    raise UsageError(f"{name}: {what}; expected {EXPECTED}.")


class Rows(list[dict[str, Any]], Shown):
    """Rows of predictions: a plain list, shown short, and in a notebook as the first images with their labels."""

    def __init__(self, rows: Iterable[dict[str, Any]], given: Iterable[InMemory] = ()) -> None:
        super().__init__(rows)
        self._given = {str(one): one.source for one in given}

    def _card(self) -> Card:
        bad = sum("error" in row for row in self)
        some = "; ".join(f"{row['path'][-60:]}: {_words(row)}" for row in self[:5])
        figures = {"first": some or "–", **({"not read": bad} if bad else {})}
        return Card(f"{len(self):,} images", figures, self._pictures())

    def _pictures(self) -> Iterator[str]:
        for row in self[:MOST]:
            try:
                image = decode(self._given.get(row["path"], row["path"]))
            except (DataError, OSError):
                image = None
            yield picture(image, _words(row), row["path"][-40:])

    __repr__ = Shown.__repr__


def _words(row: dict[str, Any]) -> str:
    if "error" in row:
        return str(row["error"])
    label, share = answer(row)
    return f"{label} {100 * share:.1f} %"
