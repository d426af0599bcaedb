"""What is known of the rows of a table without decoding them: from files, arrays or shards to manifest and images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.hashing import FileFacts, hash_files
from bakeoff.data.images import Images
from bakeoff.data.manifest import Manifest
from bakeoff.data.once import Once
from bakeoff.protocols import Progress, Table

LINK = FileFacts(b"\0" * 32, 0, 0, 0, False, "a symbolic link, which isn't followed (--follow-links)")


def file_facts(table: Table, workers: int, progress: Progress | None, seen: Once | None = None) -> Sequence[FileFacts]:
    """What is known of each row without decoding it, unless somebody wants to see each new file."""
    if table.store is not None:
        return table.store
    if table.pixels is None:
        assert table.root is not None
        names, links = table.paths.tolist(), set(table.links)
        rows = [row for row, name in enumerate(names) if name not in links]

        def visit(index: int, sha256: bytes, content: bytes) -> str:
            assert seen is not None
            return seen(rows[index], sha256, content)

        own, further = [names[row] for row in rows], visit if seen else None
        found = iter(hash_files(table.root, own, workers=workers, progress=progress, visit=further))
        return [LINK if name in links else next(found) for name in names]
    pixels = np.ascontiguousarray(table.pixels)
    height, width, grey = pixels.shape[1], pixels.shape[2], pixels.ndim == 3
    size = pixels[0].nbytes
    return [FileFacts(hashlib.sha256(image).digest(), size, height, width, grey) for image in pixels]


def manifest_of(table: Table, facts: Sequence[FileFacts]) -> Manifest:
    """The manifest of all rows."""
    columns = table.classes, table.paths, table.labels, table.split
    if table.store is not None:
        return Manifest(*columns, table.store.sha256, table.store.size_bytes, group=table.group)
    digests = np.frombuffer(b"".join(fact.sha256 for fact in facts), np.uint8).reshape(-1, 32)
    sizes = np.array([fact.size_bytes for fact in facts], np.int64)
    return Manifest(*columns, digests, sizes, group=table.group)


def images_of(table: Table, facts: Sequence[FileFacts], keep: NDArray[np.int64], seen: Once | None = None) -> Images:
    """The images of the rows `keep`, with what was made of them while they were read."""
    if table.store is not None:
        whole = Images(table, channels=table.store.channels, size=table.store.size, sha256=table.store.sha256)
        return whole if len(keep) == len(facts) else whole.select(keep)
    good = [facts[row] for row in keep]
    sizes = {(fact.height, fact.width) for fact in good}
    channels = 1 if all(fact.grey for fact in good) else 3
    digests = np.frombuffer(b"".join(fact.sha256 for fact in facts), np.uint8).reshape(-1, 32)
    images = Images(table, channels=channels, size=sizes.pop() if len(sizes) == 1 else None, sha256=digests)
    if seen is not None:
        images.adopt(seen)
    return images if len(keep) == len(facts) else images.select(keep)
