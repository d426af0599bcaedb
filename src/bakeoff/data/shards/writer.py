"""From any data to shards: tars of whole images with their labels, and the manifest that says where each lies.

Images keep the order of the data, and splits that it says have shards of their own; one is closed when the next image
would take it beyond its size. Files are copied as they are, arrays become PGM and PPM, whose pixels lie in the tar as
they are. The same data gives the same bytes.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bakeoff.data.assignment import BadFiles, draws_anything
from bakeoff.data.manifest import SPLITS
from bakeoff.data.reader import Data, read_data
from bakeoff.data.shards import MANIFEST
from bakeoff.data.shards.columns import KEY, ROWS, Header
from bakeoff.errors import MissingDependencyError, UsageError
from bakeoff.files import atomic_write, fresh, opened, put, space_for
from bakeoff.preprocessing import read_header
from bakeoff.preprocessing.formats import sniff
from bakeoff.protocols import LabelRule, Progress
from bakeoff.schemas import Brief

SHARD_BYTES = 256 << 20
LEAST_BYTES = 1 << 10
SUFFIXES = {"JPEG": "jpg", "JPEG 2000": "jp2", "PNM": "ppm"}


@dataclass(frozen=True, repr=False)
class Written(Brief):
    """What was written.

    Attributes:
        path: the folder.
        num: images.
        shards: names of the tars.
        size_bytes: of all tars together.
        excluded: (path, reason) of the bad files that were left out.
        unused: what else of the data isn't used, a line each.
    """

    path: Path
    num: int
    shards: tuple[str, ...]
    size_bytes: int
    excluded: tuple[tuple[str, str], ...] = ()
    unused: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `bakeoff data shard --json` prints it."""
        return {**asdict(self), "path": str(self.path)}


def write_shards(
    path: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    shard_bytes: int = SHARD_BYTES,
    bad_files: BadFiles = "fail",
    labels: LabelRule | None = None,
    follow_links: bool = False,
    workers: int | None = None,
    progress: Callable[[str], Progress] = lambda part: lambda done, total: None,
) -> Written:
    """Write a data set as tar shards with a manifest; training on them is training on the data, bit for bit.

    Every image is decoded once, so that no bad one gets in, and near copies are known. The folder is whole or not made.

    Args:
        path: as for `read_data`.
        directory: a new or empty folder.
        shard_bytes: of a tar, about; an image that is larger has one of its own.
        bad_files: `fail` names all that can't be decoded; `exclude` leaves them out.
        labels: how a list says that images have several labels.
        follow_links: symbolic links are the files and folders that they lead to.
        workers: threads.
        progress: from the name of a part of the work to what is called with (done, total) images.

    Raises:
        UsageError: the directory isn't empty, or a size that can't be used.
        MissingDependencyError: pyarrow isn't installed.
        DataError: the data can't be read; NoSpaceError: the disk is full.
        BadFilesError: files that aren't readable images, all of them.
    """
    target = Path(directory)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: {'not empty' if target.is_dir() else 'a file'}; give a new or an empty directory.")
    if isinstance(shard_bytes, bool) or shard_bytes < LEAST_BYTES:
        raise UsageError(f"shard_bytes is {shard_bytes!r}; expected {LEAST_BYTES:,} or more.")
    try:
        import pyarrow.parquet as library
    except ImportError:
        raise MissingDependencyError("pyarrow", "sources", "writing the manifest of shards") from None
    given: dict[str, Any] = {"bad_files": bad_files, "labels": labels, "follow_links": follow_links, "workers": workers}
    data = read_data(path, judged=True, progress=progress("reading"), quiet=True, **given)
    data = data.verify(workers=workers, progress=progress("decoding"), keep=False)
    listen = progress("writing")
    needed = int(data.manifest.size_bytes.sum())
    with space_for(target, needed), fresh(target) as made, closing(_Tars(made, shard_bytes)) as tars:
        places = np.zeros((len(data), 3), np.int64)
        sides = np.zeros((len(data), 3), np.int32)
        for done, row in enumerate(np.argsort(data.manifest.split, kind="stable").tolist(), 1):
            places[row], sides[row] = _put(tars, data, row)
            listen(done, len(data))
        tars.close()
        pixels, known = data.images.table.pixels, draws_anything(data.manifest.split, data.rules)
        array = None if pixels is None else pixels.shape[1:]
        header = Header(1, data.classes, tuple(tars.done), data.multilabel, array, compared=known)
        with atomic_write(made / MANIFEST) as file:
            library.write_table(_table(data, header, places, sides), file, row_group_size=ROWS, compression="zstd")
        put(made, target)
    names = tuple(name for name, _ in header.shards)
    size = sum(size for _, size in header.shards)
    return Written(target, len(data), names, size, data.excluded, data.unused)


@dataclass
class _Tars:
    """Tars that are filled one after the other."""

    folder: Path
    most: int
    done: list[tuple[str, int]] = field(default_factory=list)
    file: IO[bytes] | None = None
    split: int = -1
    at: int = 0

    def add(self, split: int, members: list[tuple[str, bytes]]) -> tuple[int, int]:
        """The number of the shard that took these files together, and where the first one begins in it."""
        size = sum(512 + len(content) + -len(content) % 512 for _, content in members)
        if self.file is None or split != self.split or self.at + size > self.most:
            self.close()
            self.split = split
            name = f"{SPLITS[split] if split >= 0 else 'shard'}-{len(self.done):06d}.tar"
            self.done.append((name, 0))
            handle = opened(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            self.file = os.fdopen(handle, "wb")
        first = self.at + 512
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            self.file.write(info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512))
        self.at += size
        return len(self.done) - 1, first

    def close(self) -> None:
        """End the tar that is being filled: with two empty blocks, as tars do."""
        if self.file is not None:
            self.file.write(bytes(1024))
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self.done[-1] = self.done[-1][0], self.at + 1024
        self.file, self.at = None, 0


def _put(tars: _Tars, data: Data, row: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """(shard, offset, size) and (height, width, whether it is grey) of an image that was written."""
    source, key, begin = data.images.source(row), f"{row:09d}", b""
    if isinstance(source, np.ndarray):
        height, width = source.shape[:2]
        grey = source.ndim == 2 or source.shape[2] == 1
        begin = f"P{5 if grey else 6}\n{width} {height}\n255\n".encode()
        content, suffix, header = source.tobytes(), "pgm" if grey else "ppm", (height, width, grey)
    else:
        assert isinstance(source, bytes)
        content = source
        kind = sniff(content[:16])
        suffix, header = SUFFIXES.get(kind, kind.lower()), (*read_header(content),)
    label = data.manifest.labels[row]
    if data.multilabel:
        said = "json", msgspec.json.encode({"labels": [data.classes[at] for at in np.flatnonzero(label).tolist()]})
    else:
        said = "cls", str(int(label)).encode()
    members = [(f"{key}.{suffix}", begin + content), (f"{key}.{said[0]}", said[1])]
    shard, offset = tars.add(int(data.manifest.split[row]), members)
    return (shard, offset + len(begin), len(content)), header


def _table(data: Data, header: Header, places: NDArray[np.int64], sides: NDArray[np.int32]) -> Any:
    """The manifest as a table of Arrow."""
    import pyarrow

    manifest = data.manifest
    if data.multilabel:
        several = [np.flatnonzero(row).tolist() for row in manifest.labels]
        label, said = "labels", pyarrow.array(several, pyarrow.list_(pyarrow.int32()))
    else:
        label, said = "label", pyarrow.array(manifest.labels.astype(np.int32))
    digests = pyarrow.FixedSizeBinaryArray.from_buffers(
        pyarrow.binary(32), len(manifest), [None, pyarrow.py_buffer(np.ascontiguousarray(manifest.sha256))]
    )
    paths = [str(name) for name in manifest.paths]
    text = all(name.isascii() or name == name.encode("utf-8", "replace").decode("utf-8") for name in paths)
    raw = [name.encode("utf-8", "surrogateescape") for name in paths]  # names of files are bytes, and may be anything
    columns: dict[str, Any] = {
        "key": [f"{row:09d}" for row in range(len(manifest))],
        "path": pyarrow.array(raw, pyarrow.binary()).cast(pyarrow.string() if text else pyarrow.binary()),
        label: said,
        "split": manifest.split,
        **({} if manifest.group is None else {"group": [str(name) for name in manifest.group]}),
        **({} if manifest.near is None else {"near": manifest.near}),
        "shard": places[:, 0].astype(np.int32),
        "offset": places[:, 1],
        "size": places[:, 2],
        "sha256": digests,
        "height": sides[:, 0],
        "width": sides[:, 1],
        "grey": sides[:, 2].astype(bool),
    }
    return pyarrow.table(columns).replace_schema_metadata({KEY: msgspec.json.encode(header)})
