"""`bakeoff find-rate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options
from bakeoff.errors import UsageError

PANEL, PLACE = "Make", 5
EXAMPLES = (
    ("bakeoff find-rate digits -r mnist-cnn", "the rate at which the loss falls fastest"),
    ("bakeoff find-rate photos --phases finetune --plot rates.html", "with the curve"),
)
STYLE = (
    "body{font:16px system-ui;max-width:44rem;margin:2rem auto}svg{width:100%;height:auto}"
    ".line{fill:none;stroke:#1f6feb;stroke-width:2}.grid,.axis{stroke:#ccc}text{font-size:12px;fill:#555}"
)


def command(
    data: options.DataPath,
    recipe: options.RecipeName = "photos",
    overrides: options.Overrides = None,
    framework: Annotated[str | None, typer.Option(metavar="NAME", help="torch, tensorflow or jax.")] = None,
    phases: options.Phases = None,
    seed: options.Seed = None,
    steps: Annotated[
        int, typer.Option(min=10, help="How many in each of three sweeps, from a rate of 1e-6 to 1.")
    ] = 100,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the curve.")] = None,
    threads: options.Threads = None,
    bad_files: options.BadFiles = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train for some steps at growing rates, and say which one to start from; nothing is kept."""
    from bakeoff.cli import _output as out
    from bakeoff.files import write_text
    from bakeoff.training.find_rate import find_rate
    from bakeoff.workers.progress import progress

    if plot is not None and (plot.suffix.lower() not in (".html", ".htm") or not plot.parent.is_dir()):
        raise UsageError(f"--plot {plot}: expected an .html file in a folder that is there, as rates.html.")
    with progress() as listen:
        found = find_rate(
            data,
            recipe,
            framework=framework,
            overrides=[*(overrides or ()), *options.bad_file_changes(bad_files)],
            phases=options.listed(phases, "--phases"),
            seed=seed,
            steps=steps,
            threads=threads,
            listen=listen,
        )
    if plot is not None:
        write_text(plot, page(found.to_json()))
    if json:
        out.print_json(found.to_json())
        return
    out.console().print(f"[bold]{found.rate:.1e}[/bold]  is a rate to train with: the loss falls fast there")
    out.console().print(f"  --set {found.override}", markup=False)


def page(found: dict[str, Any]) -> str:
    """The curve as an HTML page of its own."""
    from bakeoff.drawing.svg import Series, lines

    points: Sequence[tuple[float, float]] = [
        (math.log10(rate), loss) for rate, loss in zip(found["rates"], found["losses"], strict=True)
    ]
    curve = lines(
        [Series("loss", tuple(points))],
        title="Loss by learning rate",
        x_label="log10 of the learning rate",
        y_format=lambda value: f"{value:.2f}",
    )
    return (
        f"<!doctype html><meta charset=utf-8><title>Learning rates</title><style>{STYLE}</style>"
        f"<h1>Loss by learning rate</h1>{curve}<p>A rate to train with: {found['rate']:.1e}.</p>\n"
    )
