"""Images that show several things: which of five shapes are on them is their labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("bar", "box", "cross", "dot", "ring")


def made(names: tuple[str, ...], rng: np.random.Generator, side: int = 32) -> Image.Image:
    """Each shape in a place of its own, on noise."""
    image = Image.fromarray(rng.integers(0, 60, (side, side), dtype=np.uint8))
    brush, step = ImageDraw.Draw(image), side // 3
    places = rng.permutation(9)[: len(names)]
    for name, place in zip(names, places.tolist(), strict=True):
        x, y = place % 3 * step + int(rng.integers(0, 3)), place // 3 * step + int(rng.integers(0, 3))
        box = (x, y, x + step - 4, y + step - 4)
        middle = (x + step // 2 - 2, y + step // 2 - 2)
        ink = int(rng.integers(190, 255))
        if name == "bar":
            brush.rectangle((x, middle[1] - 1, box[2], middle[1]), fill=ink)
        elif name == "box":
            brush.rectangle(box, fill=ink)
        elif name == "cross":
            brush.line((x, y, box[2], box[3]), fill=ink, width=2)
            brush.line((x, box[3], box[2], y), fill=ink, width=2)
        elif name == "dot":
            brush.ellipse((middle[0] - 1, middle[1] - 1, middle[0] + 2, middle[1] + 2), fill=ink)
        else:
            brush.ellipse(box, outline=ink)
    return image


def drawn(folder: Path, count: int, seed: int = 0, side: int = 32) -> list[tuple[str, tuple[str, ...]]]:
    """(path, labels) of images written to a folder; each label on its own, so that some show none."""
    rng, rows = np.random.default_rng(seed), []
    (folder / "shapes").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        there = tuple(name for name, chance in zip(NAMES, rng.random(len(NAMES)), strict=True) if chance < 0.35)
        path = f"shapes/{number:04d}.png"
        made(there, rng, side).save(folder / path)
        rows.append((path, there))
    return rows


def listed(folder: Path, rows: list[tuple[str, tuple[str, ...]]], kind: str) -> Path:
    """The list of them: `cells.csv` (labels with | between them), `columns.csv`, `list.jsonl` or `list.parquet`."""
    target = folder / kind
    if kind == "list.jsonl":
        target.write_text("".join(json.dumps({"path": p, "labels": list(names)}) + "\n" for p, names in rows))
    elif kind == "list.parquet":
        import pyarrow
        from pyarrow import parquet

        columns = {"path": [p for p, _ in rows], "labels": [list(names) for _, names in rows]}
        parquet.write_table(pyarrow.table(columns), target)
    else:
        with target.open("w", newline="") as file:
            writer = csv.writer(file)
            cells = kind == "cells.csv"
            writer.writerow(["path", *(["labels"] if cells else NAMES)])
            for path, names in rows:
                writer.writerow([path, *(["|".join(names)] if cells else [int(name in names) for name in NAMES])])
    return target
