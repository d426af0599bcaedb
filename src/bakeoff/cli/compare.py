"""`bakeoff compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 3
EXAMPLES = (
    ("bakeoff compare digits -r mnist-cnn", "PyTorch and TensorFlow: parity, speed, accuracy, verdict"),
    ("bakeoff compare digits -r mnist-cnn --frameworks torch,tensorflow,jax", "all three"),
    ("bakeoff compare photos --backbones efficientnet_lite0,efficientnet_lite1", "which pretrained net"),
    ("bakeoff compare digits -r mnist-cnn --json > compared.json", "for programs"),
)


def command(
    data: options.DataPath,
    recipe: options.RecipeName = "photos",
    frameworks: Annotated[
        str, typer.Option(metavar="NAMES", help="Two or more, with commas between them.")
    ] = "torch,tensorflow",
    backbones: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Two or more: which pretrained net, instead of which framework."),
    ] = None,
    margin: Annotated[
        float, typer.Option(metavar="SHARE", help="What counts as equally accurate: 0.02 is two points.")
    ] = 0.02,
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
    from bakeoff.cli._output import give
    from bakeoff.comparison.api import compare
    from bakeoff.errors import ParityError
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    if backbones is not None:
        changes = (*(overrides or ()), *options.bad_file_changes(bad_files))
        _backbones(
            data, recipe, backbones, margin, json, {"overrides": changes, "run": run, "seed": seed, "threads": threads}
        )
        return
    names = options.listed(frameworks, "--frameworks")
    with progress() as listen:
        compared = compare(
            data,
            recipe,
            frameworks=tuple(names),
            overrides=(*(overrides or ()), *options.bad_file_changes(bad_files)),
            run=run,
            seed=seed,
            precision=precision,
            threads=threads,
            listen=listen,
        )
    report(compared.path)
    give(compared.result, json, _show)
    if not compared.result["parity"]["passed"]:
        failed = [check["name"] for check in compared.result["parity"]["checks"] if not check["passed"]]
        raise ParityError(f"the frameworks differ by more than the tolerances: {', '.join(failed)}.")


def _backbones(data: Path, recipe: str, names: str, margin: float, json: bool, given: dict[str, Any]) -> None:
    from bakeoff.cli import _backbones as table
    from bakeoff.cli._output import give
    from bakeoff.comparison.backbones import compare_backbones
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    with progress() as listen:
        chosen = options.listed(names, "--backbones")
        found = compare_backbones(data, chosen, recipe, margin=margin, listen=listen, **given)
    report(found.path)
    give(found.result, json, table.show)


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
