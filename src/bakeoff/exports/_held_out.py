"""The images that a run was trained and judged on, where they still are: by them an artefact is checked."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bakeoff.bundle import Bundle
from bakeoff.data import Data, Split
from bakeoff.data.assignment import FROZEN
from bakeoff.data.labels import arranged
from bakeoff.data.recipes import read_for
from bakeoff.errors import BakeoffError, DataError, UsageError
from bakeoff.exports._answers import BETWEEN
from bakeoff.preprocessing import normalize
from bakeoff.recipe import loads
from bakeoff.rundir.result import read_result
from bakeoff.schemas import Array
from bakeoff.seeds import rng

CALIBRATION = 128  # images of the training set


class HeldOut(NamedTuple):
    """Files whose labels are known, and the names of these, joined where there are several."""

    contents: list[bytes]
    labels: Array


def data_of(run: Path | None, bundle: Bundle, given: Path | None = None) -> tuple[Data | None, str]:
    """The images of a run, split as in training; or None, and why there are none.

    Args:
        run: its folder; None: a bundle of its own.
        given: where the images are now; None: where they were.

    Raises:
        UsageError: images were given, and can't be used.
    """
    try:
        if run is None or not (run / FROZEN).is_file():
            raise DataError("which images it was trained on isn't known")
        where = Path(read_result(run).data) if given is None else given
        if given is None and not where.exists():
            raise DataError(f"its images are no longer at {where}; say where: --data DATA")
        recipe = loads(bundle.recipe_toml)
        found = read_for(recipe, where, recipe.seed, judged=True, frozen=run, bad_files="exclude")
        if foreign := set(found.classes) - set(bundle.classes):
            raise DataError(f"{where}: its classes aren't the model's: {', '.join(sorted(foreign)[:3])}")
    except BakeoffError as error:
        if given is not None:
            raise UsageError(f"--data {given}: {error}") from None
        return None, str(error).splitlines()[0]
    return found, ""


def held_out(data: Data, split: str, bundle: Bundle, most: int) -> HeldOut | None:
    """At most so many images of a split, always the same ones; None where it has none."""
    part = data.splits.get(split)
    if part is None or not len(part):
        return None
    rows = np.sort(rng(0, "gate", record=split).permutation(len(part))[:most])
    contents, kept = [], []
    for row in rows.tolist():
        try:
            contents.append(_bytes(part.images.source(int(part.indices[row]))))
        except DataError:  # changed or gone since
            continue
        kept.append(row)
    return HeldOut(contents, _names(data, part, bundle)[kept]) if kept else None


def calibration(data: Data | None, why: str, bundle: Bundle) -> Array:
    """Normalised images of the training set, float32 (N, H, W, C), always the same ones.

    Raises:
        UsageError: there are none.
    """
    part = None if data is None else data.splits.get("train")
    if part is None or not len(part):
        raise UsageError(f"--precision int8 needs training images for its scales: {why or 'there are none'}.")
    order = rng(0, "calibration").permutation(len(part))[:CALIBRATION]
    batches = part.batches(signature=bundle.signature, batch_size=32, shuffle=False, order=order, cache="none")
    return np.concatenate([normalize(batch.images, bundle.signature) for batch in batches])


def _bytes(source: Any) -> bytes:
    """A file as it is; an array as a PNG of it."""
    from PIL import Image

    if isinstance(source, bytes):
        return source
    if isinstance(source, str):
        return Path(source).read_bytes()
    content = BytesIO()
    Image.fromarray(source[..., 0] if source.shape[2:] == (1,) else source).save(content, "PNG")
    return content.getvalue()


def _names(data: Data, part: Split, bundle: Bundle) -> Array:
    if not bundle.multilabel:
        return np.asarray(np.array(data.classes, str)[part.labels])
    rows = arranged(part.labels, data.classes, bundle.classes)
    return np.array([BETWEEN.join(sorted(np.array(bundle.classes)[row > 0])) for row in rows], str)
