"""The arrays of golden pictures as a file has them: what belongs together, held before anything is compared.

A comparison with one row of labels is one with all of them, as NumPy spreads it, and one with an infinite tolerance
passes whatever comes: so an edited file is refused whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bakeoff.errors import CorruptError
from bakeoff.parity.deployed import FLOATS
from bakeoff.schemas import Array

AGAIN = "Export it anew."
TEXTS = ("names", "decoded", "prepared", "normalised", "labels")
FORMS = ("logits", "probabilities")
NEW = ("similarity", "near", "unknown", "threshold")  # not in older files


def hold(found: Mapping[str, Array]) -> None:
    """Hold what `numpy.load` gave to its shapes, types and finite numbers.

    Args:
        found: of N pictures and C classes TEXTS, str (N,); `output`, `noisy` and `tensor`, floats (N, C) or (N, 1);
            `probabilities` (N, C) and `margins` (N,), floats; `classes`, str (C,); `precision` and `form`, str;
            `similarity` and `near`, floats, and `unknown`, bool, (N,) or (0,), `threshold`, a float, or none of NEW;
            `sizes`, whole numbers (N,); `content`, uint8: all files, one behind the other.

    Raises:
        CorruptError: something differs.
        KeyError: an array is missing.
    """
    count, classes = found["names"].size, found["classes"].size
    wide: list[tuple[int, ...]] = [(count, classes), (count, 1)]
    shapes: dict[str, tuple[str, list[tuple[int, ...]]]] = {
        **dict.fromkeys(TEXTS, ("U", [(count,)])),
        **dict.fromkeys(("output", "noisy", "tensor"), ("f", wide)),
        "probabilities": ("f", wide[:1]),
        "margins": ("f", [(count,)]),
        "classes": ("U", [(classes,)]),
        "precision": ("U", [()]),
        "form": ("U", [()]),
        **dict.fromkeys(NEW[:2], ("f", [(count,), (0,)])),
        "unknown": ("b", [(count,), (0,)]),
        "threshold": ("f", [()]),
        "sizes": ("i", [(count,)]),
        "content": ("u", [(found["content"].size,)]),
    }
    old = not any(name in found for name in NEW)
    for name, (kind, allowed) in shapes.items():
        if old and name in NEW:
            continue
        array = found[name]
        if array.dtype.kind != kind or array.shape not in allowed:
            raise CorruptError(
                f"{name} is {array.dtype} {array.shape} for {count} pictures and {classes} classes. {AGAIN}"
            )
        if kind == "f" and not np.isfinite(array).all():
            raise CorruptError(f"{name} has numbers that aren't finite. {AGAIN}")
    sizes = found["sizes"].tolist()
    if not count or min(sizes) < 1 or sum(sizes) != found["content"].nbytes:
        raise CorruptError(f"{count} pictures don't fill {found['content'].nbytes:,} bytes. {AGAIN}")
    if str(found["precision"]) not in (*FLOATS, "int8") or str(found["form"]) not in FORMS:
        raise CorruptError(f"precision {str(found['precision'])!r}, form {str(found['form'])!r}. {AGAIN}")
