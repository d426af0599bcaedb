"""The best epochs of a phase, each in a file of its own: `checkpoints/best-0007.safetensors` and the list of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from bakeoff.files import atomic_write, read_json, remove, space_for
from bakeoff.rundir.checkpoint import FOLDER
from bakeoff.schemas import SCHEMA, Array

LIST = "best.json"


class _Kept(msgspec.Struct):
    """A row of the list; its file is deleted when a better one comes, so it lies nowhere else."""

    epoch: int
    validation_accuracy: float
    file: Annotated[str, msgspec.Meta(pattern=r"^best-\d+\.safetensors$")]


def keep(run: Path, most: int, epoch: int, accuracy: float, arrays: Mapping[str, Array]) -> None:
    """Keep an epoch if it is among the `most` best; of equals, the earlier one is better.

    Args:
        epoch: counted from 1.
    """
    from safetensors.numpy import save

    folder = run / FOLDER
    rows = [row for row in listed(run) if row["epoch"] < epoch]  # a run that went on sees an epoch again
    rows.append({"epoch": epoch, "validation_accuracy": accuracy, "file": f"best-{epoch:04d}.safetensors"})
    rows.sort(key=lambda row: (-row["validation_accuracy"], row["epoch"]))
    kept, lost = rows[:most], rows[most:]
    if any(row["epoch"] == epoch for row in kept):
        content = save({path: np.ascontiguousarray(array) for path, array in arrays.items()})
        with space_for(folder, len(content)), atomic_write(folder / f"best-{epoch:04d}.safetensors", run) as stream:
            stream.write(content)
    with space_for(folder, 1024), atomic_write(folder / LIST, run) as stream:
        stream.write((json.dumps({"schema": SCHEMA, "epochs": kept}, indent=1) + "\n").encode())
    for row in lost:
        with suppress(OSError):
            remove(folder / row["file"], run)


def listed(run: Path) -> list[dict[str, Any]]:
    """The kept epochs, best first; none where there is no list that can be read."""
    try:
        rows = msgspec.convert(read_json(run / FOLDER / LIST)["epochs"], list[_Kept])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [msgspec.to_builtins(row) for row in rows]
