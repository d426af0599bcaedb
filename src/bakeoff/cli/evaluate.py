"""`bakeoff evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Use", 1
EXAMPLES = (
    ("bakeoff evaluate runs/RUN photos", "accuracy on the test split, per class"),
    ("bakeoff evaluate runs/RUN photos --split validation", "on another split"),
    ("bakeoff evaluate runs/RUN other-photos --split all", "on every picture of a folder that was held out"),
    ("bakeoff evaluate runs/RUN", "without pictures: from the predictions that the run kept"),
)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a bundle.")],
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="The pictures; without, what the run kept is scored.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="train, validation, test, or all.")] = "test",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Score a model on labelled pictures, split as it was in training."""
    from bakeoff.cli._output import print_json
    from bakeoff.cli._progress import counter, progress
    from bakeoff.model import evaluate

    with progress() as listen:
        found = evaluate(run, data, split=split, progress=counter(listen, f"evaluate {split}"))
    if json:
        print_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    console = out.console()
    headline = (
        f"{out.percent(found['accuracy'])} of {found['num']:,} pictures, {out.interval(found['accuracy_interval'])}"
    )
    console.print(f"[bold]{found['split']}[/bold]  {headline}  [dim]loss {found['loss']:.4f}[/dim]\n")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("class")
    for name in ("pictures", "recall", "precision"):
        table.add_column(name, justify="right")
    table.add_column("taken for")
    for index, row in enumerate(found["per_class"]):
        mistakes = _mistakes(found, index)
        table.add_row(
            out.plain(row["name"]),
            f"{row['num']:,}",
            out.percent(row["recall"]),
            out.percent(row["precision"]),
            mistakes,
        )
    console.print(table)


def _mistakes(found: dict[str, Any], index: int) -> Any:
    """What a class is most often taken for."""
    from bakeoff.cli import _output as out

    counts = [
        (num, name)
        for place, (num, name) in enumerate(zip(found["confusion"][index], found["classes"], strict=True))
        if place != index
    ]
    wrong = sorted((pair for pair in counts if pair[0]), key=lambda pair: -pair[0])[:3]
    return out.plain(", ".join(f"{name} ({num})" for num, name in wrong))
