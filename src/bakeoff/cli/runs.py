"""`bakeoff runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 4
NEEDS = False
EXAMPLES = (
    ("bakeoff runs", "those in runs/, the newest first"),
    ("bakeoff runs --sort accuracy", "the best first"),
    ("bakeoff runs experiments --json", "of another folder, for programs"),
)
SORTS = ("date", "accuracy", "time", "size", "name", "state")


def command(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where the runs lie.")] = Path("runs"),
    sort: Annotated[str, typer.Option(metavar="NAME", help=f"{', '.join(SORTS)}.")] = "date",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List runs: finished, running or stopped, with accuracy, time and size."""
    from bakeoff.cli._output import give
    from bakeoff.reports.runs import runs

    give({"runs": runs(folder, sort=sort)}, json, _show)


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
