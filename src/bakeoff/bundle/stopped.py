"""A run that was stopped, or that is still at work: what its last checkpoint holds is a bundle, too.

A training writes `begun.json` before its first step: its bundle without weights, and its result as far as it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakeoff.errors import DataError
from bakeoff.files import named
from bakeoff.recipe import loads
from bakeoff.rundir import checkpoint
from bakeoff.rundir.readers import ANEW
from bakeoff.rundir.result import BEGUN, read_begun
from bakeoff.schemas import Array
from bakeoff.shown import shell


def is_stopped(path: Path) -> bool:
    """Whether a folder is a run that has begun and not ended."""
    return (path / BEGUN).is_file()


def note(path: str | Path) -> str:
    """What to say where such a run is used; nothing of a finished one."""
    with named(Path(path) / BEGUN, ANEW):
        said = f"{path} isn't finished: its last checkpoint is used ({{}}).\nGo on with it: {_resume(Path(path))}"
        return said.replace("{}", place) if (place := kept(Path(path))) else ""


def kept(run: Path) -> str:
    """Where the last checkpoint of a run stood, in words; "" where there is none."""
    if not is_stopped(run) or (meta := checkpoint.last(run)) is None:
        return ""
    with named((run / checkpoint.FOLDER / meta["arrays"]).with_suffix(checkpoint.JSON), ANEW):
        number, step, epoch = meta["phase"], meta["state"]["step"], meta["state"]["epoch"]
    phase = loads(read_begun(run)["bundle"]["recipe"]).phases[number]
    done = f"{epoch} of {getattr(phase, 'epochs', 0)} epochs done"
    return f"step {step} of {phase.strategy}, {done}" if step else f"before {phase.strategy}"


def content(run: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The JSON of its bundle, and the weights that its last checkpoint would end with: of the best epoch, the running
    mean, or the last ones.

    A phase that is kept only if it is better hasn't proved it yet: the weights are those before it.

    Raises:
        DataError: it was stopped before there was a checkpoint.
        CorruptError: it is truncated or was edited.
    """
    value, found = read_begun(run)["bundle"], checkpoint.load(run)
    if found is None:
        raise DataError(f"{run}: stopped before its first checkpoint. Go on with it: {_resume(run)}")
    kept: Mapping[str, Array] = next(filter(None, map(found.group, ("before", "best", "average"))), {})
    arrays, declared = found.group("net") | dict(kept), value["graph"]["parameters"]
    return value, {path: array.astype(declared[path]["dtype"]) for path, array in arrays.items() if path in declared}


def _resume(run: Path) -> str:
    return f"bakeoff train --resume {shell(run)}"
