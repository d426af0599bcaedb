"""`bakeoff runs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bakeoff.cli import _options as options

if TYPE_CHECKING:
    from rich.table import Table

PANEL, PLACE = "Know", 4
NEEDS = False
EXAMPLES = (
    ("bakeoff runs", "those in runs/, the newest first"),
    ("bakeoff runs --sort accuracy", "the best first"),
    ("bakeoff runs experiments --json", "of another folder, for programs"),
)
LEAST = 16  # characters of the last column; in a terminal it gets what is left of a line
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

    console, left, whole = out.console(), None, True
    width, console.width = console.width, 10_000  # a name that is cut or folded can't be pasted
    if console.is_terminal:  # in a narrow one, less is said
        taken = [console.measure(_table(found["runs"], 0, whole=whole)).maximum for whole in (True, False)]
        whole = taken[0] + LEAST <= width
        left = max(LEAST, width - taken[not whole])
    table = _table(found["runs"], left, whole=whole)
    console.width = max(width, console.measure(table).maximum)
    console.print(table if found["runs"] else "no runs there yet")


def _table(rows: list[dict[str, Any]], left: int | None, *, whole: bool) -> Table:
    """Interval and size are in the whole one alone; the net takes `left` characters, None: as many as it has."""
    from bakeoff.cli import _output as out

    numbers = ("accuracy", "95 % interval", "time", "MB")
    kept = [place for place in range(len(numbers) + 3) if whole or place not in (3, 5)]
    names = ("run", "state", *numbers, "net, split")
    table = out.table(*(names[place] for place in kept), numbers=numbers)
    for row in rows:
        interval = [f"{100 * side:.1f}" for side in row["accuracy_interval"] or ()]
        cells = (
            out.plain(row["run"], "bold"),
            row["state"],
            out.percent(row["accuracy"]),
            " to ".join(interval) or "-",
            "-" if row["wall_s"] is None else out.seconds(row["wall_s"]),
            f"{row['size_bytes'] / 1e6:,.1f}",
            out.plain(row["error"] or f"{row['net'] or ''}, {row['split']}" if row["num"] else row["net"] or "", "dim"),
        )
        table.add_row(*(cells[place] for place in kept))
    *others, net = table.columns
    for column in others:
        column.no_wrap = True
    net.no_wrap, net.max_width, net.overflow = left is None, left, "fold"
    return table
