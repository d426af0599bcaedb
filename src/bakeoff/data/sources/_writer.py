"""Images that came from elsewhere, written to a folder that the other sources read: files and a list, or one .npz.

Small arrays of one shape become `arrays.npz`; everything else files as they came (arrays as PNG) with `index.jsonl` and
`classes.txt`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.sources._names import CLASSES
from bakeoff.data.sources._structure import code_of
from bakeoff.errors import DataError
from bakeoff.preprocessing.formats import sniff

SMALL = 64  # arrays up to this side are kept as arrays
INDEX, ARRAYS = "index.jsonl", "arrays.npz"
_SUFFIX = {"JPEG": "jpg", "JPEG 2000": "jp2", "PNM": "ppm"}
_PARTS = {-1: "train", 0: "train", 1: "val", 2: "test"}


class Writer:
    """Fills a folder; to be used as a context.

    Args:
        target: an empty folder.
        classes: names in their order; where there are none, labels are names by themselves.
    """

    def __init__(self, target: Path, classes: Sequence[str] = ()) -> None:
        self.target, self.classes = target, tuple(classes)
        self.count = 0
        self._arrays: list[tuple[NDArray[np.uint8], str, int]] = []
        self._index: IO[str] | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self._index is not None:
            self._index.close()
        if kind is None:
            self._finish()

    def add(
        self, image: bytes | NDArray[np.uint8], label: str | tuple[str, ...], split: str = "", group: str = ""
    ) -> None:
        """One image: the bytes of a file, or uint8, (H, W) or (H, W, 1 or 3); several labels are a tuple."""
        self.count += 1
        if isinstance(image, np.ndarray) and isinstance(label, str) and not group and self._fits(image):
            code = code_of(split)
            self._arrays.append((image, label, -1 if code is None else code))
            return
        self._spill()
        self._file(image, label, split, group)

    def _fits(self, image: NDArray[np.uint8]) -> bool:
        same = not self._arrays or self._arrays[0][0].shape == image.shape
        return self._index is None and max(image.shape[:2]) <= SMALL and same

    def _spill(self) -> None:
        """Arrays that were kept so far become files, too."""
        kept, self._arrays = self._arrays, []
        for image, label, code in kept:
            self._file(image, label, {-1: "", 0: "train", 1: "validation", 2: "test"}[code], "")

    def _file(self, image: bytes | NDArray[np.uint8], label: str | tuple[str, ...], split: str, group: str) -> None:
        from PIL import Image

        if self._index is None:
            self._index = (self.target / INDEX).open("w", encoding="utf-8")
            self._written = 0
        folder = self.target / (split or "pictures") / f"{self._written // 1000:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(image, np.ndarray):
            place = folder / f"{self._written:07d}.png"
            Image.fromarray(image.squeeze()).save(place)
        else:
            kind = sniff(image[:16])
            place = folder / f"{self._written:07d}.{_SUFFIX.get(kind, kind.lower() or 'jpg')}"
            place.write_bytes(image)
        self._written += 1
        row = {"path": str(place.relative_to(self.target)), "label": label, "split": split, "group": group}
        self._index.write(json.dumps(row) + "\n")

    def _finish(self) -> None:
        if not self.count:
            raise DataError("no images came.")
        if self._index is not None:
            if self.classes:
                (self.target / CLASSES).write_text("\n".join(self.classes) + "\n", encoding="utf-8")
            return
        codes = {code for _, _, code in self._arrays}
        if -1 in codes or 0 not in codes:  # an .npz has a training set, always
            self._spill()
            self._finish()
            return
        names = self.classes or tuple(sorted({label for _, label, _ in self._arrays}))
        number = {name: index for index, name in enumerate(names)}
        arrays: dict[str, Any] = {"classes": np.array(names)}
        for code in sorted(codes):
            rows = [(image, number[label]) for image, label, own in self._arrays if own == code]
            arrays[f"x_{_PARTS[code]}"] = np.stack([image for image, _ in rows])
            arrays[f"y_{_PARTS[code]}"] = np.array([label for _, label in rows], np.int64)
        np.savez(self.target / ARRAYS, **arrays)


def written(target: Path) -> Path:
    """What of a folder is to be read."""
    arrays = target / ARRAYS
    return arrays if arrays.is_file() else target / INDEX
