"""Data sets that a library brings: `tfds/NAME`, `torchvision/NAME`, `hf/NAME`.

    hf/NAME                               the splits that the data set has
    hf/NAME:train[:80%],train[80%:]       those named, in the order train, validation, test; one alone is parted by draw
    hf/NAME?data_dir=PLACE&label=fine     what else the library is told

The library runs in a process of its own, as some can't share one with a framework, and writes the images to the cache
once: `python -m bakeoff.data.sources._hub SOURCE NAME TARGET`. What it would fetch from a network it fetches there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.made import made_once
from bakeoff.data.sources._writer import Writer, written
from bakeoff.errors import BakeoffError, DataError, MissingDependencyError
from bakeoff.protocols import Progress

SPLITS = ("train", "validation", "test")
CHOSEN = {1: ("",), 2: ("train", "validation"), 3: SPLITS}
_WORDS = re.compile(r"(?P<name>[^:?\[]+(?::\d[\d.*]*)?)(?::(?P<splits>[^?]+))?(?:\?(?P<options>.*))?")


@dataclass(frozen=True)
class Spec:
    """What was asked for.

    Attributes:
        name: of the data set, as the library calls it.
        splits: as the library writes them; none: all that there are.
        options: what else was said.
    """

    name: str
    splits: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def sides(self) -> tuple[tuple[str, str], ...]:
        """(our split, the library's), where some are named."""
        return tuple(zip(CHOSEN[len(self.splits)], self.splits, strict=True)) if self.splits else ()


class Item(NamedTuple):
    """An image: bytes of a file or uint8, and what it is."""

    image: bytes | NDArray[np.uint8]
    label: str
    split: str


class Collected(NamedTuple):
    """What a library gives: class names in their order, how many images (0: unknown), the images."""

    classes: tuple[str, ...]
    num: int
    items: Iterator[Item]


class Hub(Protocol):
    """A source of this kind."""

    LIBRARY: str

    def collect(self, spec: Spec) -> Collected:
        """The images, from the library; runs in a process of its own."""
        ...


def asks(path: Path, prefix: str) -> bool:
    """Whether a path is `prefix/NAME` and nothing on this disk."""
    return len(path.parts) > 1 and path.parts[0] == prefix and not path.exists()


def parse(path: Path, prefix: str) -> Spec:
    """The spec behind a prefix.

    Raises:
        DataError: it can't be read.
    """
    words = str(path).removeprefix(f"{prefix}/")
    match = _WORDS.fullmatch(words)
    splits = tuple((match["splits"] or "").split(",")) if match and match["splits"] else ()
    if match is None or not all(splits) or len(splits) > 3:
        raise DataError(f"{path}: expected {prefix}/NAME, or {prefix}/NAME:train,validation,test.")
    return Spec(match["name"], splits, dict(parse_qsl(match["options"] or "")))


def brought(source: str, path: Path, local: Path | None, progress: Progress | None) -> Path:
    """The images of a data set in the cache.

    Args:
        source: tfds, torchvision or hf.
        local: where the library keeps this data set on disk, if it does: what changes there is read anew.

    Raises:
        MissingDependencyError: the library isn't installed.
        DataError: it can't give the data set.
    """
    library: str = importlib.import_module(f"bakeoff.data.sources.{source}").LIBRARY
    spec = parse(path, source)
    version = _version(library)
    if not version:
        extra = "zoo" if library == "torchvision" else "sources"
        raise MissingDependencyError(library, extra, f"{source}/{spec.name}")
    what = source, str(path), version, tree_stamp(local) if local else ""
    return written(made_once(source, (), lambda target: _run(source, path, target, progress), *what))


def tree_stamp(folder: Path, most: int = 100_000) -> str:
    """A hash of names, sizes and times of the files below a folder; "" for none."""
    if not folder.is_dir():
        return ""
    digest = hashlib.sha256()
    for number, place in enumerate(sorted(folder.rglob("*"))):
        if number >= most:
            break
        status = place.lstat()
        digest.update(f"{place}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _version(library: str) -> str:
    for name in (library, library.replace("_", "-")):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _run(source: str, path: Path, target: Path, progress: Progress | None) -> None:
    command = [sys.executable, "-m", "bakeoff.data.sources._hub", source, str(path), str(target)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONSAFEPATH": "1"}
    reason = "it ended without a word"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment, text=True
    ) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                if line.startswith("{"):
                    message = json.loads(line)
                    reason = message.get("error", reason)
                    if progress and "done" in message:
                        progress(message["done"], max(message["total"], message["done"]))
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise DataError(f"{path}: {reason}\nWithout a network, it must lie where the library keeps its data.")


def main(source: str, path: str, target: str) -> int:
    """Collect a data set in this process; 0, or 1 with the reason on stdout."""
    out, sys.stdout = sys.stdout, sys.stderr  # libraries print

    def say(**words: Any) -> None:
        print(json.dumps(words), file=out, flush=True)

    try:
        hub = importlib.import_module(f"bakeoff.data.sources.{source}")
        found: Collected = hub.collect(parse(Path(path), source))
        with Writer(Path(target), found.classes) as writer:
            for number, item in enumerate(found.items):
                writer.add(item.image, item.label, item.split)
                if number % 500 == 0:
                    say(done=number, total=found.num)
    except Exception as error:  # of a library: any
        text = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        kind = "" if isinstance(error, BakeoffError) else f"{type(error).__name__}: "
        say(error=f"{kind}{text}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
