"""Pictures that are kept for labelling: class folders as `train` reads them, named by their content, within a quota."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from bakeoff.errors import DataError
from bakeoff.files import atomic_write, make_folder, remove, space_for
from bakeoff.preprocessing import decode
from bakeoff.preprocessing.formats import SUFFIXES_OF, sniff
from bakeoff.serving.refused import Refused, invalid

LONGEST = 255  # bytes of a folder's name
NOT_IN_NAMES = frozenset('/\\:*?"<>|')  # of folders: on some system one of them means something else


class Collection:
    """A folder with a folder a class. A picture lies in one of them alone: a new label moves it.

    Args:
        folder: the user's; it is made when the first picture comes.
        most: bytes that it may hold, what lies there already among them.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self._lock = threading.Lock()

    def keep(self, content: bytes, label: str) -> bool:
        """Write a picture under its label; whether it is new there.

        Raises:
            Refused: no picture, a label that can't be a folder, or the quota is used up.
            NoSpaceError: the disk is full, or the folder can't be written.
        """
        if not fit(label):
            raise invalid("This class can't be the name of a folder on every system; rename it.")
        kind = sniff(content[:16])
        try:
            decode(content)
        except DataError as error:
            raise invalid(f"This can't be read as a picture: {error}") from None
        name = f"{hashlib.sha256(content).hexdigest()}{SUFFIXES_OF[kind][0]}"
        target = self.folder / label / name
        with self._lock:
            old = [path for path in self._files() if path.name == name]
            if target in old:
                return False
            if sum(path.lstat().st_size for path in self._files() if path not in old) + len(content) > self.most:
                message = f"The folder of kept pictures is full: {self.most >> 20:,} MiB. Empty it, or allow more."
                raise Refused("RESOURCE_EXHAUSTED", message, status=507)
            with space_for(target, len(content)):
                make_folder(target.parent, make_folder(self.folder))
                with atomic_write(target, self.folder) as file:
                    file.write(content)
            for path in old:
                remove(path, self.folder)
        return True

    def _files(self) -> Iterator[Path]:
        for place, folders, names in os.walk(self.folder):
            folders[:] = [one for one in folders if not os.path.islink(os.path.join(place, one))]
            yield from (Path(place, name) for name in names)


def fit(label: str) -> bool:
    """Whether a class can be a folder that `train` reads: no hidden one, nothing that leads elsewhere."""
    odd = any(ord(each) < 32 or each in NOT_IN_NAMES for each in label)
    return bool(label) and not odd and not label.startswith((".", "_")) and label == label.strip(" .") and _short(label)


def _short(label: str) -> bool:
    try:
        return len(label.encode()) <= LONGEST
    except UnicodeEncodeError:
        return False
