"""On a node of a cluster: an actor that keeps a worker process, and a run folder that the driver doesn't see.

The actor says what the worker says when it is asked, twice a second at most: no step waits for Ray. A run folder
that isn't the driver's is followed: once an epoch or a checkpoint what changed in it is said, too.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from bakeoff.files import atomic_write, make_folder, remove, temporary
from bakeoff.rundir.checkpoint import FOLDER
from bakeoff.system import cpus
from bakeoff.version import __version__
from bakeoff.workers import cluster
from bakeoff.workers.launch import Worker

MARK = ".seen-from"  # in a run folder: what tells that two machines see the same one
EVERY_S = 0.5  # between two answers
LOOK_S = 1.0  # between two looks at a run folder
STEPS = "metrics.jsonl"  # grows with every step


class Keeper:
    """An actor's class: `Remote` is the driver's side.

    Args:
        settings: of the `Worker`.
        folder: the driver's working folder; one of its own where there is none such here.
    """

    def __init__(self, settings: dict[str, Any], folder: str) -> None:
        self._own: list[Path] = []
        if not os.path.isdir(folder):
            folder = str(self._temporary())
        self._place = Path(folder)
        self._worker = Worker(**settings, folder=folder)
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        self._run: Folder | None = None
        self._leads = True

    def about(self) -> dict[str, Any]:
        """What the driver has to know of this node."""
        return {"version": __version__, "host": cluster.local_address(), "pid": self._worker.pid, "keeper": os.getpid()}

    def sees(self, run: str, mark: str) -> bool:
        """Whether a run folder of the driver's is seen from here."""
        with suppress(OSError):
            return (self._place / run / MARK).read_text(encoding="utf-8") == mark
        return False

    def follow(self, files: dict[str, bytes]) -> str:
        """A run folder here with these files, which is followed from now on."""
        self._run = Folder(self._temporary(), files)
        return str(self._run.path)

    def begin(self, entry: str, arguments: dict[str, Any]) -> None:
        """Call the worker: `heard` gives what it says, and in the end what it gives."""
        more = cluster.spare() >= cpus()  # than the worker's own threads could do; of a few, others have more
        arguments["job"]["cluster"] = cluster.address() if more else None
        self._leads = not arguments.get("place", {}).get("rank")
        threading.Thread(target=self._call, args=(entry, arguments), daemon=True).start()

    def _call(self, entry: str, arguments: dict[str, Any]) -> None:
        done = threading.Event()
        watching = threading.Thread(target=self._watch, args=(done,), daemon=True)
        watching.start()
        try:
            end = {"kind": "result", "value": self._worker.call(entry, self._hear, **arguments)}
        except BaseException as error:
            end = {"kind": "raised", "error": error}
        done.set()
        watching.join()
        self._said.put(end)

    def _hear(self, message: dict[str, Any]) -> None:
        if self._leads or message["kind"] != "progress":  # nobody is shown that of the others
            self._said.put(message)

    def _watch(self, done: threading.Event) -> None:
        while self._run is not None:
            ended = done.wait(LOOK_S)
            if found := self._run.changes(whole=ended):
                self._said.put({"kind": "files", **found})
            if ended:
                return

    def heard(self) -> list[dict[str, Any]]:
        """What was said since; of a phase's progress the last alone. Waits for something, but not for ever."""
        found: list[dict[str, Any]] = []
        with suppress(queue.Empty):
            found.append(self._said.get(timeout=10))
            time.sleep(0 if found[0]["kind"] in ("result", "raised", "listening") else EVERY_S)
            while True:
                found.append(self._said.get_nowait())
        last = {one["phase"]: at for at, one in enumerate(found) if one["kind"] == "progress"}
        return [one for at, one in enumerate(found) if one["kind"] != "progress" or at == last[one["phase"]]]

    def cancel(self, code: int) -> None:
        """As of `Worker`."""
        self._worker.cancel(code)

    def ask_for_stacks(self) -> None:
        """As of `Worker`."""
        self._worker.ask_for_stacks()

    def said(self) -> str:
        """As of `Worker`."""
        return self._worker.said()

    def kill(self) -> None:
        """As of `Worker`."""
        self._worker.kill()

    def close(self) -> None:
        """End the worker, and leave nothing here."""
        self._worker.close()
        for folder in self._own:
            remove(folder)

    def _temporary(self) -> Path:
        self._own.append(Path(temporary("node")))
        return self._own[-1]


class Folder:
    """A run folder, and what changed in it."""

    def __init__(self, path: Path, files: dict[str, bytes]) -> None:
        self.path = path
        write(path, files)
        self._known = self._marks()

    def changes(self, *, whole: bool) -> dict[str, Any] | None:
        """`files`: contents by name, in the order in which they are to be written; `gone`: names. None: nothing new.

        Args:
            whole: whether new steps alone are something.
        """
        marks = self._marks()
        changed = [name for name, mark in marks.items() if self._known.get(name) != mark]
        gone = [name for name in self._known if name not in marks]
        if not gone and not any(whole or name != STEPS for name in changed):
            return None
        try:
            files = {name: (self.path / name).read_bytes() for name in sorted(changed, key=_vouches)}
        except FileNotFoundError:  # a newer checkpoint is being put in the place of this one
            return None
        self._known = marks
        return {"files": dict(reversed(files.items())), "gone": gone}

    def _marks(self) -> dict[str, tuple[int, int]]:
        """Time and size of each file, by name; not of those that are being written."""
        found = {}
        for path in self.path.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file() and not path.name.startswith("."):
                    status = path.stat()
                    found[path.relative_to(self.path).as_posix()] = (status.st_mtime_ns, status.st_size)
        return found


def _vouches(name: str) -> int:
    """What vouches for others is read first and written last: a checkpoint's JSON for its arrays, both for the logs."""
    return 2 if not name.startswith(FOLDER) else 0 if name.endswith(".json") else 1


def contents(folder: Path) -> dict[str, bytes]:
    """What a folder holds, by name."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Bring files into a folder, in their order, each whole or not at all."""
    make_folder(folder / "predictions", folder)
    for name, content in files.items():
        make_folder((folder / name).parent, folder)
        with atomic_write(folder / name, folder) as stream:
            stream.write(content)
