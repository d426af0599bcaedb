"""The run folder: what a training leaves behind.

Files:
    run.json          schema, and the object that `bakeoff train --json` prints
    begun.json        what run.json and bundle/ would say, but for scores and weights; gone when they are there
    job.json          what was asked for: what `bakeoff train --resume` goes by
    recipe.toml       the resolved recipe
    environment.json  versions, machine
    manifest.json     classes, fingerprint, how many images in which split, excluded files
    split.npz         the split of every image, by content: what `data.frozen` keeps
    profile.json      seconds of every stage
    engine.json       what computed the features of a probe, and how it was chosen and verified
    audit.json        what is wrong with the images
    metrics.jsonl     a line a step: phase, step, epoch, loss, rate
    epochs.jsonl      a line an epoch: phase, epoch, train loss, validation loss and accuracy, seconds
    workers.jsonl     a line each time that all workers began again, since one had ended: time, why, step
    workers.log       where the threads of all workers were when one said nothing for too long
    predictions/      validation.npz, test.npz: logits, labels, records, paths (relative to the data)
    checkpoints/      the last checkpoint: weights, optimizer state, position
    bundle/           graph, weights, signature, class names
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import CorruptError, UsageError
from bakeoff.files import atomic_write, make_folder, opened, space_for, write_text
from bakeoff.rundir.loggers import Loggers
from bakeoff.schemas import SCHEMA, Predictions
from bakeoff.shown import shell, to_json

JOB = "job.json"
WORKERS = "workers.jsonl"
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
            more = f"\nGo on with it: bakeoff train --resume {shell(self.path)}" if (self.path / JOB).is_file() else ""
            raise UsageError(
                f"--run {self.path}: it is there already, and not empty. Choose another folder, or remove it.{more}"
            )
        make_folder(self.path / "predictions", self.path)
        return self

    def line(self, name: str, row: dict[str, Any]) -> None:
        """Append a line of JSON.

        Raises:
            DataError: the disk is full.
        """
        content = (json.dumps(row) + "\n").encode()
        with space_for(self.path / name, len(content)):
            if name not in self._open:
                self._open[name] = os.fdopen(opened(self.path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
            self._open[name].write(content)
        self.loggers.tell("row", name, row)

    def flush(self) -> None:
        """Hand everything to the system."""
        for name, stream in self._open.items():
            with space_for(self.path / name, 2**13):
                stream.flush()

    def positions(self) -> dict[str, int]:
        """The sizes of the logs, in bytes, after they were written through to the disk."""
        self.flush()
        for name, stream in self._open.items():
            with space_for(self.path / name, 2**13):
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
                handle = opened(path, os.O_WRONLY)
                os.ftruncate(handle, wanted)
                os.close(handle)

    def close(self) -> None:
        """Close the logs; what can't be written any more has been told of before."""
        for stream in self._open.values():
            with suppress(OSError):
                stream.close()
        self._open.clear()

    def json(self, name: str, value: dict[str, Any]) -> None:
        """Write a file whole or not at all."""
        write_text(self.path / name, to_json({"schema": SCHEMA, **value}, indent=2, nan=True) + "\n")

    def predictions(self, split: str, found: Predictions, paths: NDArray[np.str_]) -> None:
        """Keep the logits of a split, and the names of its images, relative to the data."""
        target = self.path / "predictions" / f"{split}.npz"
        more: dict[str, Any] = {} if found.similarity is None else {"similarity": found.similarity}
        size = found.logits.nbytes + found.labels.nbytes + found.records.nbytes + paths.nbytes
        with space_for(target, size), atomic_write(target, self.path) as stream:
            np.savez(stream, logits=found.logits, labels=found.labels, records=found.records, paths=paths, **more)
