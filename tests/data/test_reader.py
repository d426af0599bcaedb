import dataclasses
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder
from PIL import Image

from bakeoff.data import cache_root, hashing, perceptual_hash, read_data, write_digits
from bakeoff.data.hashing import HashCache, hash_files
from bakeoff.data.images import Images
from bakeoff.data.reader import perceptual_hashes_at
from bakeoff.errors import BadFilesError, DataError, UsageError
from bakeoff.files import atomic_write
from bakeoff.preprocessing import Signature

COUNTS = {"cat": 30, "dog": 30, "eel": 30}


def assignment(data: object) -> dict[bytes, str]:
    return {
        data.manifest.sha256[row].tobytes(): name  # type: ignore[attr-defined]
        for name, split in data.splits.items()  # type: ignore[attr-defined]
        for row in split.indices
    }


def test_every_row_is_on_one_side(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path, COUNTS))
    rows = np.concatenate([split.indices for split in data.splits.values()])
    assert sorted(rows.tolist()) == list(range(90)) == list(range(len(data)))
    for split in data.splits.values():
        assert np.array_equal(split.labels, data.manifest.labels[split.indices])
        assert set(split.labels.tolist()) == {0, 1, 2}


def test_renaming_and_moving_change_nothing_but_names(tmp_path: Path) -> None:
    first = read_data(write_folder(tmp_path / "a", COUNTS))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for index, path in enumerate(sorted((tmp_path / "b").glob("*/*.png"), reverse=True)):
        path.rename(path.with_name(f"r{index:05d}.png"))
    second = read_data(tmp_path / "b")
    assert second.fingerprint == first.fingerprint
    assert assignment(second) == assignment(first)
    assert second.manifest.paths.tolist() != first.manifest.paths.tolist()


@pytest.mark.parametrize("change", ["content", "label", "class", "less"])
def test_the_fingerprint_sees(tmp_path: Path, change: str) -> None:
    root = write_folder(tmp_path, COUNTS)
    before = read_data(root).fingerprint
    if change == "content":
        Image.new("RGB", (8, 6)).save(root / "cat" / "000.png")
    elif change == "label":
        (root / "cat" / "000.png").rename(root / "dog" / "moved.png")
    elif change == "class":
        (root / "cat").rename(root / "bat")
    else:
        (root / "cat" / "000.png").unlink()
    assert read_data(root).fingerprint != before


def test_declared_splits_are_kept(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"train/a": 40, "train/b": 40, "test/a": 3, "test/b": 4})
    data = read_data(root)
    assert data.test is not None
    assert data.validation is not None
    assert [str(path)[:5] for path in data.manifest.paths[data.test.indices]] == ["test/"] * 7
    assert len(data.train) + len(data.validation) == 80
    assert 1 < len(data.validation) < 20
    write_folder(root, {"val/a": 2, "val/b": 2}, seed=5)
    again = read_data(root)
    assert (len(again.train), len(again.validation or ()), len(again.test or ())) == (80, 4, 7)
    shutil.rmtree(root / "test")
    assert read_data(root).test is None


def test_a_share_of_nothing_is_no_split(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path, COUNTS), split=(0.9, 0.1, 0))
    assert data.test is None
    assert data.validation is not None


def spoil(root: Path) -> dict[str, str]:
    """Bad files of each kind, with what they are to be called."""
    good = (root / "dog" / "003.png").read_bytes()
    jpeg = root / "dog" / "whole.jpg"
    noise = np.random.default_rng(3).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(jpeg, quality=90)
    (root / "cat" / "cut.jpg").write_bytes(jpeg.read_bytes()[:-300])
    (root / "cat" / "empty.png").write_bytes(b"")
    (root / "cat" / "text.jpg").write_text("not an image at all")
    (root / "dog" / "half.png").write_bytes(good[: len(good) // 2])
    (root / "eel" / "zeros.jpg").write_bytes(bytes(500))
    return {
        "cat/cut.jpg": "truncated",
        "cat/empty.png": "empty (0 bytes)",
        "cat/text.jpg": "text, not an image",
        "dog/half.png": "truncated",
        "eel/zeros.jpg": "not a known image format",
    }


def test_all_bad_files_are_named_together(tmp_path: Path) -> None:
    root = write_folder(tmp_path, COUNTS, size=(40, 40))
    bad = spoil(root)
    with pytest.raises(BadFilesError, match="5 files are not a readable image") as caught:
        read_data(root)
    assert dict(caught.value.files) == bad
    assert len(str(caught.value).splitlines()) <= 3


def test_excluded_files_are_listed_and_hashed(tmp_path: Path) -> None:
    root = write_folder(tmp_path, COUNTS, size=(40, 40))
    bad = spoil(root)
    data = read_data(root, bad_files="exclude")
    assert dict(data.excluded) == bad
    assert len(data) == 91 == sum(map(len, data.splits.values()))
    assert not set(bad) & set(data.manifest.paths.tolist())
    seen = [batch.records for split in data.splits.values() for batch in split.batches(size=(8, 8))]
    assert sorted(np.concatenate(seen).tolist()) == list(range(91))
    for name in bad:
        (root / name).unlink()
    clean = read_data(root, bad_files="exclude")
    assert clean.manifest.fingerprint == data.manifest.fingerprint
    assert clean.fingerprint != data.fingerprint
    assert clean.excluded == ()


def damaged_inside(root: Path) -> str:
    """A PNG whose two ends are right: only decoding finds it."""
    path = root / "cat" / "005.png"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    return "cat/005.png"


@pytest.mark.parametrize("signature", [None, Signature((8, 8))])
def test_verify_decodes_all(tmp_path: Path, signature: Signature | None) -> None:
    root = write_folder(tmp_path, COUNTS, size=(40, 40))
    assert (clean := read_data(root)).verify(signature) is clean
    name = damaged_inside(root)
    data = read_data(root)
    with pytest.raises(BadFilesError) as caught:
        data.verify(signature)
    assert [path for path, _ in caught.value.files] == [name]
    with pytest.raises(BadFilesError, match=name):
        list(data.train.batches(size=(9, 9)))
    less = read_data(root, bad_files="exclude").verify(signature)
    assert [path for path, _ in less.excluded] == [name]
    assert len(less) == 89 == sum(map(len, less.splits.values()))
    assert less.fingerprint != less.manifest.fingerprint
    assert less.verify(signature) is less
    for split in less.splits.values():
        assert sum(len(batch.labels) for batch in split.batches(size=(8, 8))) == len(split)


def test_verify_decodes_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read_data(write_folder(tmp_path, COUNTS))
    signature = Signature((5, 5))
    calls: list[tuple[int, int]] = []
    data.verify(signature, workers=2, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (0, 90)
    assert calls[-1] == (90, 90)
    monkeypatch.setattr("bakeoff.data.images.render", lambda *_: pytest.fail("decoded again"))
    assert len(list(data.train.batches(signature=dataclasses.replace(signature, mean=(0.5,))))) > 0
    assert data.pixels(signature).shape == (90, 5, 5, 3)


@pytest.mark.usefixtures("settled")
def test_a_file_is_read_once_and_gives_what_a_second_reading_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, signature = write_folder(tmp_path / "d", COUNTS, size=(80, 60)), Signature((32, 32), fit="crop", resize_to=40)
    data = read_data(root, signature=signature)
    monkeypatch.setattr("bakeoff.data.images.render", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(perceptual_hash, "shrunk", lambda *_: pytest.fail("read again"))
    assert data.verify(signature) is data
    pixels, hashes = data.pixels(signature), perceptual_hashes_at(data.manifest, data.images, np.arange(90))
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    again = perceptual_hashes_at(
        data.manifest, Images(data.images.table, channels=3, size=None, sha256=data.manifest.sha256), np.arange(90)
    )
    assert np.array_equal(hashes.hash, again.hash)
    assert np.array_equal(hashes.tint, again.tint)
    assert np.array_equal(pixels, read_data(root).pixels(signature))
    damaged_inside(root)
    with pytest.raises(BadFilesError, match=r"cat/005\.png"):
        read_data(root, signature=signature).verify(signature)


def test_channels_and_size_come_from_headers(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path, {"a": 4, "b": 4}, size=(6, 8)))
    assert (data.channels, data.size) == (3, (6, 8))
    for index in range(8):
        pixels = np.full((6, 8), index * 9, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "ab"[index % 2] / f"{index // 2:03d}.png")
    assert read_data(tmp_path).channels == 1
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((6, 8), 99, np.uint8)).save(tmp_path / "a" / "000.png", exif=exif)
    turned = read_data(tmp_path)
    assert turned.size is None
    with pytest.raises(UsageError, match="different sizes"):
        turned.train.batches()


def test_pixels_are_in_the_order_of_the_manifest(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path, {"a": 5, "b": 5}))
    pixels = data.pixels(Signature((6, 8)))
    for row, path in enumerate(data.manifest.paths):
        assert np.array_equal(pixels[row], np.asarray(Image.open(tmp_path / str(path))))


def test_a_class_that_only_has_bad_files(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a": 5, "b": 5, "c": 0})
    (root / "c" / "1.jpg").write_text("text")
    with pytest.raises(DataError, match="'c' has no readable image"):
        read_data(root, bad_files="exclude")
    with pytest.raises(UsageError, match="bad_files is 'skip'"):
        read_data(root, bad_files="skip")  # type: ignore[arg-type]


def settle(root: Path) -> None:
    """The cache trusts files that haven't changed for two seconds."""
    for path in root.rglob("*.png"):
        os.utime(path, (1e9, 1e9))


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_SETTLED_NS", -(10**18))


@pytest.mark.usefixtures("settled")
def test_known_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path, {"a": 100, "b": 5})
    first = read_data(root)
    looked: list[Path] = []
    look = hashing._look
    monkeypatch.setattr(hashing, "_look", lambda path, visit=None: (looked.append(path), look(path, visit))[1])
    again = read_data(root)
    assert looked == []
    assert again.fingerprint == first.fingerprint
    assert (again.size, again.channels) == (first.size, first.channels)
    # Same size and time of change, other content: the time of status change tells.
    path = root / "a" / "000.png"
    times = path.stat()
    data = bytearray(path.read_bytes())
    shutil.copy(root / "a" / "001.png", path)
    with path.open("r+b") as file:
        file.truncate(len(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    hash_files(root, ["a/000.png", "a/001.png"])
    assert looked == [path]


def test_a_file_that_just_changed_is_not_cached(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a": 3})
    hash_files(root, ["a/000.png"])
    assert HashCache.open(root).known == {}


@pytest.mark.usefixtures("settled")
def test_interrupted_hashing_keeps_what_was_done(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a": 200})
    names = [f"a/{index:03d}.png" for index in range(200)]

    def interrupt(done: int, _: int) -> None:
        if done >= hashing.CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_files(root, names, progress=interrupt)
    assert len(HashCache.open(root).known) == hashing.CHUNK
    assert len(hash_files(root, names)) == 200
    assert len(HashCache.open(root).known) == 200


@pytest.mark.usefixtures("settled")
def test_a_damaged_cache_costs_time_only(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a": 8, "b": 8})
    first = read_data(root)
    path = HashCache.open(root).path
    for content in (b"", b"rubbish", path.read_bytes()[:300]):
        path.write_bytes(content)
        assert read_data(root).fingerprint == first.fingerprint
    path.unlink()
    path.mkdir()
    assert read_data(root).fingerprint == first.fingerprint


def test_the_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "bakeoff"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_root().name.lower() == "bakeoff"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    with atomic_write(path) as file:
        file.write(b"old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"new")
            raise OSError

    with pytest.raises(OSError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_sample_digits(tmp_path: Path) -> None:
    root = tmp_path / "digits"
    assert write_digits(root) == 1797
    data = read_data(root)
    assert (len(data), data.classes, data.size, data.channels) == (1797, tuple("0123456789"), (8, 8), 1)
    assert data.fingerprint[:16] == "f09107b09be04b85"
    with pytest.raises(UsageError, match="not empty"):
        write_digits(root)


@pytest.mark.data
@pytest.mark.clock
def test_mnist_gives_exactly_a_tenth() -> None:
    path = Path(__file__).parents[2] / "../shared/data/mnist.npz"
    if not path.exists():
        pytest.skip("mnist.npz is not beside the checkout")
    data = read_data(path)
    assert (len(data.train), len(data.validation or ()), len(data.test or ())) == (54_000, 6_000, 10_000)
    assert data.test is not None
    assert data.test.indices[0] == 60_000
    started = time.perf_counter()
    count = sum(1 for _ in data.train.batches(batch_size=64))
    assert (time.perf_counter() - started) / count < 2e-3


def test_it_prints_in_a_line(tmp_path: Path) -> None:
    data = read_data(write_folder(tmp_path, {"a": 10, "b": 10}))
    sizes = f"train {len(data.train)}, validation {len(data.validation or ())}, test {len(data.test or ())}"
    line = repr(data)  # a long path loses its middle
    assert line.startswith("Data('")
    assert line.endswith(f"', images: {sizes}; 2 classes: a, b; size: 6x8)")
