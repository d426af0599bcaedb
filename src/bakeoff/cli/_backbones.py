"""What `bakeoff compare --backbones` prints."""

from __future__ import annotations

from typing import Any

from bakeoff.cli import _output as out


def show(found: dict[str, Any]) -> None:
    """A row a backbone, the most accurate first; the sentence; what to do next."""
    numbers = ["accuracy", "points behind", "ms an image", "size"]
    table = out.table("backbone", *numbers, numbers=numbers)
    table.columns[0].overflow = "fold"  # a name that is cut can't be given to `train`
    for column in table.columns[1:]:
        column.no_wrap = True
    rows = sorted(found["backbones"].items(), key=lambda one: -one[1]["accuracy"])
    for name, row in rows:
        low, high = row["behind_best_interval"]
        table.add_row(
            out.plain(name, "bold green" if name == found["choice"] else ""),
            out.percent(row["accuracy"]),
            f"{100 * row['behind_best']:.1f} ({100 * low:.1f} to {100 * high:.1f})",
            out.number(row["ms_per_image"]),
            out.megabytes(row["bytes"]),
        )
    out.console().print(table)
    held = f"accuracy on {rows[0][1]['num']:,} held-out images ({found['accuracy_split']})"
    out.words(f"[dim]{held}[/dim]")
    out.words(f"\n[bold]Verdict[/bold]  {out.escaped(found['verdict'])}")
    out.next_steps(found["next"], f"open {out.shell(found['run'])}/report.html")
