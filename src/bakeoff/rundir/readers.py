"""Reading what a run folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import files
from bakeoff.errors import DataError, VersionError
from bakeoff.schemas import SCHEMA, Predictions


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of a run.

    Raises:
        DataError: it isn't there, or isn't JSON.
        VersionError: of another schema.
    """
    try:
        value: dict[str, Any] = files.read_json(path)
    except FileNotFoundError:
        raise DataError(
            f"{path}: not found; {path.parent} is not a finished run. Train one: bakeoff train DATA"
        ) from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: can't be read ({error}). Train the run again.") from None
    found = value.get("schema") if isinstance(value, dict) else None
    if found != SCHEMA:
        raise VersionError(
            f"{path}: schema {found!r}; this version of Bakeoff reads {SCHEMA}.\n"
            "Use the version that wrote it (see environment.json), or train the run again."
        )
    return value


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file; none where it is missing."""
    if not path.is_file():
        return []
    with files.regular(path) as rows:
        return [json.loads(line) for line in rows if line.strip()]


def read_predictions(run: Path, split: str) -> Predictions | None:
    """The kept logits of a split."""
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with files.regular(path) as stream, np.load(stream, allow_pickle=False) as arrays:
        return Predictions(arrays["logits"], arrays["labels"], arrays["records"])


def read_paths(run: Path, split: str) -> NDArray[np.str_] | None:
    """The names of the images of a split, in the order of its predictions; None where they weren't kept."""
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with files.regular(path) as stream, np.load(stream, allow_pickle=False) as arrays:
        return arrays["paths"] if "paths" in arrays.files else None
