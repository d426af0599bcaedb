"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.protocols import LabelRule

# Options by their group in --help.
computing = partial(typer.Option, rich_help_panel="Computing")
weights = partial(typer.Option, rich_help_panel="Net and weights")
data = partial(typer.Option, rich_help_panel="Data")

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
Phases = Annotated[
    str | None,
    typer.Option(metavar="NAMES", help="Which of the recipe's strategies, as probe,finetune: probe, widen, finetune."),
]
Threads = Annotated[int | None, computing("--threads", min=1, help="Threads of the libraries; all cores otherwise.")]
Cluster = Annotated[
    str | None,
    computing("--cluster", metavar="WHERE", help="Of Ray: local (started here), auto (that runs), ray://HOST:PORT."),
]
Precision = Annotated[
    Literal["float32", "float64", "bfloat16", "float16"],
    computing(help="Of steps; 16 bits are mixed in over float32 weights, float16 on a GPU alone."),
]
Mirror = Annotated[Path | None, weights("--mirror", metavar="DIR", help="A folder of weights; also BAKEOFF_MIRROR.")]
Offline = Annotated[bool, weights("--offline", help="Never use the network.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, everything else on stderr.")]
Separator = Annotated[
    str | None,
    data("--label-separator", metavar="TEXT", help="A list's cell has several labels with this between them, as '|'."),
]
LabelColumns = Annotated[
    str | None, data("--label-columns", metavar="NAMES", help="A list's columns of 0 and 1, a class each.")
]
BadFiles = Annotated[
    Literal["fail", "exclude"] | None,
    data("--bad-files", help="Files that are no images: stop and name them, or leave them out and list them."),
]
FollowLinks = Annotated[
    bool, data("--follow-links", help="Symbolic links among the images are followed; else they are bad files.")
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


def size_of(text: str | None, option: str) -> tuple[int, int] | None:
    """`224,224` or `224` as (height, width).

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() for part in parts) or len(parts) not in (1, 2):
        raise UsageError(f"{option} {text}: expected height and width in pixels, as 224,224.")
    numbers = [int(part) for part in parts]
    return numbers[0], numbers[-1]


def shortcuts(
    recipe: str, phases: list[str], of_phase: dict[str, float | None], augment: str | None, size: str | None
) -> list[str]:
    """The usual changes of a recipe's keys: `of_phase` are settings of the phase that fine-tunes, by key.

    Raises:
        UsageError: the recipe has no such phase, or several.
    """
    from bakeoff.recipe import load, select_phases

    given = {key: value for key, value in of_phase.items() if value is not None}
    pixels = size_of(size, "--size")
    found = [f"augment.preset={augment}"] if augment else []
    found += [f"input.size=[{pixels[0]},{pixels[1]}]"] if pixels else []
    if not given:
        return found
    chosen = load(recipe)
    every = (select_phases(chosen, phases) if phases else chosen).phases
    tuned = [number for number, phase in enumerate(every) if phase.strategy == "finetune"]
    if len(tuned) != 1:
        raise UsageError(
            f"--epochs, --batch-size and --lr are for the phase that fine-tunes; of {recipe} there are {len(tuned)}.\n"
            f"Name the phase: --set phases.0.{next(iter(given))}={next(iter(given.values()))}"
        )
    return [*found, *(f"phases.{tuned[0]}.{key}={value}" for key, value in given.items())]


def label_rule(separator: str | None, columns: str | None) -> LabelRule | None:
    """How a list says several labels of an image; None where nothing was said."""
    from bakeoff.protocols import LabelRule

    if separator == "":
        raise UsageError("--label-separator: expected what stands between labels, as '|'.")
    return LabelRule(separator, tuple(listed(columns, "--label-columns"))) or None


def bad_file_changes(bad_files: str | None) -> list[str]:
    """`--bad-files` as a change of the recipe's key."""
    return [f"data.bad_files={bad_files}"] if bad_files else []


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


def listed(text: str | None, option: str, *, twice: bool = False) -> list[str]:
    """`a,b` as a list.

    Args:
        twice: whether an entry may come again.

    Raises:
        UsageError: an entry is empty, or comes twice.
    """
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(parts) or (len(set(parts)) < len(parts) and not twice):
        raise UsageError(
            f"{option} {text!r}: expected {'' if twice else 'different '}names with commas between them, as a,b."
        )
    return parts
