"""WebDataset shards: tars in which the files of a sample follow each other under one key.

    000017.jpg 000017.cls        the class as a number or name
    000017.jpg 000017.json       the same under `label`, `cls` or `class` (and `split`, `group`)
    000017.jpg 000017.txt        the same as text

Given is a shard, a pattern (`shards-{000..009}.tar`), or a folder of shards; a shard's name that begins with a split
(`train-000.tar`, `val-000.tar`) says so. The images are written to the cache once, by the rules for all archives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path, PurePosixPath

from bakeoff.data.extract import SUFFIXES as ARCHIVES
from bakeoff.data.extract import members
from bakeoff.data.made import made_once
from bakeoff.data.sources._cells import text, words
from bakeoff.data.sources._structure import code_of, split_code
from bakeoff.data.sources._writer import Writer, written
from bakeoff.errors import CorruptError, DataError
from bakeoff.preprocessing import SUFFIXES
from bakeoff.protocols import Progress

PRIORITY = 25
LABELS = ("cls", "json", "txt")
_PATTERN = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_LABEL = 1 << 20  # bytes


def accepts(path: Path) -> bool:
    """A tar that begins with an image and its label, a pattern of tars, or a folder of nothing else."""
    shards = shards_of(path)
    return bool(shards) and _is_shard(shards[0])


def fetch(path: Path, progress: Progress | None = None) -> Path:
    """The list of the images in the cache.

    Raises:
        DataError: shards are missing, a sample has no label.
        CorruptError: damaged, or with a member that is refused.
    """
    shards = shards_of(path)
    missing = [shard for shard in shards if not shard.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: no such shard, of {len(shards)}.\nGive the pattern of those that are there.")

    def make(target: Path) -> None:
        with Writer(target) as writer:
            for number, shard in enumerate(shards):
                split = _split_of(shard)
                for image, sample in _samples(shard):
                    writer.add(image, sample[0], sample[1] or split, sample[2])
                if progress:
                    progress(number + 1, len(shards))

    return written(made_once("webdataset", shards, make))


def shards_of(path: Path) -> list[Path]:
    """The tars that a path stands for; none where it is something else."""
    if path.is_dir():
        entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        tars = [entry for entry in entries if _is_tar(entry)]
        return tars if len(tars) == len([entry for entry in entries if entry.suffix != ".json"]) else []
    if match := _PATTERN.search(path.name):
        first, last = match.groups()
        numbers = range(int(first), min(int(last), int(first) + 1_000_000) + 1)
        names = [_PATTERN.sub(str(number).zfill(len(first)), path.name, count=1) for number in numbers]
        return [shard for name in names for shard in shards_of(path.with_name(name))] if _is_tar(path) else []
    return [path] if _is_tar(path) else []


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(tuple(suffix for suffix in ARCHIVES if suffix != ".zip"))


def _split_of(shard: Path) -> str:
    word = re.split(r"[-_.\d]", shard.name.casefold(), maxsplit=1)[0]
    return word if split_code(word) is not None else ""


def _is_shard(path: Path) -> bool:
    """Whether one of the first files is a label that follows, or comes before, an image of its key."""
    found: dict[str, set[str]] = {}
    with suppress(CorruptError, OSError):
        for member, _ in islice(members(path), 16):
            key, suffix = _key(member.name)
            kinds = found.setdefault(key, set())
            kinds.add("image" if f".{suffix}" in SUFFIXES else suffix)
            if "image" in kinds and kinds & set(LABELS):
                return True
    return False


def _key(name: str) -> tuple[str, str]:
    """("a/000017", "jpg"): WebDataset parts a name at the first point behind the last slash."""
    pure = PurePosixPath(name)
    stem, _, suffix = pure.name.partition(".")
    return str(pure.with_name(stem or pure.name)), suffix.lower()


def _samples(shard: Path) -> Iterator[tuple[bytes, tuple[str, str, str]]]:
    """Images with (label, split, group)."""
    key, image = "", None
    labels: dict[str, bytes] = {}
    for member, _ in members(shard):
        own, suffix = _key(member.name)
        if own != key:
            if image is not None:
                yield image, _label(shard, key, labels)
            key, image, labels = own, None, {}
        if f".{suffix}" in SUFFIXES:
            image = member.file.read()
        elif suffix in LABELS and member.size <= _MOST_LABEL:
            labels[suffix] = member.file.read()
    if image is not None:
        yield image, _label(shard, key, labels)


def _label(shard: Path, key: str, labels: dict[str, bytes]) -> tuple[str, str, str]:
    content = {name: value.decode("utf-8", "replace").strip() for name, value in labels.items()}
    values: dict[str, object] = {}
    if "json" in content:
        with suppress(ValueError, RecursionError):
            parsed = json.loads(content["json"])
            values = parsed if isinstance(parsed, dict) else {"label": parsed}
    first = (values.get(name) for name in ("label", "cls", "class", "class_name"))
    label = content.get("cls") or next((words(value) for value in first if value not in (None, "")), "")
    label = label or content.get("txt", "")
    label = words(label)
    if not label:
        raise DataError(f"{shard}: sample {key!r} has no label.\nExpected {key}.cls, or .json with `label`, or .txt.")
    split = words(values.get("split"))
    return label, split if code_of(split) is not None else "", text(values.get("group"))
