"""What lies in a folder and isn't used is named in a line by every verb; clean folders get none."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder
from PIL import Image

from bakeoff.data.audit import audit
from bakeoff.data.reader import read_data, read_table
from bakeoff.evaluation.predict import find_images

SIZE = (40, 40)
PLAIN = {"a": 12, "b": 12}
SPLIT = {f"{split}/{name}": 6 for split in ("train", "val", "test") for name in "ab"}


def add(root: Path, **files: str) -> None:
    """Files by path, with the bytes of an image of that format; nothing for none."""
    for path, kind in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.random.default_rng(len(path)).integers(0, 255, (*SIZE, 3)).astype(np.uint8))
        if kind:
            image.save(place, kind)
        else:
            place.write_bytes(b"x")


CASES: dict[str, tuple[dict[str, int], dict[str, str], str]] = {  # folders, files beside, what the line says
    "loose in test": (
        {"train/a": 9, "train/b": 9},
        {"test/1.png": "PNG", "test/2.png": "PNG"},
        "2 images outside.*test/1",
    ),
    "loose in DATA": (PLAIN, {"1.png": "PNG"}, "1 image outside.*1.png"),
    "loose in train": (SPLIT, {"train/x.jpg": "JPEG"}, "1 image outside.*train/x"),
    "beside the splits": (SPLIT | {"extra": 3}, {}, "extra .beside the split"),
    "backups": (PLAIN, {"a/1.png.bak": "PNG", "b/1.jpg.orig": "JPEG"}, r"2 images, for.*\.bak 1"),
    "numbered": (PLAIN, {"a/img.0001": "JPEG"}, r"1 image, for.*\.0001 1"),
    "Photoshop": (PLAIN, {"a/1.psd": "", "a/2.PSD": ""}, r"2 images, for.*\.psd 2"),
    "raw": (PLAIN, {"b/IMG_1.CR2": "", "b/IMG_1.nef": ""}, r"2 images, for"),
    "icons": (PLAIN, {"b/1.ico": "", "b/2.svg": ""}, r"2 images, for"),
    "JPEG XL": (PLAIN, {"b/1.jxl": ""}, r"\.jxl 1"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_named(name: str, tmp_path: Path) -> None:
    counts, files, said = CASES[name]
    write_folder(tmp_path, counts, size=SIZE)
    add(tmp_path, **files)
    (line,) = read_data(tmp_path).unused
    assert re.search(said, line), line
    assert line in [finding.detail for finding in audit(tmp_path).findings if finding.kind == "not_used"]


TAKEN = {"a/1.jpg_large": "JPEG", "a/2.jpg:orig": "JPEG", "a/3.png?w=300": "PNG", "b/photo": "JPEG", "b/x.mpo": "JPEG"}
TAKEN |= {"b/scan.JFIF": "JPEG", "b/2.webp!thumb": "WEBP", "a/4.jpeg-large": "JPEG"}


@pytest.mark.parametrize("path", TAKEN)
def test_images_under_odd_names_are_taken(path: str, tmp_path: Path) -> None:
    write_folder(tmp_path, PLAIN, size=SIZE)
    add(tmp_path, **{path: TAKEN[path]})
    data = read_data(tmp_path)
    assert (len(data), path in data.manifest.paths.tolist(), data.unused) == (25, True, ())
    assert tmp_path / path in find_images([tmp_path]).files
    assert audit(tmp_path).findings == ()


CLEAN = {"classes": PLAIN, "splits": SPLIT, "deep": {"a/x": 6, "a/y": 6, "b": 12}, "two": {"train/a": 9, "train/b": 9}}
BESIDE = {
    "nothing": {},
    "texts": {"README.md": "", "a/LICENSE": "", "labels.csv": "", "data.yaml": ""},
    "a Mac": {".DS_Store": "", "a/._1.png": "", "__MACOSX/a/1.png": ""},
    "Windows": {"Thumbs.db": "", "a/desktop.ini": ""},
    "a NAS": {"@eaDir/x.jpg": "JPEG", "a/@eaDir/x/thumb.jpg": "JPEG", "#recycle/x.jpg": "JPEG"},
    "captions": {"a/001.txt": "", "a/001.json": "", "b/001.xml": ""},
    "git": {".git/config": "", ".gitignore": ""},
    "arrays": {"features.npy": "", "model.pkl": ""},
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("layout", CLEAN)
def test_clean_folders_get_no_line(layout: str, beside: str, tmp_path: Path) -> None:
    write_folder(tmp_path, CLEAN[layout], size=SIZE)
    inner = tmp_path / "train" if "train/a" in CLEAN[layout] else tmp_path
    for path, kind in BESIDE[beside].items():
        add(inner if path.startswith(("a/", "b/")) else tmp_path, **{path: kind})
    assert read_data(tmp_path).unused == ()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
@pytest.mark.parametrize(
    "columns", [("path", "label"), ("file", "class", "split"), ("image", "label", "group", "is_valid")]
)
def test_clean_lists_get_no_line(columns: tuple[str, ...], suffix: str, tmp_path: Path) -> None:
    cells = {"split": "train", "group": "g", "is_valid": "False"}
    rows = [
        {name: cells.get(name, f"{row}.png" if place == 0 else "ab"[row % 2]) for place, name in enumerate(columns)}
        for row in range(6)
    ]
    if suffix == ".jsonl":
        text = "\n".join(map(json.dumps, rows))
    else:
        between = "\t" if suffix == ".tsv" else ","
        text = "\n".join(between.join(row) for row in [columns, *(row.values() for row in rows)])
    (tmp_path / f"list{suffix}").write_text(text)
    (tmp_path / "classes.txt").write_text("b\na\n")
    assert read_table(tmp_path / f"list{suffix}").unused == ()
