"""Data that comes with the installation, for a first try."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.files import make_folder, opened
from bakeoff.shown import shell

SAMPLES = ("digits",)


def remedy(path: Path) -> str:
    """What to do where no data is at a path: a sample has a command."""
    if path.name in SAMPLES:
        return f"Make it: bakeoff data sample {path.name} {shell(path)}"
    return "Give a folder of class folders, a list, an archive, arrays, ..."


def write_digits(directory: str | os.PathLike[str]) -> int:
    """How many images were written: scikit-learn's 1,797 handwritten digits, as class folders of grey 8 x 8 PNGs.

    A pixel is value * 255 / 16, rounded; the names are row numbers. The same bytes each time.

    Raises:
        UsageError: the directory isn't empty, or is a file.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    root = Path(directory)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root}: {'not empty' if root.is_dir() else 'a file'}; give a new or an empty directory.")
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    for name in digits.target_names:
        make_folder(root / str(name), root)
    for index, (image, label) in enumerate(zip(images, digits.target, strict=True)):
        place = root / str(label) / f"{index:04d}.png"
        with os.fdopen(opened(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, root), "wb") as file:
            Image.fromarray(image).save(file, "PNG")
    return len(images)
