"""What lies in a folder of runs: `runs()`, for the command and the Python API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bakeoff.errors import BakeoffError, DataError, UsageError
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.files import absent
from bakeoff.registry import nearest
from bakeoff.rundir.folder import JOB
from bakeoff.rundir.lock import held
from bakeoff.rundir.readers import read_lines
from bakeoff.rundir.result import NAME, Result, read_result
from bakeoff.schemas import Figures

SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "date": lambda row: -row["began"],
    "accuracy": lambda row: 1 if row["accuracy"] is None else -row["accuracy"],
    "time": lambda row: -(row["wall_s"] or 0),
    "size": lambda row: -row["size_bytes"],
    "name": lambda row: row["run"],
    "state": lambda row: row["state"],
}


def runs(folder: str | Path = "runs", *, sort: str = "date") -> list[Figures]:
    """The runs of a folder, finished, running, stopped or damaged.

    Args:
        folder: where they lie, at most two folders deep.
        sort: date (the newest first), accuracy (the best first), time, size (the largest first), name or state.

    Returns:
        Of each `run`, `state`, `net`, `accuracy`, `accuracy_interval` (95 %), `num` (images), `split`, `wall_s`
        (seconds), `size_bytes`, `began` (seconds since 1970) and `error`; None where nothing is known.

    Raises:
        UsageError: another `sort`.
        DataError: no such folder.
    """
    folder = Path(folder)
    if sort not in SORTS:
        raise UsageError(f"--sort {sort}: expected one of {', '.join(SORTS)}{nearest(sort, SORTS)}.")
    if not folder.is_dir():
        raise DataError(
            f"{folder}: {absent(folder, 'folder')} Runs are made by bakeoff train, in runs/ where it was called."
        )
    found = {path.parent for depth in ("", "*/", "*/*/") for name in (JOB, NAME) for path in folder.glob(depth + name)}
    return sorted((Figures(row_of(run)) for run in sorted(found)), key=SORTS[sort])


def row_of(run: Path) -> dict[str, Any]:
    """What is known of a run; of a damaged one, why it can't be read."""
    files = [path for path in run.rglob("*") if path.is_file()]
    row: dict[str, Any] = {
        "run": str(run),
        "state": "running" if held(run) else "finished" if (run / NAME).is_file() else "stopped",
        "net": None,
        **dict.fromkeys(("accuracy", "accuracy_interval", "num", "split", "wall_s")),
        "size_bytes": sum(path.stat().st_size for path in files),
        "began": min((path.stat().st_mtime for path in files), default=0.0),
        "error": None,
    }
    try:
        facts = read_result(run)
    except BakeoffError as error:
        broken = (run / NAME).is_file()  # one that was stopped early has no more to tell
        return row | ({"state": "damaged", "error": str(error)} if broken else {})
    judged, split = (facts.judged, facts.split) if row["state"] == "finished" else (_best(run, facts), "validation")
    figures = {key: judged.get(key) for key in ("accuracy", "accuracy_interval", "num")}
    return row | figures | {"net": facts.model or facts.backbone, "split": split, "wall_s": facts.wall_s}


def _best(run: Path, facts: Result) -> dict[str, Any]:
    """The best epoch so far."""
    num, rows = facts.num_validation, read_lines(run / "epochs.jsonl")
    known = (row.get("validation_accuracy") for row in rows)
    best = max((accuracy for accuracy in known if accuracy is not None), default=None)
    return {} if best is None else {"accuracy": best, "accuracy_interval": wilson(round(best * num), num), "num": num}
