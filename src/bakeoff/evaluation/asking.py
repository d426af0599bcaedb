"""Asking a model: from prepared images to probabilities, and to what a row says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.evaluation.kinds import of, of_loss
from bakeoff.evaluation.tta import mirrored
from bakeoff.files import said
from bakeoff.preprocessing import normalize
from bakeoff.runtimes import Opened
from bakeoff.runtimes._runtime import Mapped
from bakeoff.schemas import Array

Ask = Callable[[NDArray[np.uint8]], tuple[Array, Array | None]]


def asking(opened: Opened, dtype: str = "float32", tta: str = "none") -> Ask:
    """From uint8 images to probabilities (N, classes), and similarities (N,) where the model knows them."""

    def both(images: Array) -> tuple[Array, Array | None]:
        try:
            if opened.unknown is None:
                found, near = np.asarray(opened.runtime.predict(images)), None
            else:
                found, *_, column = cast(Mapped, opened.runtime).values(images)
                near = column[:, 0]
        except BakeoffError:
            raise
        except Exception as error:  # of any library, about what the file asks for
            raise CorruptError(f"{opened.path}: the model can't be run: {said(error)}. Export it anew.") from error
        count, known = len(images), len(opened.classes)
        if found.dtype.kind != "f" or found.shape not in ((count, known), (count, 1 if known == 2 else known)):
            raise CorruptError(
                f"{opened.path}: the model gives {found.dtype} {found.shape} for {count} images and {known} classes. "
                "Export it anew."
            )
        if not np.isfinite(found).all() or not (near is None or np.isfinite(near).all()):
            raise BakeoffError(
                f"{opened.path}: the model gives numbers that aren't finite. Train it again with a lower rate."
            )
        return found, near

    def ask(images: NDArray[np.uint8]) -> tuple[Array, Array | None]:
        ready = normalize(images, opened.signature, dtype)
        if opened.output == "probabilities":
            shares = both(ready)[0].astype(np.float64)
            return shares if tta == "none" else (shares + both(mirrored(ready))[0]) / 2, None
        plain, near = both(ready)  # the threshold was chosen on images as they are: so is what it judges
        views = [plain, *([] if tta == "none" else [both(mirrored(ready))[0]])]
        # by the logits, too: a net of another library may have a sigmoid over several classes
        kind = of(multilabel=of_loss(opened.loss).multilabel, outputs=views[0].shape[1])
        return kind.probabilities(views[0] if tta == "none" else kind.averaged(views)), near

    return ask


def row(opened: Opened, shares: Array, near: float | None, top: int) -> dict[str, Any]:
    """What `predict` says of one image, but its path.

    Args:
        opened: the model.
        shares: the probabilities, (classes,).
        near: the similarity to the nearest class; None: not known.
        top: how many classes it lists.
    """
    found = of_loss(opened.loss).row(shares, opened.classes, opened.threshold, top)
    if near is not None and opened.unknown is not None:
        found |= {"unknown": bool(near < opened.unknown), "similarity": float(near)}
    return found
