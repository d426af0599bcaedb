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


def compared(path: Path, asked: dict[str, Any], *, planned: bool) -> Run:
    """The folder of a comparison, new or gone on with.

    Args:
        planned: what fits its budget; as long as nothing is, another budget may be given.

    Raises:
        UsageError: it is of another comparison.
    """
    folder = Run(path)
    if not (path / ASKED).is_file():
        folder.create()
        (path / "predictions").rmdir()
    elif (known := read_json(path / ASKED)) != asked and (planned or _unbound(known) != _unbound(asked)):
        raise UsageError(f"--run {path}: a comparison with other settings or of other images. Choose another folder.")
    folder.json(ASKED, asked)
    return folder


def _unbound(asked: dict[str, Any]) -> dict[str, Any]:
    return {**asked, "wanted": {**asked["wanted"], "budget": None}}


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
