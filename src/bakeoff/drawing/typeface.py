"""Letters for every class name: a CJK font of the system, else the packaged one, else whatever has the character."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.errors import UsageError
from bakeoff.system import font_folders

if TYPE_CHECKING:
    from PIL import ImageDraw

PACKAGED = Path(__file__).parent / "fonts" / "NotoSansSC-Regular-subset.ttf"
SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
CJK = (  # starts of file names, lower case, the best first
    "notosanscjk-regular",
    "notosanscjksc-regular",
    "notosanssc",
    "sourcehansanssc-regular",
    "sourcehansans-regular",
    "sourcehansanscn-regular",
    "pingfang",
    "hiragino sans gb",
    "stheiti light",
    "msyh.",
    "wqy-microhei",
    "wqy-zenhei",
    "droidsansfallback",
    "simhei",
    "simsun",
)
CHINESE_FACE = {"notosanscjk-regular.ttc": 2}  # of a collection: Japanese, Korean, simplified Chinese, ...
NOWHERE = "\U0010fffd"  # a private character that no font has: drawn as the font's "missing" box
LAST_RESORTS = 400  # other fonts of the system that are tried for a character


class Typeface:
    """Draws text, character by character from the first font that has it.

    Attributes:
        missing: characters that no font has; grows while drawing.
    """

    def __init__(self, first: str | Path | None = None) -> None:
        self.missing: set[str] = set()
        self._first = Path(first) if first is not None else None
        self._chosen: dict[str, Path] = {}
        if self._first is not None and _font(self._first, 12) is None:
            raise UsageError(f"--font {first}: not a font that can be read. Give a .ttf, .otf or .ttc file.")

    def write(
        self, brush: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int, ink: str, room: float
    ) -> None:
        """Draw one line from the left end of its baseline, cut with an ellipsis where there is no room."""
        x, y = place
        for run, font in self._runs(self._fitted(text, size, room), size):
            brush.text((x, y), run, fill=ink, font=font, anchor="ls")
            x += font.getlength(run)

    def length(self, text: str, size: int) -> float:
        """Pixels that a line takes."""
        return float(sum(font.getlength(run) for run, font in self._runs(text, size)))

    def path_for(self, character: str) -> Path:
        """The font file that draws a character; the packaged one for what none has."""
        if character not in self._chosen:
            self._chosen[character] = self._search(character)
        return self._chosen[character]

    def _search(self, character: str) -> Path:
        for path in self._candidates():
            if has(path, character):
                return path
        self.missing.add(character)
        return PACKAGED

    def _candidates(self) -> Iterator[Path]:
        if self._first is not None:
            yield self._first
        yield from system_cjk()
        yield PACKAGED
        yield from system_fonts()[:LAST_RESORTS]

    def _runs(self, text: str, size: int) -> list[tuple[str, Any]]:
        runs: list[tuple[str, Path]] = []
        for character in text:
            path = runs[-1][1] if character.isspace() and runs else self.path_for(character)
            if runs and runs[-1][1] == path:
                runs[-1] = runs[-1][0] + character, path
            else:
                runs.append((character, path))
        return [(run, _font(path, size)) for run, path in runs]

    def _fitted(self, text: str, size: int, room: float) -> str:
        text = " ".join(text.split())
        if self.length(text, size) <= room:
            return text
        while text and self.length(text + "…", size) > room:
            text = text[:-1]
        return text + "…"


@cache
def has(path: Path, character: str) -> bool:
    """Whether a font draws a character as something else than its box for what is missing."""
    font = _font(path, 24)
    if font is None:
        return False
    if character.isspace():
        return True
    drawn, box = font.getmask(character), font.getmask(NOWHERE)
    return bool(drawn.size != box.size or bytes(drawn) != bytes(box))


@cache
def system_cjk() -> tuple[Path, ...]:
    """The system's fonts that are known to have Chinese, the best first."""
    found = [(rank, path) for path in system_fonts() if (rank := _rank(path)) is not None]
    return tuple(path for _, path in sorted(found))


def _rank(path: Path) -> int | None:
    name = path.name.lower()
    return next((rank for rank, start in enumerate(CJK) if name.startswith(start)), None)


@cache
def system_fonts() -> tuple[Path, ...]:
    """All font files of the system, by path."""
    found: list[Path] = []
    for folder in font_folders():
        for parent, _, files in os.walk(folder):
            found += [Path(parent) / name for name in files if name.lower().endswith(SUFFIXES)]
    return tuple(sorted(found))


@cache
def _font(path: Path, size: int) -> Any:
    """The font at a size; None where Pillow can't read it."""
    from PIL import ImageFont

    try:
        return ImageFont.truetype(str(path), size, index=CHINESE_FACE.get(path.name.lower(), 0))
    except (OSError, ValueError):
        return None
