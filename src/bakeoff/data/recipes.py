"""Images as a recipe says: its shares, folds and labels."""

from __future__ import annotations

from pathlib import Path

from bakeoff.data.assignment import BadFiles
from bakeoff.data.reader import Data, read_data
from bakeoff.preprocessing import Signature
from bakeoff.protocols import LabelRule, Progress
from bakeoff.recipe.schema import DataSettings, Recipe


def read_for(
    recipe: Recipe,
    path: str | Path,
    seed: int,
    *,
    frozen: str | Path | None = None,
    labels: LabelRule | None = None,
    judged: bool = False,
    bad_files: BadFiles | None = None,
    follow_links: bool | None = None,
    signature: Signature | None = None,
    progress: Progress | None = None,
) -> Data:
    """The images of `path`, read and split as the recipe says.

    Args:
        seed: of the split.
        frozen: a run whose sides are kept.
        labels: how a list says that images have several labels; None: as the recipe has it.
        judged: as `read_data` has it.
        bad_files, follow_links: None: as the recipe has it.
        signature: as `read_data` has it.
    """
    asked = recipe.data
    return read_data(
        path,
        split=(asked.split.train, asked.split.validation, asked.split.test),
        seed=seed,
        bad_files=bad_files or asked.bad_files,
        folds=asked.folds,
        fold=asked.fold,
        frozen=frozen,
        labels=labels or rule_of(asked),
        judged=judged,
        follow_links=asked.follow_links if follow_links is None else follow_links,
        signature=signature,
        progress=progress,
    )


def rule_of(settings: DataSettings) -> LabelRule | None:
    """How the recipe says that a list has several labels an image; None where it doesn't."""
    return LabelRule(settings.label_separator, settings.label_columns) or None
