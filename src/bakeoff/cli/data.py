"""`bakeoff data`: verbs about data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import _options as options
from bakeoff.cli._app import epilog

PANEL, PLACE = "Make", 1
EXAMPLES = (("bakeoff data sample digits digits", "1,797 handwritten digits as class folders"),)

GROUP = typer.Typer(help="Data to try things on.", rich_markup_mode="rich")
SAMPLES = ("digits",)


@GROUP.callback()
def _group() -> None:
    """Data to try things on."""


@GROUP.command(no_args_is_help=True, epilog=epilog(EXAMPLES))
def sample(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of: {', '.join(SAMPLES)}.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a data set that comes with the installation, as class folders."""
    from bakeoff.cli import _output as out
    from bakeoff.data import write_digits
    from bakeoff.errors import UsageError
    from bakeoff.registry import nearest

    if name not in SAMPLES:
        raise UsageError(f"unknown sample {name!r}{nearest(name, SAMPLES)}\nKnown: {', '.join(SAMPLES)}")
    num = write_digits(directory)
    if json:
        out.print_json({"sample": name, "path": str(directory), "num": num})
        return
    console = out.console()
    console.print(f"{num:,} pictures of 10 classes in {out.shell(directory)}", markup=False)
    console.print(f"\n[dim]Next[/dim]\n  bakeoff train {out.shell(directory)} --recipe mnist-cnn")
