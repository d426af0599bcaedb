"""An image that is drawn by Pillow: its colours, where it may be written, and how."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bakeoff.errors import DataError, UsageError
from bakeoff.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image

INK, FAINT, TRACK, BAR, BAD = "#1f2328", "#6e7781", "#e6e9ed", "#0b7285", "#b42318"


def save(sheet: Image.Image, target: Path, option: str = "--plot") -> None:
    """Write the file whole or not at all."""
    from PIL import Image

    form = Image.registered_extensions()[target.suffix.lower()]
    try:
        with atomic_write(target) as file:
            sheet.save(file, form)
    except OSError as error:
        raise DataError(f"{option} {target}: {error.strerror or error}. Choose another file, or make room.") from None


def check_output(output: str | Path, option: str = "--plot") -> Path:
    """The file to draw to, known to have a suffix and a folder that can be used.

    Raises:
        UsageError: it has not.
    """
    from PIL import Image

    target = Path(output)
    Image.init()
    known = {suffix for suffix, form in Image.registered_extensions().items() if form in Image.SAVE}
    if target.suffix.lower() not in known:
        raise UsageError(f"{option} {target}: no image format {target.suffix!r}. Use .png, .jpg or .webp.")
    if not target.parent.is_dir():
        raise UsageError(f"{option} {target}: there is no folder {target.parent}. Make it first.")
    return target
