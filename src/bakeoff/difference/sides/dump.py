"""What a side gave somewhere else: `INPUT.npy,LOGITS.npy`, or one of them: `inputs=FILE`, `logits=FILE`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bakeoff.difference.account import Account, Observed
from bakeoff.difference.inputs import channels_last
from bakeoff.difference.sides import Given
from bakeoff.difference.worlds import are_shares
from bakeoff.errors import DataError, UsageError
from bakeoff.files import absent
from bakeoff.schemas import Array

READS, PLACE = "a dump (INPUT.npy,LOGITS.npy)", 2
HOW = (
    "Save them with numpy.save: the input (N, H, W, C) or (N, C, H, W), the logits (N, classes), in the images' order."
)


def accepts(text: str) -> bool:
    """Whether its parts are .npy files."""
    return all(part.endswith(".npy") for part in text.split(",")) and bool(text)


def opened(text: str, given: Given) -> Account:
    """Inputs and logits as they were dumped; probabilities are known by their sum.

    Raises:
        DataError: a file is no array of floats, or has other rows than there are images.
    """
    inputs: Array | None = None
    scores: Array | None = None
    for part in text.split(","):
        found = _array(part)
        if found.ndim in (3, 4):
            inputs = channels_last(found if found.ndim == 4 else found[None])
        elif found.ndim in (1, 2):
            scores = found if found.ndim == 2 else found[None]
        else:
            raise DataError(f"{part}: an array {found.shape}. {HOW}")
    for rows, what in ((inputs, "inputs"), (scores, "logits")):
        if rows is not None and given.images and len(rows) != len(given.images):
            raise DataError(
                f"{text}: {len(rows)} {what} for {len(given.images)} images.\n"
                "Expected one each, in the order of their names."
            )
    if inputs is None and scores is None:
        raise UsageError(f"{text}: no file was named. {HOW}")
    return Account(text, "dump", seen=Observed(inputs, scores, scores is not None and are_shares(scores)))


def _array(part: str) -> Array:
    path = Path(part.partition("=")[2] or part)
    if not path.is_file():
        raise DataError(f"{path}: {absent(path)} {HOW}")
    try:
        found: Array = np.load(path, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: no array of NumPy ({str(error)[:80]}). {HOW}") from None
    if found.dtype.kind not in "fiu":
        raise DataError(f"{path}: an array of {found.dtype}; expected numbers. {HOW}")
    return found.astype(np.float32) if found.dtype.kind != "f" else found
