"""Decoded images on disk: what is read is what was written, whatever happened in between."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import cache, images, read_data
from bakeoff.data.pixel_cache import HEADER, SUM, PixelCache
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
    size = HEADER + COUNT * (1 + SUM + 5 * 7 * 3)
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


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def swapped(path: Path) -> None:
    """Two rows in each other's places: each is an image, of the right size."""
    data = path.read_bytes()
    row = 4 * 4 * 3
    path.write_bytes(data[: -2 * row] + data[-row:] + data[-2 * row : -row])


def emptied(path: Path) -> None:
    """As a copy leaves it that was broken off, and the file made as long as it was."""
    size = path.stat().st_size
    os.truncate(path, size - 100)
    os.truncate(path, size)


def all_ready(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(HEADER)
        file.write(b"\xff" * 20)


def unsummed(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(HEADER + 20)
        file.write(bytes(SUM * 20))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("whole", [True, False], ids=["filled", "half"])
@pytest.mark.parametrize("harm", [flipped, swapped, emptied, all_ready, unsummed, pipe])
def test_what_was_altered_is_decoded_anew(
    harm: Callable[[Path], None], whole: bool, tmp_path: Path, own_cache: Path
) -> None:
    """Of equal size and time, as an edit may leave it: no batch has other pixels than the images."""
    folder = write_folder(tmp_path / "pictures", {"a": 10, "b": 10})
    for _ in range(2):
        data = read_data(folder)
        records = np.arange(20) if whole else np.arange(10)
        view = data.images.view(Signature((4, 4)), "disk")
        for place in (records, np.arange(20)):
            view.load(view.missing(place).tolist())
            got = np.empty((len(place), 4, 4, 3), np.uint8)
            view.take(got, np.arange(len(place)), place)
            expected = [images.render(data.images.source(int(row)), Signature((4, 4))) for row in place]
            assert np.array_equal(got, np.stack(expected))
        view.save(wait=True)
        (path,) = own_cache.iterdir()
        times = path.stat()
        harm(path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


TRUNCATED = """
import os, sys
from pathlib import Path
import numpy as np
from bakeoff.data import images, read_data
from bakeoff.data.augment import Augmentation
from bakeoff.preprocessing import Signature

data, (left, way) = read_data(sys.argv[1]), sys.argv[2:]
size, told = Signature((64, 64)), {}
for epoch in range(3):
    batches = data.train.batches(size=(64, 64), cache="disk", batch_size=4, epoch=epoch, augment=None)
    for number, batch in enumerate(batches):
        for record, image in zip(batch.records, batch.images):
            told.setdefault(int(record), []).append(image.tobytes())
        if number == 2 and epoch == (way == "full"):
            (path,) = Path(os.environ["XDG_CACHE_HOME"]).glob("bakeoff/pixels/*.u8")
            os.truncate(path, int(left) if int(left) >= 0 else path.stat().st_size + int(left))
for record, seen in told.items():
    expected = np.asarray(images.render(data.images.source(record), size)).tobytes()
    assert seen == [expected] * 3, record
(path,) = Path(os.environ["XDG_CACHE_HOME"]).glob("bakeoff/pixels/*.u8")
print(len(told))
"""


@pytest.mark.parametrize("when", ["filling", "full"])
@pytest.mark.parametrize("left", [0, 100, HEADER + 3, -1, -40_000])
def test_a_file_that_is_made_shorter_in_use_costs_time_only(tmp_path: Path, left: int, when: str) -> None:
    """A page of a map that the file has no more ends the process: SIGBUS."""
    folder = write_folder(tmp_path / "pictures", {"a": 30, "b": 30})
    words = [sys.executable, "-c", TRUNCATED, str(folder), str(left), when]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{len(read_data(folder).train)}\n"), done.stderr


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
    assert path.stat().st_size == HEADER + 20 * (1 + SUM + 48)


def test_where_images_are_kept_is_one_of_four(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path / "pictures", {"a": 10, "b": 10}))
    with pytest.raises(UsageError, match="cache is 'ram'"):
        data.train.batches(size=(4, 4), cache="ram")  # type: ignore[arg-type]
