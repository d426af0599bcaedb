"""`bakeoff export`."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bakeoff import registry
from bakeoff.cli import _options as options

if TYPE_CHECKING:
    from bakeoff.exports.gate import Gate

PANEL, PLACE = "Use", 3
FORMATS = registry.either(registry.names("bakeoff.exports.formats"))
EXAMPLES = (
    ("bakeoff export runs/RUN --to onnx --output cats.onnx", "one file for ONNX Runtime"),
    ("bakeoff export runs/RUN --to keras", "stock Keras layers, model.keras"),
    ("bakeoff export runs/RUN --to onnx --precision int8", "a quarter of the size, and faster"),
    ("bakeoff export cats.onnx --verify", "ask it about its golden pictures, here"),
    ("bakeoff export runs/RUN --compare", "size, speed and accuracy of all formats, here"),
    ("bakeoff export runs/RUN --to savedmodel --output models/cats", "models/cats/1 for TensorFlow Serving"),
    ("bakeoff predict cats.onnx cat.jpg", "what was exported predicts, too"),
)
NOT_FREE = ("non-commercial", "noncommercial", "-nc", "research only", "not stated")  # words of licences


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a bundle; with --verify, a file.")],
    to: Annotated[str | None, typer.Option("--to", metavar="FORMAT", help=f"{FORMATS}.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="What to write; ./model.*, ./model-int8.* otherwise."),
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, float16 (weights), bfloat16 or int8, as the format has it.")
    ] = "float32",
    max_loss: Annotated[
        float | None,
        typer.Option("--max-loss", metavar="POINTS", help="Of accuracy, that fewer bits may lose; 2 otherwise."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DATA", help="Where the run's images are now, to check it on.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Ask what was exported about its golden pictures.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Measure all formats; --output is the plot.")] = False,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Keep it where the library that would check it isn't installed.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    model_version: Annotated[
        int | None,
        typer.Option("--model-version", metavar="N", help="Of a savedmodel; the next that is free otherwise."),
    ] = None,
    with_preprocessing: Annotated[
        bool, typer.Option("--with-preprocessing", help="Of onnx: uint8 images in, probabilities beside the logits.")
    ] = False,
    state_dict: Annotated[
        bool, typer.Option("--state-dict", help="Of torch: a .pth for the class that `convert --source` writes.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="With --compare: of each format's process; 1 otherwise."),
    ] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a model in another library's own format, once it has answered there as it does here."""
    from bakeoff.cli._errors import say_unfinished
    from bakeoff.errors import UsageError
    from bakeoff.workers.progress import progress

    if sum((to is not None, verify, compare)) != 1:
        raise UsageError(f"give one of --to FORMAT ({FORMATS}), --verify and --compare.")
    if threads is not None and not compare:
        raise UsageError(f"--threads {threads}: is of --compare. One image after the other is asked here.")
    if not verify:
        say_unfinished(run)
    with progress() as listen:
        number = count(1)

        def say(text: str, of: int) -> None:
            listen({"kind": "stage", "number": next(number), "of": of, "text": text})

        if verify:
            _verify(run, say, json)
        elif compare:
            _compare(run, output, json, {"data": data, "threads": threads or 1, "max_loss": max_loss, "listen": listen})
        else:
            how = {"precision": precision, "max_loss": max_loss, "unchecked": unchecked, "data": data, "force": force}
            how |= {"model_version": model_version, "with_preprocessing": with_preprocessing, "state_dict": state_dict}
            _export(run, str(to), output, json, {**how, "say": say})


def _export(run: Path, to: str, output: Path | None, json: bool, how: dict[str, Any]) -> None:
    from bakeoff.bundle import read
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.exports import export_checked, size_of

    made, licence = export_checked(run, to, output, **how), str(read(run).extra.get("licence") or "")
    size, restricted = size_of(made.path), any(word in licence.lower() for word in NOT_FREE)
    if restricted:
        say(f"licence of the weights it started from: {licence}. Read it before you sell or serve this.")
    if made.gate.passed is None:
        say(f"not checked: {made.gate.note}")
    if json:
        old = {"run": str(run), "format": to, "output": str(made.path), "size_bytes": size}
        new = {"artefact": str(made.path), "bytes": size, "precision": how["precision"], "licence": licence or None}
        out.print_json({**old, **new, "gate": made.gate.to_json()})
        return
    console = out.console()
    _said(made.gate, console)
    console.print(f"{made.path}  {size / 1e6:,.2f} MB", markup=False)
    page = f"bakeoff convert {out.shell(run)} --to torch --source --output page"
    out.next_steps(page if how["state_dict"] else f"bakeoff predict {out.shell(made.path)} IMAGES")


def _said(gate: Gate, console: Any) -> None:
    from bakeoff.cli import _output as out

    if gate.passed is None:
        return
    console.print(out.checks("as the source?", gate.to_json()["checks"]))
    asked = f"{gate.pictures:,} pictures in {gate.runtime}"
    for split, row in gate.splits.items():
        asked += f"; {split}: {out.percent(row['accuracy'])} right ({out.percent(row['source_accuracy'])} before), "
        asked += f"{out.percent(row['agreement'])} as before"
    console.print(f"[dim]{out.escaped(asked + (f'; {gate.note}' if gate.note else ''))}[/dim]")


def _verify(artefact: Path, say: Any, json: bool) -> None:
    from bakeoff.cli import _output as out
    from bakeoff.errors import ParityError
    from bakeoff.exports.gate import verify

    gate = verify(artefact, say=say)
    if json:
        out.print_json({"artefact": str(artefact), "gate": gate.to_json()})
    else:
        _said(gate, out.console())
    if (first := gate.first) is not None:
        raise ParityError(
            f"{artefact}: it doesn't answer here as its source did. First difference: {first.name}.\n{first.detail}"
        )


def _compare(run: Path, plot: Path | None, json: bool, how: dict[str, Any]) -> None:
    from bakeoff.cli import _output as out
    from bakeoff.exports.measured import draw, measure

    found = measure(run, **how)
    if plot is not None:
        draw(found, plot)
    if json:
        out.print_json(found)
        return
    console = out.console()
    numbers = ("MB", "p50 ms", "p99 ms", "images/s", "accuracy", "agreement")
    table = out.table("format", "precision", *numbers, numbers=numbers)
    for row in found["rows"]:
        if row["error"]:
            continue
        times = (out.number(row["p50_ms"]), out.number(row["p99_ms"]), out.number(row["images_per_s"]))
        shares = (out.percent(row["accuracy"]), out.percent(row["agreement"]))
        table.add_row(row["format"], row["precision"], f"{row['bytes'] / 1e6:.2f}", *times, *shares)
    console.print(table)
    for row in found["rows"]:
        if text := row["error"] or row["refused"]:
            console.print(f"[dim]{row['format']} {row['precision']}: {out.escaped(text)}[/dim]")
    console.print(f"[dim]{out.escaped(found['how'])}[/dim]")
    for need, name in found["best"].items():
        console.print(f"{need.replace('_', ' ')}  {name}", markup=False)
