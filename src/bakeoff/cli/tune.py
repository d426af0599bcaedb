"""`bakeoff tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 4
EXAMPLES = (
    (
        "bakeoff tune digits -r mnist-cnn --search 'phases.0.schedule.peak=0.0001..0.1 log'",
        "which rate is best, judged on the validation set",
    ),
    ("bakeoff tune digits -r mine.toml --trials 50", "over the ranges that the recipe declares in its [tune] table"),
    ("bakeoff tune digits -r mine.toml --trials 50 --cluster auto", "a trial on each CPU of a Ray cluster"),
    ("bakeoff tune digits -r mine.toml --trials 80", "again: goes on with the 50"),
)


def command(
    data: options.DataPath,
    recipe: options.RecipeName = "photos",
    search: Annotated[
        list[str] | None,
        typer.Option("--search", metavar="KEY=RANGE", help="As phases.0.batch_size='16 | 32'; may be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option(metavar="N", help="Trainings in all, stopped ones included.")] = 20,
    framework: Annotated[str | None, typer.Option(metavar="NAME", help="As for train.")] = None,
    backbone: Annotated[str | None, typer.Option(metavar="NAME", help="A pretrained net (bakeoff models).")] = None,
    overrides: options.Overrides = None,
    seed: options.Seed = None,
    run: options.RunFolder = None,
    threads: options.Threads = None,
    cluster: options.Cluster = None,
    bad_files: options.BadFiles = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Search the settings with the best validation accuracy; the same folder goes on with its search."""
    from bakeoff.cli._output import give
    from bakeoff.tuning.api import tune
    from bakeoff.workers.progress import progress

    with progress() as listen:
        tuned = tune(
            data,
            recipe,
            search=_ranges(search or []),
            trials=trials,
            framework=framework,
            run=run,
            overrides=(*(overrides or ()), *options.bad_file_changes(bad_files)),
            backbone=backbone,
            seed=seed,
            threads=threads,
            cluster=cluster,
            listen=listen,
        )
    give(tuned.result, json, lambda found: _show(found, data))


def _ranges(texts: list[str]) -> dict[str, str]:
    from bakeoff.errors import UsageError

    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--search {text}: expected KEY=RANGE, as phases.0.batch_size='16 | 32'.")
        found[key.strip()] = value
    return found


def _show(found: dict[str, Any], data: Path) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    table = out.table("trial", "validation", *found["settings"], numbers=("trial", "validation"))
    rows = sorted(found["trials"], key=lambda row: -(row["accuracy"] or 0) if row["state"] == "complete" else 1)
    for row in rows[:10]:
        outcome = out.percent(row["accuracy"]) if row["state"] == "complete" else row["state"]
        values = (row["settings"].get(key, "") for key in found["settings"])
        shown = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
        table.add_row(str(row["number"] + 1), outcome, *shown)
    console.print(table)
    out.next_steps(
        f"bakeoff train {out.shell(data)} --recipe {out.shell(found['recipe'])}",
        f"bakeoff predict {out.shell(found['run'])} IMAGES",
    )
