"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.protocols import LabelRule

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
Precision = Annotated[
    Literal["float32", "float64", "bfloat16", "float16"],
    typer.Option(help="Of steps; 16 bits are mixed in over float32 weights, float16 on a GPU alone."),
]
Mirror = Annotated[
    Path | None, typer.Option("--mirror", metavar="DIR", help="A folder of weights; also BAKEOFF_MIRROR.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Separator = Annotated[
    str | None,
    typer.Option(
        "--label-separator", metavar="TEXT", help="A list's cell has several labels with this between them, as '|'."
    ),
]
LabelColumns = Annotated[
    str | None, typer.Option("--label-columns", metavar="NAMES", help="A list's columns of 0 and 1, a class each.")
]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Symbolic links among the images are followed; else they are bad files.")
]
Tta = Annotated[
    str,
    typer.Option("--tta", metavar="NAME", help="flip: ask about each image and its mirror image, and take the mean."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", hidden=True)]
"""Read from the words themselves by `main`; each verb takes it, so that it may stand anywhere."""


@contextmanager
def network(mirror: Path | None, offline: bool) -> Iterator[None]:
    """Where weights are looked for, for this process and its workers."""
    import os

    before = dict(os.environ)
    os.environ.update({"BAKEOFF_MIRROR": str(mirror.resolve())} if mirror else {})
    os.environ.update({"BAKEOFF_OFFLINE": "1"} if offline else {})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def label_rule(separator: str | None, columns: str | None) -> LabelRule | None:
    """How a list says several labels of an image; None where nothing was said."""
    from bakeoff.protocols import LabelRule

    if separator == "":
        raise UsageError("--label-separator: expected what stands between labels, as '|'.")
    return LabelRule(separator, tuple(listed(columns, "--label-columns"))) or None


def label_changes(separator: str | None, columns: str | None) -> list[str]:
    """The same as changes of a recipe's keys."""
    import json

    rule = label_rule(separator, columns)
    found = []
    if rule and rule.separator is not None:
        found.append(f"data.label_separator={json.dumps(rule.separator, ensure_ascii=False)}")
    if rule and rule.columns:
        found.append(f"data.label_columns={json.dumps(rule.columns, ensure_ascii=False)}")
    return found


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
