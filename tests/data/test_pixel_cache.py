"""Decoded images on disk: what is read is what was written, whatever happened in between."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import cache, images, read_data
from bakeoff.data.pixel_cache import HEADER, PixelCache
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature

SIGNATURE = Signature((5, 7))
COUNT = 9


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bakeoff" / "pixels"


def contents(count: int = COUNT) -> np.ndarray:
    return np.arange(count * 32, dtype=np.int64).astype(np.uint8).reshape(count, 32)


def opened() -> PixelCache:
    found = PixelCache.open(contents(), SIGNATURE)
    assert found is not None
    return found


def image(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def read(store: PixelCache, rows: list[int]) -> np.ndarray:
    out = np.zeros((len(rows), 5, 7, 3), np.uint8)
    store.read(np.array(rows), out, np.arange(len(rows)))
    return out


def test_rows_are_there_after_saving_and_not_before() -> None:
    first = opened()
    for row in (2, 3, 7):
        first.write(row, image(row))
    assert np.array_equal(read(first, [7, 2]), np.stack([image(7), image(2)]))
    assert not opened().ready.any()
    first.save()
    later = opened()
    assert np.flatnonzero(later.ready).tolist() == [2, 3, 7]
    assert np.array_equal(read(later, [3]), image(3)[None])


def test_two_writers_keep_each_others_rows() -> None:
    one, other = opened(), opened()
    one.write(1, image(1))
    other.write(0, image(0))
    other.write(2, image(2))
    other.save()
    one.save()
    assert np.flatnonzero(opened().ready).tolist() == [0, 1, 2]


@pytest.mark.parametrize("harm", ["shorter", "longer", "header", "empty"])
def test_a_file_that_is_not_whole_is_begun_anew(own_cache: Path, harm: str) -> None:
    store = opened()
    store.write(0, image(0))
    store.save()
    (path,) = own_cache.iterdir()
    data = path.read_bytes()
    harmed = {"shorter": data[:-1], "longer": data + b"\0", "header": b"x" + data[1:], "empty": b""}[harm]
    path.write_bytes(harmed)
    again = opened()
    assert not again.ready.any()
    assert path.stat().st_size == len(data)


def test_images_signature_and_versions_have_files_of_their_own(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened()
    PixelCache.open(contents(8), SIGNATURE)
    PixelCache.open(contents(), Signature((5, 7), resize="bicubic"))
    monkeypatch.setattr("PIL.__version__", "0")
    PixelCache.open(contents(), SIGNATURE)
    assert len(list(own_cache.iterdir())) == 4


def test_a_full_disk_ends_the_caching_only(monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened()
    store.write(0, image(0))

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bakeoff.data.pixel_cache.write_at", full)
    store.write(1, image(1))
    assert store.ready[:2].tolist() == [True, False]
    store.save()
    assert not opened().ready.any()


def test_no_place_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert PixelCache.open(contents(), SIGNATURE) is None


def test_the_longest_unused_goes_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = HEADER + COUNT * (1 + 5 * 7 * 3)
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", f"{2 * size}B")
    names = []
    for filter_ in ("bilinear", "bicubic"):
        PixelCache.open(contents(), Signature((5, 7), resize=filter_))
        names.append(next(path.name for path in own_cache.iterdir() if path.name not in names))
        os.utime(own_cache / names[-1], (1, 1 + len(names)))
    opened()  # used now
    PixelCache.open(contents(), Signature((5, 7), resize="box"))
    left = {path.name for path in own_cache.iterdir()}
    assert len(left) == 2
    assert names[0] in left
    assert names[1] not in left


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("500MB", 500_000_000), ("1.5 g", 1_500_000_000), ("", cache.LIMIT)]
)
def test_the_limit_is_a_size(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", text)
    assert cache.limit() == size


def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_CACHE_LIMIT", "much")
    with pytest.raises(UsageError, match="expected a size"):
        cache.limit()


READ = """
import sys
from bakeoff.data import images, read_data
decoded = []
real = images.render
images.render = lambda *a: (decoded.append(0), real(*a))[1]
data = read_data(sys.argv[1])
for batch in data.train.batches(size=(4, 4), cache="disk", batch_size=8):
    if sys.argv[2] == "kill" and len(decoded) > 24:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
print(len(decoded))
"""


def test_another_process_decodes_nothing_and_a_killed_one_leaves_nothing_wrong(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"a": 30, "b": 30})

    def run(how: str) -> str:
        return subprocess.run([sys.executable, "-c", READ, str(folder), how], capture_output=True, text=True).stdout

    assert run("kill") == ""
    count = len(read_data(folder).train)
    assert run("whole") == f"{count}\n"
    assert run("whole") == "0\n"


def test_copies_share_a_row(tmp_path: Path, own_cache: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"a": 10, "b": 10})
    for name in ("copy1.png", "copy2.png"):
        (folder / "a" / name).write_bytes((folder / "a" / "000.png").read_bytes())
    data = read_data(folder)
    for _ in range(2):
        for batch in data.train.batches(size=(4, 4), cache="disk"):
            expected = np.stack([images.render(data.images.source(int(r)), Signature((4, 4))) for r in batch.records])
            assert np.array_equal(batch.images, expected)
    (path,) = own_cache.iterdir()
    assert path.stat().st_size == HEADER + 20 * (1 + 48)


def test_where_images_are_kept_is_one_of_four(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path / "pictures", {"a": 10, "b": 10}))
    with pytest.raises(UsageError, match="cache is 'ram'"):
        data.train.batches(size=(4, 4), cache="ram")  # type: ignore[arg-type]
