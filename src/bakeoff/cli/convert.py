"""`bakeoff convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 4
EXAMPLES = (
    ("bakeoff convert timm/resnet50 --to keras --output resnet50.keras", "a trainable keras.Model"),
    ("bakeoff convert keras/Xception --to torch --output xception.pt2", "a torch module"),
    ("bakeoff convert torchvision/googlenet --to keras --weights mine.pth --accept outputs", "your own weights"),
    ("bakeoff convert my-vit/ --to keras", "a folder that transformers' save_pretrained wrote"),
    ("bakeoff convert timm/resnet18 --random-weights --to onnx --check quick", "to try a net"),
    ("bakeoff convert runs/RUN --to keras --pictures photos/", "a run, checked on your images"),
)


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="LIBRARY/NAME, a .keras, .h5 or .pt2 file, a folder of transformers, a run or bundle.",
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="TARGET", help="torch, keras, onnx or bundle.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="What to write; ./NAME.* otherwise.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help=".pth, .safetensors, .keras or .h5.")
    ] = None,
    random_weights: Annotated[bool, typer.Option("--random-weights", help="Draw the weights, from --seed.")] = False,
    check: Annotated[
        str, typer.Option("--check", metavar="LEVEL", help="full (training too) or quick (forward, counts).")
    ] = "full",
    pictures: Annotated[
        Path | None, typer.Option("--pictures", metavar="DIR", help="Check on these; noise otherwise.")
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Of the head; not with pretrained weights.")] = None,
    input_size: Annotated[
        str | None, typer.Option("--input-size", metavar="H,W", help="In pixels; the source's own otherwise.")
    ] = None,
    mirror: options.Mirror = None,
    offline: options.Offline = False,
    seed: Annotated[int, typer.Option("--seed", help="Of random weights and noise.")] = 0,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="NAME", help="What of training may be lost; repeatable.")
    ] = None,
    as_source: Annotated[
        bool, typer.Option("--source", help="Plain code and weights in a folder: torch or keras.")
    ] = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Turn any classifier into another framework's own, trainable, with a certificate that it is the same."""
    from bakeoff.cli._output import give
    from bakeoff.conversion.api import convert_source
    from bakeoff.workers.progress import progress

    with progress() as listen:
        done = convert_source(
            source,
            to,
            output,
            weights=weights,
            random_weights=random_weights,
            check=check,
            pictures=pictures,
            classes=classes,
            input_size=options.size_of(input_size, "--input-size"),
            mirror=None if mirror is None else str(mirror),
            offline=offline,
            seed=seed,
            accept=accept or (),
            page=as_source,
            listen=listen,
        )
    give(done.result, json, show)


def show(result: dict[str, Any]) -> None:
    """For a person."""
    from bakeoff.cli import _output as out
    from bakeoff.schemas import Declared

    console = out.console()
    console.print(out.checks("same?", result["checks"]))
    for note in result["notes"]:
        console.print(f"[dim]note[/dim]  {out.escaped(note)}")
    if result.get("caution"):
        console.print(f"[yellow]licence[/yellow]  {out.escaped(result['caution'])}")
    console.print(f"\n{result['summary']}", markup=False)
    console.print(f"\n{result['output']}\n{result['certificate']}", markup=False)
    out.next_steps(f"bakeoff verify {out.shell(result['certificate'])}")
    if result["declared"]:
        lost = "; ".join(str(Declared(**row)) for row in result["declared"])
        console.print(f"\n[yellow]declared[/yellow]  not kept of its training, as accepted: {out.escaped(lost)}")
