"""`bakeoff export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff import registry
from bakeoff.cli import _options as options

PANEL, PLACE = "Use", 3
FORMATS = registry.either(registry.names("bakeoff.exports.formats"))
EXAMPLES = (
    ("bakeoff export runs/RUN --to onnx --output cats.onnx", "one file for ONNX Runtime"),
    ("bakeoff export runs/RUN --to keras", "stock Keras layers, model.keras"),
    ("bakeoff predict cats.onnx cat.jpg", "what was exported predicts, too"),
)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a bundle.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help=f"{FORMATS}.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="What to write; ./model.* otherwise.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    model_version: Annotated[
        int | None,
        typer.Option("--model-version", metavar="N", help="Of a savedmodel; the next that is free otherwise."),
    ] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a model in another library's own format, with its preprocessing and class names."""
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say_unfinished
    from bakeoff.exports import export

    say_unfinished(run)
    made = export(run, to, output, force=force, model_version=model_version)
    size = sum(path.stat().st_size for path in ([made] if made.is_file() else made.rglob("*")) if path.is_file())
    if json:
        out.print_json({"run": str(run), "format": to, "output": str(made), "size_bytes": size})
        return
    console = out.console()
    console.print(f"{made}  {size / 1e6:,.2f} MB", markup=False)
    console.print(f"\n[dim]Next[/dim]\n  bakeoff predict {out.shell(made)} IMAGES")
