"""`bakeoff report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Make", 4
EXAMPLES = (
    ("bakeoff report runs/RUN", "of a training or a comparison; open report.html in a browser"),
    ("bakeoff report runs/RUN --lang zh --output report-zh.html", "in Chinese, to another file"),
)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder of a training or a comparison.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="What to write; RUN/report.html otherwise.")
    ] = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="English or Chinese.")] = "en",
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write one self-contained HTML page about a run."""
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say_unfinished
    from bakeoff.reports import report

    say_unfinished(run)
    made = report(run, output, lang=lang)
    if json:
        out.print_json({"run": str(run), "report": str(made)})
    else:
        out.console().print(str(made), markup=False)
