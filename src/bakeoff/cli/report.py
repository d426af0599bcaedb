"""`bakeoff report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 4
EXAMPLES = (("bakeoff report runs/RUN", "of a training or a comparison; open it in a browser"),)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training or a comparison.")],
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write one self-contained HTML page about a run."""
    from bakeoff.cli import _output as out
    from bakeoff.report import build

    made = build(run)
    if json:
        out.print_json({"run": str(run), "report": str(made)})
    else:
        out.console().print(str(made), markup=False)
