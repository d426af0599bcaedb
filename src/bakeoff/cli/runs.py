"""`bakeoff runs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bakeoff.cli import _options as options
from bakeoff.errors import BakeoffError, DataError, UsageError

if TYPE_CHECKING:
    from bakeoff.rundir.result import Result

PANEL, PLACE = "Know", 4
NEEDS = False
EXAMPLES = (
    ("bakeoff runs", "those in runs/, the newest first"),
    ("bakeoff runs --sort accuracy", "the best first"),
    ("bakeoff runs experiments --json", "of another folder, for programs"),
)
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "date": lambda row: -row["began"],
    "accuracy": lambda row: 1 if row["accuracy"] is None else -row["accuracy"],
    "time": lambda row: -(row["wall_s"] or 0),
    "size": lambda row: -row["size_bytes"],
    "name": lambda row: row["run"],
    "state": lambda row: row["state"],
}


def command(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the runs lie.")] = Path("runs"),
    sort: Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(SORTS)}.")] = "date",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List runs: finished, running or stopped, with accuracy, time and size."""
    from bakeoff.cli._output import give
    from bakeoff.registry import nearest
    from bakeoff.rundir.folder import JOB
    from bakeoff.rundir.result import NAME

    if sort not in SORTS:
        raise UsageError(f"--sort {sort}: expected one of {', '.join(SORTS)}{nearest(sort, SORTS)}.")
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Runs are made by bakeoff train, in runs/ where it was called.")
    found = {path.parent for depth in ("", "*/", "*/*/") for name in (JOB, NAME) for path in folder.glob(depth + name)}
    rows = sorted(map(_row, sorted(found)), key=SORTS[sort])
    give({"runs": rows}, json, _show)


def _row(run: Path) -> dict[str, Any]:
    """What is known of a run; of a damaged one, why it can't be read."""
    from bakeoff.rundir.lock import held
    from bakeoff.rundir.result import NAME, read_result

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
    from bakeoff.evaluation.statistics.wilson import wilson
    from bakeoff.rundir.readers import read_lines

    num, rows = facts.num_validation, read_lines(run / "epochs.jsonl")
    known = (row.get("validation_accuracy") for row in rows)
    best = max((accuracy for accuracy in known if accuracy is not None), default=None)
    return {} if best is None else {"accuracy": best, "accuracy_interval": wilson(round(best * num), num), "num": num}


def _show(found: dict[str, Any]) -> None:
    from bakeoff.cli import _output as out

    numbers = ("accuracy", "95 % interval", "time", "MB")
    table = out.table("run", "state", *numbers, "net, split", numbers=numbers)
    for row in found["runs"]:
        interval = [f"{100 * side:.1f}" for side in row["accuracy_interval"] or ()]
        table.add_row(
            out.plain(row["run"], "bold"),
            row["state"],
            out.percent(row["accuracy"]),
            " to ".join(interval) or "-",
            "-" if row["wall_s"] is None else out.seconds(row["wall_s"]),
            f"{row['size_bytes'] / 1e6:,.1f}",
            out.plain(row["error"] or f"{row['net'] or ''}, {row['split']}" if row["num"] else row["net"] or "", "dim"),
        )
    for column in table.columns:
        column.no_wrap = True  # a name that is cut or folded can't be pasted
    console = out.console()
    width, console.width = console.width, 10_000
    console.width = max(width, console.measure(table).maximum)
    console.print(table if found["runs"] else "no runs there yet")
