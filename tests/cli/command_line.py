"""What tests of the command line share: small images, and what a command line came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = {"猫": (200, 80, 60), "狗": (60, 90, 200)}


def write_photos(folder: Path, num: int = 12) -> Path:
    """Coloured noise, a folder a class."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for index in range(num):
            pixels = np.clip(np.array(colour) + rng.normal(0, 40, (24, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@dataclass(frozen=True)
class Output:
    """What a command line came to."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


Command = Callable[..., Output]
