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
    ("bakeoff compare digits -r mnist-cnn --contestants torch-eager,torch-eager", "what no difference looks like here"),
    ("bakeoff compare photos/ --budget 30m --predict", "what fits into half an hour, exports too"),
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
    trained = compared.result.get("plan", {}).get("trains", True)
    if trained:  # a report is made of trainings
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
    for track, rows in (result.get("tracks") or {}).items():
        console.print(f"\n[bold]{TRACKS[track]}[/bold]")
        console.print(_track(track, rows, result["ratios"], console.width))
    if result.get("predictions"):
        console.print("\n[bold]Predictions, an image at a time[/bold]")
        console.print(_predictions(result["predictions"], console.width))
    if result.get("needs"):
        console.print()
        console.print(_needs(result["needs"], console.width))
    for line in _notes(result):
        out.words(f"[yellow]{out.escaped(line)}[/yellow]")
    out.words(f"\n[bold]Verdict[/bold]  {out.escaped(result['verdict'])}")
    if result.get("run") and result.get("plan", {}).get("trains", True):
        out.next_steps(f"open {out.shell(Path(result['run']) / 'report.html')}")


TRACKS = {"same_loader": "Images in memory: the step alone", "native_best": "With each one's own input pipeline"}
WIDE = 100  # columns from which a table shows all that it has; below 80 the least


def _track(track: str, rows: dict[str, Any], ratios: list[dict[str, Any]], width: int) -> Any:
    """A row a contestant; how many times the fastest one's step, and whether that is decided."""
    from bakeoff.cli import _output as out

    numbers = ["ms a step", "x the fastest"]
    more = ["images/s", "input ms", "compile s", "start s", "memory"] if width >= WIDE else ["images/s"]
    numbers += more if width >= 80 else []
    table = out.table("contestant", *numbers, numbers=numbers)
    first = min(rows, key=lambda name: rows[name]["step_ms"])
    for name, row in sorted(rows.items(), key=lambda item: item[1]["step_ms"]):
        cells = [out.number(row["images_per_s"]), out.number(row["input_ms"]), out.number(row["compile_s"])]
        cells += [out.number(row["start_s"]), out.megabytes(row["peak_memory_bytes"])]
        chosen = [out.number(row["step_ms"]), _beside(first, name, f"{track}.step_ms", ratios), *cells]
        table.add_row(out.plain(name, "bold"), *chosen[: len(numbers)])
    return table


def _beside(first: str, name: str, what: str, ratios: list[dict[str, Any]]) -> str:
    """`2.66 (1.97 to 3.60)`, or that no difference is seen."""
    row = next((one for one in ratios if one["what"] == what and {one["a"], one["b"]} == {first, name}), None)
    if row is None:
        return "1" if name == first else "-"
    if row["faster"] is None:
        return f"no difference > {100 * row['smallest']:.0f} %"
    ratio, (low, high) = row["ratio"], row["interval"]
    ratio, low, high = (ratio, low, high) if ratio > 1 else (1 / ratio, 1 / high, 1 / low)
    return f"{ratio:.2f} ({low:.2f} to {high:.2f})"


def _predictions(rows: dict[str, Any], width: int) -> Any:
    from bakeoff.cli import _output as out

    numbers = ["ms an image", "images/s", "file", "memory"][: 2 if width < 80 else 4]
    table = out.table("form", *numbers, numbers=numbers)
    for name, row in sorted(rows.items(), key=lambda item: item[1]["ms"]):
        cells = [out.number(row["ms"]), out.number(row["images_per_s"])]
        size = "-" if row["bytes"] is None else f"{row['bytes'] / 1e6:.2f} MB"
        table.add_row(out.plain(name, "bold"), *[*cells, size, out.megabytes(row["peak_memory_bytes"])][: len(numbers)])
    return table


def _needs(rows: list[dict[str, Any]], width: int) -> Any:
    """A table; in a narrow terminal a paragraph each."""
    from rich.console import Group

    from bakeoff.cli import _output as out

    if width < 80:
        told = (f"{row['need']}: {row['choice'] or 'none is chosen'}; {row['why']}" for row in rows)
        return Group(*map(out.plain, told))
    table = out.table("need", "choice", "why")
    for row in rows:
        table.add_row(out.plain(row["need"], "bold"), out.plain(row["choice"] or "-"), out.plain(row["why"]))
    return table


def _notes(result: dict[str, Any]) -> list[str]:
    """What a reader has to know before believing it."""
    from bakeoff.workers.progress import seconds

    lines = [
        f"left out: {row['what']}"
        + (f", which needs {seconds(row['seconds'])}" if row.get("seconds") else "")
        + (f": {row['why']}" if row.get("why") else "")
        for row in result.get("left_out", ())
    ]
    if result.get("disturbed"):
        lines.append(f"disturbed: other programs were at work in {result['disturbed']} rounds that count")
    if result.get("accuracy_split") == "validation":
        lines.append("no test split: accuracies are of the validation images, by which epochs are chosen: optimistic")
    return lines


def _frameworks(found: dict[str, dict[str, Any]]) -> Any:
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures
    from bakeoff.evaluation.kinds import choice_of
    from bakeoff.texts.catalogue import framework

    choice = next((name for row in found.values() if (name := choice_of(row)) != "accuracy"), None)
    split = next((row["accuracy_split"] for row in found.values() if row.get("accuracy_split")), "test")
    numbers = [measures.title(choice), "all labels right"] if choice else [f"{split} accuracy"]
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
