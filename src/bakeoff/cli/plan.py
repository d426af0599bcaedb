"""`bakeoff plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.cli import _options as options

if TYPE_CHECKING:
    from bakeoff.scale.api import Plan
    from bakeoff.scale.costs import Forecast

PANEL, PLACE = "Make", 6
EXAMPLES = (
    ("bakeoff plan photos -r photos-whole --workers 2", "what two workers here would win, measured in half a minute"),
    ("bakeoff plan photos -r photos-whole --pictures 1m --price 2.5", "and a million photos, and what that costs"),
    ("bakeoff plan photos -r photos-whole --measure h100.json", "unit costs, written on a machine of another kind"),
    ("bakeoff plan photos --device h100 --workers 4 --machines 4 --network 1.25e9", "and planned with here"),
)
DATA = typer.Argument(metavar="DATA", help="Some images of the kind.", show_default=False)
PICTURES = typer.Option(metavar="N", help="How many there will be, as 50k, 100m; as in DATA otherwise.")
NETWORK = typer.Option(metavar="BYTES", help="Bytes a second between machines; 1.25e9 is 10 Gbit/s.")


def command(
    data: Annotated[Path | None, DATA] = None,
    recipe: options.RecipeName = "photos-whole",
    overrides: options.Overrides = None,
    framework: Annotated[str | None, typer.Option(metavar="NAME", help="torch, tensorflow or jax.")] = None,
    workers: Annotated[int, typer.Option(metavar="N", min=1, help="Processes that train together.")] = 1,
    machines: Annotated[int, typer.Option(metavar="N", min=1, help="That they are spread over.")] = 1,
    pictures: Annotated[str | None, PICTURES] = None,
    network: Annotated[float | None, NETWORK] = None,
    price: Annotated[float | None, typer.Option(metavar="X", help="Of a machine for an hour.")] = None,
    device: Annotated[
        str | None, typer.Option(metavar="FILE", help="What --measure wrote there; here otherwise.")
    ] = None,
    measure: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what this machine costs.")] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Say what a training would take with more workers, machines and images, from unit costs measured here."""
    from bakeoff.cli import _output as out
    from bakeoff.scale.api import number, plan
    from bakeoff.workers.progress import progress

    with progress() as listen:
        found = plan(
            data,
            recipe,
            framework=framework,
            overrides=overrides or (),
            workers=workers,
            machines=machines,
            images=None if pictures is None else number(pictures, "--pictures"),
            network=network,
            price=price,
            device=device,
            measure=measure,
            listen=listen,
        )
    if json:
        out.print_json(found.to_json())
    else:
        _show(found)


def _show(found: Plan) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    units, there, alone = found.units, found.forecast, found.alone
    rows = Table("", "1 worker", f"{found.wanted.workers} workers", box=None, pad_edge=False)
    if found.wanted.workers == 1:
        rows = Table("", "1 worker", box=None, pad_edge=False)
    for name, key in (("all of it", "total_s"), ("until the first step", "start_s"), ("an epoch", "epoch_s")):
        rows.add_row(name, *(out.seconds(getattr(one, key)) for one in _columns(found)))
    for name, key in (("a step", "step_s"), ("  gradients", "gradients_s"), ("  exchange", "exchange_s")):
        rows.add_row(name, *(f"{1000 * getattr(one, key):.1f} ms" for one in _columns(found)))
    for name, key in (("  optimizer", "apply_s"), ("  input", "input_s"), ("  the rest", "loop_s")):
        rows.add_row(name, *(f"{1000 * getattr(one, key):.1f} ms" for one in _columns(found)))
    rows.add_row("memory a worker", *(f"{one.memory_bytes / 1e6:,.0f} MB" for one in _columns(found)))
    rows.add_row("decoded images", *(f"{one.decoded_bytes / 1e6:,.0f} MB" for one in _columns(found)))
    rows.add_row("machine-hours", *(f"{one.machine_hours:.3g}" for one in _columns(found)))
    if there.price is not None:
        rows.add_row("price", *(f"{one.price:.2f}" for one in _columns(found)))
    console = out.console()
    console.print(f"[bold]{units.recipe}[/bold] in {units.framework}, measured on: {units.machine}")
    console.print(rows)
    if found.wanted.workers > 1:
        gain = alone.total_s / there.total_s
        console.print(
            f"{gain:.2f} x as fast in all, {alone.step_s / there.step_s:.2f} x a step; most of it: {there.bound}"
        )


def _columns(found: Plan) -> list[Forecast]:
    return [found.alone] if found.wanted.workers == 1 else [found.alone, found.forecast]
