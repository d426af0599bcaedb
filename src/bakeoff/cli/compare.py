"""`bakeoff compare`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 3
_instead = partial(typer.Option, rich_help_panel="Instead of frameworks")
EXAMPLES = (
    ("bakeoff compare digits -r mnist-cnn", "PyTorch and TensorFlow: parity, speed, accuracy, verdict"),
    ("bakeoff compare digits -r mnist-cnn --frameworks torch,tensorflow,jax", "all three"),
    ("bakeoff compare photos --backbones efficientnet_lite0,efficientnet_lite1", "which pretrained net"),
    ("bakeoff compare mnist.npz --as-published 002", "what each unfair choice in an article's comparison does"),
    ("bakeoff compare digits -r mnist-cnn --json > compared.json", "for programs"),
)


def command(
    context: typer.Context,
    data: options.DataPath,
    recipe: options.RecipeName = "photos",
    frameworks: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="With commas between them; torch and tensorflow. Of one alone, its modes."),
    ] = None,
    contestants: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Who is timed: torch-eager, torch-compiled, jax, ...; the same one twice."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="As 15m: what doesn't fit is left out, and named.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each framework; from 5 on a claim is about them.")] = 1,
    predict: Annotated[bool, typer.Option("--predict", help="Time predictions, too: own forms and exports.")] = False,
    margin: Annotated[float, typer.Option(help="Accuracies closer than this are as good as equal.")] = 0.02,
    price: Annotated[
        float | None, typer.Option(help="Of an hour of this machine: what a million predictions cost.")
    ] = None,
    backbones: Annotated[
        str | None, _instead(metavar="NAMES", help="Two or more pretrained nets (bakeoff models), each under a head.")
    ] = None,
    published: Annotated[
        str | None,
        _instead("--as-published", metavar="ARTICLE", help="000 to 004: its choices, made fair one at a time."),
    ] = None,
    repeated: Annotated[
        Path | None, _instead("--repeat", metavar="REPORT.JSON", help="That comparison again: the same choices?")
    ] = None,
    overrides: options.Overrides = None,
    seed: options.Seed = None,
    run: options.RunFolder = None,
    precision: options.Precision = "float32",
    threads: options.Threads = None,
    bad_files: options.BadFiles = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train the same net in several frameworks, prove that it is the same, and measure which is best."""
    from bakeoff.cli import _instead as instead
    from bakeoff.cli._output import give
    from bakeoff.comparison.api import compare
    from bakeoff.errors import ParityError
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    changes = (*(overrides or ()), *options.bad_file_changes(bad_files))
    shared: dict[str, Any] = {"overrides": changes, "run": run, "threads": threads}
    if backbones is not None:
        instead.check(context, "backbones", "--backbones")
        instead.backbones(data, recipe, backbones, json, seed=seed, margin=margin, **shared)
        return
    if repeated is not None:
        instead.check(context, "repeated", "--repeat")
        instead.repeated(data, repeated, json, run)
        return
    if published is not None:
        instead.check(context, "published", "--as-published")
        instead.published(data, published, json, seeds=seeds, **shared)
        return
    names = options.listed(frameworks, "--frameworks") if frameworks is not None else None
    entrants = options.listed(contestants, "--contestants", twice=True) if contestants is not None else None
    with progress() as listen:
        compared = compare(
            data,
            recipe,
            frameworks=names and tuple(names),
            contestants=entrants and tuple(entrants),
            budget=budget,
            seeds=seeds,
            predict=predict,
            margin=margin,
            price=price,
            seed=seed,
            precision=precision,
            listen=listen,
            **shared,
        )
    report(compared.path)
    give(compared.result, json, _show)
    if not compared.result["parity"]["passed"]:
        failed = [check["name"] for check in compared.result["parity"]["checks"] if not check["passed"]]
        raise ParityError(f"the frameworks differ by more than the tolerances: {', '.join(failed)}.")


def _show(result: dict[str, Any]) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    console.print(out.checks("same net?", result["parity"]["checks"]))
    for check in result["parity"]["checks"]:
        if not check["passed"] and check.get("detail"):
            console.print(f"  [red]{check['name']}[/red]: {out.escaped(check['detail'])}")
    console.print()
    console.print(_frameworks(result["frameworks"]))
    out.words(f"\n[bold]Verdict[/bold]  {out.escaped(result['verdict'])}")
    if result.get("run"):
        out.next_steps(f"open {out.shell(Path(result['run']) / 'report.html')}")


def _frameworks(found: dict[str, dict[str, Any]]) -> Any:
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures
    from bakeoff.evaluation.kinds import choice_of
    from bakeoff.texts.catalogue import framework

    choice = next((name for row in found.values() if (name := choice_of(row)) != "accuracy"), None)
    numbers = [measures.title(choice), "all labels right"] if choice else ["test accuracy"]
    numbers += ["95 % interval", "ms a step", "images/s", "peak memory"]
    table = out.table("framework", *numbers, numbers=numbers)
    for name, row in found.items():
        low_high = row.get("accuracy_interval")
        table.add_row(
            f"[bold]{framework(name)}[/bold]",
            *([out.percent(row[choice])] if choice else []),
            out.percent(row["accuracy"]),
            f"{100 * low_high[0]:.1f} to {100 * low_high[1]:.1f}" if low_high else "-",
            out.number(row["step_ms"]),
            out.number(row["images_per_s"]),
            out.megabytes(row["peak_memory_bytes"]),
        )
    return table
