"""Shards against the data that they were made of, and a manifest of ten million rows.

python bench/shards.py [IMAGES [ROWS]]

IMAGES (100,000) synthetic images of 32 px stream through the loader from a folder of PNGs and from its shards, nothing
kept (every image is read, hashed and decoded), in turns A B B A; the same from an .npz and from its shards, after both
are open. Then a manifest of ROWS (10,000,000): how long the first opening takes, and a later one, each in a process,
with an epoch's order for 64 workers; and what `read_data` of it needs. Needs pyarrow (extra `sources`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, CLASSES, BATCH, WORKERS = 32, 10, 256, 64
OPEN = """
import sys, time
import numpy as np
from bakeoff.data.shards.columns import columns_of
from bakeoff.seeds import permutation, shard
def rss(): return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
import pyarrow.parquet
before = rss()
began = time.perf_counter()
columns = columns_of(__import__("pathlib").Path(sys.argv[1]))
took = time.perf_counter() - began
n, opened = columns.header.rows, rss()
began = time.perf_counter()
order = permutation(0, 1, n)
for rank in range(64):  # a batch of each worker: positions -> records -> where they lie
    at = rank + 64 * np.arange(256)
    rows = order[at]
    columns.numbers["offset"][rows], columns.labels[rows]
print(f"{took:.2f} s, {opened:,.0f} MiB ({before:,.0f} before); a batch for each of 64 workers "
      f"{time.perf_counter() - began:.3f} s, {rss():,.0f} MiB")
"""
READ = """
import sys, time
from bakeoff.data import read_data
def rss(): return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
began = time.perf_counter()
data = read_data(sys.argv[1])
print(f"{time.perf_counter() - began:.2f} s, {rss():,.0f} MiB, {len(data):,} images")
"""


def streamed(split: object, cache: str) -> float:
    """Images a second."""
    began, num = time.perf_counter(), 0
    for batch in split.batches(batch_size=BATCH, seed=0, epoch=1, cache=cache):  # type: ignore[attr-defined]
        num += len(batch.images)
    return num / (time.perf_counter() - began)


def compared(name: str, plain: object, shards: object, cache: str) -> None:
    found: dict[str, list[float]] = {"A": [], "B": []}
    for turn in "ABBA" * 2:
        found[turn].append(streamed(plain if turn == "A" else shards, cache))
    a, b = np.median(found["A"]), np.median(found["B"])
    print(f"{name:28} {a:10,.0f} images/s   shards {b:10,.0f} images/s   ratio {b / a:.2f}", flush=True)


def many_images(folder: Path, count: int) -> None:
    from bakeoff.data import read_data, write_shards

    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(count) % CLASSES
    for split in ("train", "test"):
        for label in range(CLASSES):
            (folder / "photos" / split / str(label)).mkdir(parents=True)
    for row in range(count):
        split = "train" if row < 0.9 * count else "test"
        place = folder / "photos" / split / str(labels[row]) / f"{row:06d}.png"
        Image.fromarray(pixels[row]).save(place, compress_level=1)
    edge = int(0.9 * count)
    np.savez(folder / "a.npz", x_train=pixels[:edge], y_train=labels[:edge], x_test=pixels[edge:], y_test=labels[edge:])
    shares = {"train": 1.0}
    for name, source, cache in (("folder, nothing kept", "photos", "none"), ("npz, in memory", "a.npz", "auto")):
        began = time.perf_counter()
        written = write_shards(folder / source, folder / f"{source}.shards")
        took = time.perf_counter() - began
        size = f"{written.size_bytes / 1e6:,.0f} MB"
        print(f"{source}: {written.num:,} images, {size}, written in {took:.1f} s", flush=True)
        plain, shards = (read_data(folder / place, split=shares).train for place in (source, f"{source}.shards"))
        compared(name, plain, shards, cache)


def manifest(folder: Path, rows: int) -> Path:
    """A manifest as a writer of 10 KB images would have it; the shards are holes of the right size."""
    import msgspec
    import pyarrow
    import pyarrow.parquet

    from bakeoff.data.shards.columns import KEY, ROWS, Header

    each = 10_000
    shards = tuple((f"train-{number:06d}.tar", each * 12_288 + 1024) for number in range(-(-rows // each)))
    folder.mkdir()
    for name, size in shards:
        with (folder / name).open("wb") as file:
            file.truncate(size)
    header = Header(1, tuple(map(str, range(1000))), shards, compared=True)
    draw, row = np.random.default_rng(0), np.arange(rows)
    split = np.where(row % 100 == 0, 1, np.where(row % 100 == 1, 2, 0)).astype(np.int8)
    digests = pyarrow.py_buffer(draw.integers(0, 256, (rows, 32), dtype=np.uint8))
    fields = {"path": pyarrow.string(), "label": pyarrow.int32(), "split": pyarrow.int8(), "shard": pyarrow.int32()}
    fields |= {"offset": pyarrow.int64(), "size": pyarrow.int64(), "sha256": pyarrow.binary(32)}
    fields |= {"height": pyarrow.int32(), "width": pyarrow.int32(), "grey": pyarrow.bool_()}
    columns = {
        "path": [f"train/{number % 1000:04d}/{number:08d}.jpg" for number in range(rows)],
        "label": (row % 1000).astype(np.int32),
        "split": split,
        "shard": (row // each).astype(np.int32),
        "offset": row % each * 12_288 + 512,
        "size": draw.integers(5_000, 10_000, rows),
        "sha256": pyarrow.FixedSizeBinaryArray.from_buffers(pyarrow.binary(32), rows, [None, digests]),
        "height": np.full(rows, 224, np.int32),
        "width": np.full(rows, 224, np.int32),
        "grey": np.zeros(rows, bool),
    }
    schema = pyarrow.schema(list(fields.items())).with_metadata({KEY: msgspec.json.encode(header)})
    place = folder / "shards.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns, schema), place, row_group_size=ROWS, compression="zstd")
    return place


def main() -> None:
    given = [int(word) for word in sys.argv[1:3]]
    images, rows = [*given, *(100_000, 10_000_000)[len(given) :]]
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CACHE_HOME"] = f"{name}/cache"
        if images:
            many_images(Path(name) / "images", images)
        if rows:
            began = time.perf_counter()
            place = manifest(Path(name) / "many", rows)
            size = place.stat().st_size / 1e6
            took = time.perf_counter() - began
            print(f"a manifest of {rows:,} rows, {size:,.0f} MB, was written in {took:.0f} s", flush=True)
            for what, code, given in (
                ("first opening", OPEN, place),
                ("later opening", OPEN, place),
                ("read_data", READ, place.parent),
            ):
                done = subprocess.run([sys.executable, "-c", code, given], capture_output=True, text=True)
                print(f"{what}: {done.stdout.strip() or done.stderr[-400:]}", flush=True)


if __name__ == "__main__":
    main()
