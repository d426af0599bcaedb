"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bakeoff.errors import UsageError

DataPath = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="A folder of class folders, a list, an archive, arrays, tfds/NAME, a URL, ..."),
]
RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe", "-r", metavar="NAME|FILE", help="A name of the library (bakeoff recipes), or a TOML file."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, as phases.0.epochs=1; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of split, start weights and order; the recipe's otherwise.")]
RunFolder = Annotated[Path | None, typer.Option("--run", metavar="DIR", help="The new run folder; runs/... otherwise.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of the libraries; all cores otherwise.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)]
"""Read from the words themselves by `main`; each verb takes it, so that it may stand anywhere."""


def listed(text: str | None, option: str) -> list[str]:
    """`a,b` as a list.

    Raises:
        UsageError: an entry is empty, or comes twice.
    """
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(parts) or len(set(parts)) < len(parts):
        raise UsageError(f"{option} {text!r}: expected different names with commas between them, as a,b.")
    return parts
