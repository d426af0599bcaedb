"""Looks after the versions of models: what is new and whole is loaded, asked once, and takes the place of the old.

A version that is still being copied changes from look to look, or can't be loaded; it is tried again when it changed.
The old one goes when the new one answers, so that every request finds a model.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bakeoff import bundle, runtimes
from bakeoff.errors import BakeoffError, DataError
from bakeoff.evaluation.opening import open_model
from bakeoff.serving import golden
from bakeoff.serving.model import IMAGES, Served
from bakeoff.serving.models import END, LARGEST, LOADING, START, UNKNOWN, Given, Models, version_number
from bakeoff.serving.refused import Refused
from bakeoff.serving.settings import Settings
from bakeoff.system import trim

FAILED = "It could not be loaded; the server's log says why."
Print = tuple[tuple[str, int, int], ...]


class Watcher:
    """Loads what a server was given, and looks for new versions."""

    def __init__(self, models: Models, say: Callable[[str], None], settings: Settings) -> None:
        self.models, self.say, self.settings = models, say, settings
        self._seen: dict[tuple[str, int], Print] = {}
        self._failed: dict[tuple[str, int], Print] = {}
        self._wrong: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bakeoff-watch", daemon=True)

    def start(self) -> None:
        """Load what is there, then go on looking.

        Raises:
            BakeoffError: a model that isn't a folder of versions can't be loaded.
        """
        for given in self.models.given.values():
            self._look(given, first=True)
        self.models.ready = True
        if any(versions_of(given) is not None for given in self.models.given.values()):
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.settings.poll_s):
            for given in self.models.given.values():
                try:
                    self._look(given, first=False)
                    self._wrong.pop(given.name, None)
                except Exception as error:  # the next look may see more; it is said once
                    if self._wrong.get(given.name) != str(error):
                        self.say(f"{given.name}: {error}")
                    self._wrong[given.name] = str(error)

    def _look(self, given: Given, *, first: bool) -> None:
        there = versions_of(given)
        if there is None:
            if first:
                self._load(given, given.version, given.path, strict=True)
            return
        if first and not there:
            runs = [one for one in sorted(given.path.iterdir()) if bundle.folder_of(one) is not None]
            if runs:
                raise DataError(f"{given.path}: a folder of runs, none of them a version. Name one: {runs[0]}")
            self.say(f"{given.path}: no version in it yet: folders whose names are numbers, as 1.")
        wanted = chosen(given, sorted(there))
        old = [version for version in self.models.available(given.name) if version not in wanted]
        for version in sorted(wanted - set(self.models.available(given.name))):
            if self._whole(given.name, version, there[version], first):
                if self.settings.unload_first:
                    self._unload(given, old)
                self._load(given, version, there[version], strict=False)
        if wanted and (not wanted.isdisjoint(self.models.available(given.name))):
            self._unload(given, old)

    def _unload(self, given: Given, old: list[int]) -> None:
        for version in old:
            if version in self.models.available(given.name):
                self.models.remove(given.name, version)
                self.say(f"{given.name}: version {version} ended")

    def _whole(self, name: str, version: int, path: Path, first: bool) -> bool:
        """Whether a version stood still since the last look, and isn't one that failed as it stands."""
        key, now = (name, version), print_of(path)
        before, self._seen[key] = self._seen.get(key), now
        if key not in self._failed:
            self.models.say(name, version, START)
        return bool(now) and (first or before == now) and self._failed.get(key) != now

    def _load(self, given: Given, version: int, path: Path, *, strict: bool) -> None:
        self.models.say(given.name, version, LOADING)
        try:
            served = loaded(given.name, version, path, self.settings.rows, self.settings.trust)
        except Exception as error:  # of any library
            self.models.say(given.name, version, END, UNKNOWN, FAILED)
            if strict:
                raise
            self._failed[given.name, version] = self._seen[given.name, version]
            self.say(f"{given.name}: version {version} could not be loaded: {error}")
            return
        self._failed.pop((given.name, version), None)
        self.models.add(served)
        self.say(f"{given.name}: version {version} is available")


def versions_of(given: Given) -> dict[int, Path] | None:
    """The folders whose names are numbers of 64 bits, by number; None where the path is a model itself.

    Raises:
        DataError: there is no such path.
    """
    if not given.path.exists():
        raise DataError(f"{given.path}: there is no such file or folder. Expected a run, a bundle or an exported file.")
    if bundle.folder_of(given.path) is not None or runtimes.recognise(given.path) is not None:
        return None
    if not given.path.is_dir():
        raise DataError(f"{given.path}: no model that Bakeoff knows, and no folder of versions (1/, 2/, ...).")
    names = sorted(one.name for one in given.path.iterdir() if one.is_dir())
    numbers = [name for name in names if name.isascii() and name.isdecimal() and version_number(name) <= LARGEST]
    return {int(name): given.path / name for name in numbers}


def chosen(given: Given, there: list[int]) -> set[int]:
    """The versions that the policy asks for, of those that are there."""
    kind, *numbers = given.policy
    if kind == "all":
        return set(there)
    if kind == "specific":
        return {version for version in there if version in numbers}
    return set(there[-int(numbers[0]) :])


def inner(path: Path) -> Path:
    """What is opened of a version: the folder itself, or the one file of a known kind in it."""
    if bundle.folder_of(path) is not None or runtimes.recognise(path) is not None:
        return path
    found = [one for one in sorted(path.iterdir()) if runtimes.recognise(one) or bundle.folder_of(one)]
    if len(found) != 1:
        raise DataError(f"{path}: {len(found)} models in it; expected a bundle, or one exported file.")
    return found[0]


def loaded(name: str, version: int, path: Path, rows: int, trust: bool) -> Served:
    """A version that has answered once, for one black image: what is slow only then is over.

    What holds a model of others to memory and time belongs to the whole process, so that it can't be done a request: it
    is held while it is loaded and asked the first time. Later calls have no other shape but for the number of images.

    Raises:
        BakeoffError: it can't be loaded, gives no finite numbers, or doesn't know the golden pictures that lie with it.
    """
    where = inner(path)
    found = open_model(where, threads=1, trust=trust)
    served = Served(name, version, found, rows)
    black = np.zeros((1, *found.signature.size, found.signature.channels), np.uint8)
    try:
        served.run(IMAGES, {"images": black})
    except Refused as error:
        raise BakeoffError(error.message) from None
    free = Served(name, version, runtimes.freed(found), rows)
    golden.hold(where, free)
    trim()  # what a net is made from is several times its weights
    return free


def print_of(path: Path) -> Print:
    """The files below a folder with their sizes and times; () where it has none, or they go away meanwhile."""
    found = []
    try:
        for folder, _, names in os.walk(path):
            for name in names:
                status = os.stat(os.path.join(folder, name))
                found.append((os.path.join(folder, name), status.st_size, status.st_mtime_ns))
    except OSError:
        return ()
    return tuple(sorted(found))
