"""Reading what a run folder holds."""

from __future__ import annotations

import json
from pathlib import Path
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import files
from bakeoff.errors import DataError, VersionError
from bakeoff.files import named, read_arrays
from bakeoff.schemas import SCHEMA, Predictions

ANEW = "Train the run again."


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
    """The rows of a JSON Lines file; none where it is missing.

    Raises:
        CorruptError: a row is no JSON object, or has something else than a number in the place of one.
    """
    if not path.is_file():
        return []
    with named(path, ANEW), files.regular(path) as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
        for number, row in enumerate(rows, 1):
            odd = [key for key, value in row.items() if key.startswith(_NUMBERS) and not _is_number(key, value)]
            if odd or not isinstance(row.get("phase", ""), str):
                raise ValueError(f"row {number} has no number in {odd[0]!r}" if odd else f"row {number} has no phase")
        return rows


_NUMBERS = ("loss", "rate", "step", "epoch", "train_", "validation_")


def _is_number(key: str, value: object) -> bool:
    most = 1.0 if key.endswith("accuracy") else float_info.max
    return value is None or (isinstance(value, int | float) and (abs(value) <= most or (value != value and most > 1)))


def read_predictions(run: Path, split: str) -> Predictions | None:
    """The kept logits of a split.

    Raises:
        CorruptError: they aren't logits, or there isn't a label for each image.
    """
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with named(path, ANEW):
        arrays = read_arrays(path)
        found = Predictions(arrays["logits"], arrays["labels"], arrays["records"], near := arrays.get("similarity"))
        (logits, labels), count = (found.logits, found.labels), len(found.logits)
        kinds = [array.dtype.kind for array in (logits, labels, found.records)]
        if kinds[0] != "f" or not set(kinds[1:]) <= set("iu") or logits.ndim != 2 or not np.isfinite(logits).all():
            raise ValueError(f"logits {logits.dtype} {logits.shape}, labels {labels.dtype}, or some aren't finite")
        if labels.shape not in ((count,), logits.shape) or found.records.shape != (count,) or not count:
            raise ValueError(f"logits {logits.shape}, labels {labels.shape}")
        if labels.min() < 0 or labels.max() > (1 if labels.ndim == 2 else max(logits.shape[1], 2) - 1):
            raise ValueError("labels without a logit")
        if near is not None and (near.dtype.kind != "f" or near.shape != (count,) or not np.isfinite(near).all()):
            raise ValueError(f"similarity {near.dtype} {near.shape}, or some aren't finite")
        return found


def read_paths(run: Path, split: str) -> NDArray[np.str_] | None:
    """The names of the images of a split, in the order of its predictions; None where they weren't kept."""
    path = run / "predictions" / f"{split}.npz"
    if not path.is_file():
        return None
    with named(path, ANEW):
        arrays = read_arrays(path)
        paths: NDArray[np.str_] | None = arrays.get("paths")
        if paths is not None and (paths.dtype.kind != "U" or paths.shape != arrays["records"].shape):
            raise ValueError(f"paths are {paths.dtype} {paths.shape}")
        return paths
