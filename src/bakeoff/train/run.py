"""The run folder: what a training leaves behind.

Files:
    run.json          schema, and the object that `bakeoff train --json` prints
    job.json          what was asked for: what `bakeoff train --resume` goes by
    recipe.toml       the resolved recipe
    environment.json  versions, machine
    manifest.json     classes, fingerprint, how many pictures on which side, excluded files
    split.npz         the side of every picture, by content: what `data.frozen` keeps
    engine.json       what computed the features of a probe, and how it was chosen and verified
    audit.json        what is wrong with the pictures
    metrics.jsonl     a line a step: phase, step, epoch, loss, rate
    epochs.jsonl      a line an epoch: phase, epoch, train loss, validation loss and accuracy, seconds
    predictions/      validation.npz, test.npz: logits, labels, records, paths (relative to the data)
    checkpoints/      the last checkpoint: weights, optimizer state, position
    bundle/           graph, weights, signature, class names
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.cache import atomic_write
from bakeoff.errors import CorruptError, DataError, UsageError, VersionError
from bakeoff.schemas import SCHEMA, Predictions
from bakeoff.train.room import room_for
from bakeoff.train.tell import Loggers

JOB = "job.json"
LOGS = ("metrics.jsonl", "epochs.jsonl")


class Run:
    """A run folder being written."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._open: dict[str, BinaryIO] = {}
        self.loggers = Loggers()

    def create(self) -> Run:
        """Make the folder.

        Raises:
            UsageError: it holds something already.
        """
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            more = f"\nGo on with it: bakeoff train --resume {self.path}" if (self.path / JOB).is_file() else ""
            raise UsageError(
                f"--run {self.path}: it is there already, and not empty. Choose another folder, or remove it.{more}"
            )
        (self.path / "predictions").mkdir(parents=True)
        return self

    def line(self, name: str, row: dict[str, Any]) -> None:
        """Append a line of JSON.

        Raises:
            DataError: the disk is full.
        """
        content = (json.dumps(row) + "\n").encode()
        with room_for(self.path / name, len(content)):
            if name not in self._open:
                self._open[name] = (self.path / name).open("ab")
            self._open[name].write(content)
        self.loggers.tell("row", name, row)

    def flush(self) -> None:
        """Hand everything to the system."""
        for name, stream in self._open.items():
            with room_for(self.path / name, 2**13):
                stream.flush()

    def positions(self) -> dict[str, int]:
        """The sizes of the logs, in bytes, after they were written through to the disk."""
        self.flush()
        for name, stream in self._open.items():
            with room_for(self.path / name, 2**13):
                os.fsync(stream.fileno())
        return {name: (self.path / name).stat().st_size for name in LOGS if (self.path / name).exists()}

    def rewind(self, positions: Mapping[str, int]) -> None:
        """Cut the logs back to where a checkpoint found them: what came later happens again.

        Raises:
            CorruptError: a log is shorter than it was.
        """
        self.close()
        for name in LOGS:
            path, wanted = self.path / name, positions.get(name, 0)
            size = path.stat().st_size if path.exists() else 0
            if size < wanted:
                raise CorruptError(f"{path}: {size} bytes, and the checkpoint knows {wanted}: cut short. Train again.")
            if size > wanted:
                os.truncate(path, wanted)

    def close(self) -> None:
        """Close the logs; what can't be written any more has been told of before."""
        for stream in self._open.values():
            with suppress(OSError):
                stream.close()
        self._open.clear()

    def json(self, name: str, value: dict[str, Any]) -> None:
        """Write a file whole or not at all."""
        atomic(self.path / name, json.dumps({"schema": SCHEMA, **value}, indent=2, ensure_ascii=False) + "\n")

    def predictions(self, split: str, found: Predictions, paths: NDArray[np.str_]) -> None:
        """Keep the logits of a split, and the names of its pictures, relative to the data."""
        target = self.path / "predictions" / f"{split}.npz"
        size = found.logits.nbytes + found.labels.nbytes + found.records.nbytes + paths.nbytes
        with room_for(target, size), atomic_write(target) as stream:
            np.savez(stream, logits=found.logits, labels=found.labels, records=found.records, paths=paths)


def atomic(path: Path, text: str) -> None:
    """Write a text file: it has its name only when it is complete."""
    content = text.encode()
    with room_for(path, len(content)), atomic_write(path) as stream:
        stream.write(content)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run.

    Raises:
        DataError: it isn't there, or isn't JSON.
        VersionError: of another schema.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: not found; {path.parent} is not a finished run. Train one: bakeoff train DATA"
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: can't be read ({error}). Train the run again.") from None
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        raise VersionError(
            f"{path}: schema {found!r}; this version of Bakeoff reads {SCHEMA}.\n"
            "Use the version that wrote it (see environment.json), or train the run again."
        )
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file; none where it is missing."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_predictions(run: Path, split: str) -> Predictions | None:
    """The kept logits of a split."""
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return Predictions(arrays["logits"], arrays["labels"], arrays["records"])


def read_paths(run: Path, split: str) -> NDArray[np.str_] | None:
    """The names of the pictures of a split, in the order of its predictions; None where they weren't kept."""
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["paths"] if "paths" in arrays.files else None


def machine() -> dict[str, str]:
    """Versions and machine, without paths, users or hosts."""
    import importlib.metadata

    import bakeoff

    found = {
        "bakeoff": bakeoff.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": str(cpus()),
    }
    for name in ("numpy", "pillow", "onnxruntime", "scikit-learn"):
        found[name] = importlib.metadata.version(name)
    return found


def cpus() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
