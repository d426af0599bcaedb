"""Folders of small images for the tests of this room."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_folder(root: Path, counts: dict[str, int], *, size: tuple[int, int] = (6, 8), seed: int = 0) -> Path:
    """Class folders of different random PNGs under `root`; a key may be a path such as train/cat."""
    draw = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = draw.integers(0, 256, (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index:03d}.png")
    return root
