"""A tar (plain, gz, bz2, xz) or zip of anything that another source reads, as class folders or CIFAR's batches.

It is unpacked once into the cache (`bakeoff.data.extract` says what is refused), and found again as long as the file
stays as it is. A single folder at the top is entered.
"""

from __future__ import annotations

from pathlib import Path

from bakeoff.data.extract import extract, is_archive
from bakeoff.data.made import made_once
from bakeoff.data.sources._structure import is_system, split_code
from bakeoff.protocols import Progress

PRIORITY = 20


def accepts(path: Path) -> bool:
    """Any file named as an archive."""
    return is_archive(path)


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The unpacked folder.

    Raises:
        CorruptError: damaged, or with a member that is refused.
        DataError: the cache has no room.
    """

    def make(target: Path) -> None:
        extract(path, target, progress)

    return inner(made_once("archive", [path], make))


def inner(folder: Path) -> Path:
    """The folder itself, or the one that is alone in it, and so on; a folder `train` stays where it is."""
    while True:
        entries = [entry for entry in folder.iterdir() if not is_system(entry.name)]
        if len(entries) != 1 or not entries[0].is_dir() or split_code(entries[0].name) is not None:
            return folder
        folder = entries[0]
