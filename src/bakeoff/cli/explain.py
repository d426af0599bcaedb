"""`bakeoff explain`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 6
EXAMPLES = (
    ("bakeoff explain model.keras model.pt2 --images photos/", "two models on the same images"),
    ("bakeoff explain train_torch.py train_keras.py", "two training scripts: each runs for a few steps"),
    ("bakeoff explain runs/RUN http://localhost:8501/v1/models/NAME --images photos/", "a run and a server"),
    ("bakeoff explain model.keras --b-dump input.npy,logits.npy --images cat.jpg", "what another machine gave"),
    ("bakeoff explain a.pt2 b.keras --a-input torchvision:IMAGENET1K_V1 --b-pre b.py:load", "with their preprocessing"),
    ("bakeoff explain runs/RUN --expect 72.5 --images validation/", "a promised figure"),
)
SIDE = "a run, a model, an exported file, a URL, a training script (.py; it is run), or a dump"


def command(
    a: Annotated[str, typer.Argument(metavar="A", help=f"One side: {SIDE}.")],
    b: Annotated[str | None, typer.Argument(metavar="B", help="The other side.")] = None,
    images: Annotated[
        Path | None, typer.Option("--images", metavar="FOLDER", help="Images to ask both about; noise otherwise.")
    ] = None,
    a_input: Annotated[
        str | None, typer.Option("--a-input", metavar="HOW", help="A's preprocessing: keras:NAME, ..., or key=value.")
    ] = None,
    b_input: Annotated[str | None, typer.Option("--b-input", metavar="HOW", help="B's, likewise.")] = None,
    a_pre: Annotated[
        str | None, typer.Option("--a-pre", metavar="FILE.py:FUNCTION", help="A's preprocessing, which is run.")
    ] = None,
    b_pre: Annotated[str | None, typer.Option("--b-pre", metavar="FILE.py:FUNCTION", help="B's, likewise.")] = None,
    b_dump: Annotated[
        str | None, typer.Option("--b-dump", metavar="FILES", help="B as INPUT.npy,LOGITS.npy, or one of them.")
    ] = None,
    a_weights: Annotated[
        Path | None, typer.Option("--a-weights", metavar="FILE", help="Of A, where it is a source by name.")
    ] = None,
    b_weights: Annotated[Path | None, typer.Option("--b-weights", metavar="FILE", help="Of B, likewise.")] = None,
    expect: Annotated[
        float | None, typer.Option("--expect", metavar="PERCENT", help="The accuracy that was promised, as B.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of a script that are recorded.")] = 8,
    start: Annotated[
        bool, typer.Option("--start", help="Of scripts: the law of their start weights may be a cause, too.")
    ] = False,
    token: Annotated[str, typer.Option(envvar="BAKEOFF_TOKEN", help="A server's secret.")] = "",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Say why two sides differ: each cause switched alone, its share, and the line to change."""
    from bakeoff.cli._output import give
    from bakeoff.difference.api import explain

    found = explain(
        a,
        b,
        images,
        a_input=a_input,
        b_input=b_input,
        a_pre=a_pre,
        b_pre=b_pre,
        b_dump=b_dump,
        a_weights=None if a_weights is None else str(a_weights),
        b_weights=None if b_weights is None else str(b_weights),
        expect=expect,
        token=token,
        steps=steps,
        start=start,
    )
    give(dict(found.result), json, _show)


def _show(result: Mapping[str, Any]) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    stages = out.table("stage", "", "difference", numbers=("difference",))
    colours = {"equal": "[green]equal[/green]", "differs": "[bold red]differs[/bold red]"}
    for row in result["stages"]:
        detail = row.get("detail") or row.get("layer") or ""
        size = row.get("difference", row.get("local"))
        shown = "" if size is None else f"{size:.2g}"
        stages.add_row(row["stage"], colours.get(row["state"], row["state"]), out.plain(f"{shown} {detail}".strip()))
    console.print(stages)
    console.print(f"\n[bold]Verdict[/bold]  {out.escaped(result['verdict'])}")
    for name in ("causes", "harmless"):
        for row in result[name]:
            _cause(console, row, name == "harmless")
    for note in result["notes"]:
        console.print(f"[dim]note[/dim]  {out.escaped(note)}")


def _cause(console: Any, row: Mapping[str, Any], harmless: bool) -> None:
    from bakeoff.cli import _output as out

    share = "harmless" if harmless else f"{100 * row['share']:.0f} %"
    console.print(f"\n[bold]{share}[/bold]  {out.escaped(row['cause'])} ({out.escaped(row['place'])})")
    console.print(f"  {out.escaped(row['sentence'])}", soft_wrap=True)
    low, high = row["effect_logits_interval"]
    effect = f"logits {row['effect_logits']:.3g} ({low:.3g} to {high:.3g})"
    if row["effect_accuracy"] is not None:
        low, high = (100 * one for one in row["effect_accuracy_interval"])
        effect += f", accuracy {100 * row['effect_accuracy']:+z.1f} points ({low:+z.1f} to {high:+z.1f})"
    console.print(f"  effect: {effect}")
    if not harmless:
        for framework, line in row["fix"].items():
            console.print(f"  {framework}: {out.escaped(line)}", soft_wrap=True)
