"""Going on with a run: what it was asked, whether its images are still the same, where it stood."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bakeoff.data import Data
from bakeoff.data.assignment import FROZEN, changes, order_of
from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.files import absent, named
from bakeoff.recipe import Recipe, loads
from bakeoff.rundir.checkpoint import FOLDER, load
from bakeoff.rundir.folder import JOB, Run
from bakeoff.rundir.readers import ANEW, read_json
from bakeoff.training.job import Job, check
from bakeoff.training.loop.cadence import parse
from bakeoff.training.loop.checkpointer import Checkpointer


def job_of(run: str | Path) -> Job:
    """What the run was asked for.

    Raises:
        UsageError: it is no run that can go on.
        CorruptError: job.json lacks something.
    """
    path = Path(run)
    if not (path / JOB).is_file():
        what = f"{JOB} is missing there: not a run that can go on." if path.exists() else absent(path, "folder")
        raise UsageError(f"--resume {path}: {what} Train anew: bakeoff train")
    with named(path / JOB, ANEW):
        return replace(msgspec.convert(read_json(path / JOB), Job), run=str(path))


def recipe_of(job: Job) -> Recipe:
    """The recipe that a run goes on with.

    Raises:
        BakeoffError: as `check`, with job.json before it.
    """
    with named(Path(job.run) / JOB, ANEW):
        recipe = loads(job.recipe)
        check(job, recipe)
        return recipe


def checkpointer_of(job: Job, run: Run, began: float, *, resume: bool) -> Checkpointer:
    """Who writes the checkpoints of a run, and what to go on from.

    Raises:
        CorruptError, VersionError: the last checkpoint can't be used.
    """
    checkpointer = Checkpointer(run, parse(job.checkpoint_every) if job.checkpoint_every else None, began=began)
    if not resume:
        return checkpointer
    found = load(run.path)
    if found is None:
        run.rewind({})
        checkpointer.resumed_from = 0
        return checkpointer
    meta = found.meta
    with named((run.path / FOLDER / meta["arrays"]).with_suffix(".json"), ANEW):
        if meta["recipe"] != _recipe_digest(job):
            raise CorruptError(f"{run.path}: its checkpoint belongs to another recipe than {JOB} has. {ANEW}")
        run.rewind(meta["logs"])
        checkpointer.phase, checkpointer.phases = meta["phase"], list(meta["phases"])
        checkpointer.resumed_from, checkpointer.earlier_s = meta["state"]["step"], meta["wall_s"]
    checkpointer.found = found
    return checkpointer


def header_of(job: Job, data: Data) -> dict[str, Any]:
    """What every checkpoint says about its run."""
    return {
        "framework": job.framework,
        "device": job.device,
        "precision": job.precision,
        "seed": job.seed,
        "recipe": _recipe_digest(job),
        "fingerprint": data.fingerprint,
    }


def same_images(run: Run, data: Data) -> Data:
    """The images in the order in which the run had them, however they are named by now; others are refused.

    Raises:
        DataError: images were added, removed, changed or relabelled.
    """
    path = run.path / "manifest.json"
    if not path.is_file():
        return data  # killed before it got there: nothing was trained
    with named(path, ANEW):
        expected, kept = read_json(path)["fingerprint"], run.path / FROZEN
    if expected != data.fingerprint:
        found = changes(kept, data.manifest, [path for path, _ in data.excluded]) if kept.is_file() else ""
        raise DataError(
            f"{data.path}: the images are not those that {run.path} began with: "
            f"{found or 'labels, class names or declared splits are others'}.\nBring them back, or train anew."
        )
    rows = order_of(kept, data.manifest) if kept.is_file() else None
    return data if rows is None or (rows == np.arange(len(rows))).all() else data.ordered(rows)


def _recipe_digest(job: Job) -> str:
    return hashlib.sha256(job.recipe.encode()).hexdigest()
