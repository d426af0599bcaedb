"""Folders of several trainings that are gone on with: of the same question, and of the same images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bakeoff.errors import DataError, UsageError
from bakeoff.files import make_folder
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_json

ASKED = "asked.json"  # what a folder was begun with


def begun(path: Path, asked: dict[str, Any], what: str) -> None:
    """Make the folder, or see that it was begun with the same.

    Args:
        what: it is to be, in words.

    Raises:
        UsageError: it is something else.
    """
    if not path.exists():
        make_folder(path)
        Run(path).json(ASKED, asked)
    elif not (path / ASKED).is_file() or read_json(path / ASKED) | asked != read_json(path / ASKED):
        raise UsageError(f"--run {path}: it is there already, and no {what}.\nChoose another folder.")


def same_images(path: Path, runs: Iterable[Path]) -> None:
    """See that the trainings are of the same images: some may have been finished before they changed.

    Raises:
        DataError: they aren't.
    """
    if len({read_json(run / "manifest.json").get("fingerprint") for run in runs}) > 1:
        raise DataError(
            f"--run {path}: the images changed since its first trainings, which can't be compared with later ones.\n"
            "Choose another folder."
        )
