import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import read_data
from bakeoff.data.sources import folder, npz
from bakeoff.errors import BadFilesError, BakeoffError, DataError


def lines(error: BaseException) -> int:
    return len(str(error).splitlines())


def test_classes_are_sorted_by_code_point(tmp_path: Path) -> None:
    table = folder.read(write_folder(tmp_path, {"b": 1, "Z": 2, "ä": 1, "a": 1, "10": 1, "9": 1}))
    assert table.classes == ("10", "9", "Z", "a", "b", "ä")
    assert table.paths.tolist() == [
        "10/000.png",
        "9/000.png",
        "Z/000.png",
        "Z/001.png",
        "a/000.png",
        "b/000.png",
        "ä/000.png",
    ]
    assert table.labels.tolist() == [0, 1, 2, 2, 3, 4, 5]
    assert (table.split == -1).all()


def test_what_is_no_image_by_rule_is_left_out_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 2, "b": 1, "a/deeper": 1, "a/.ipynb_checkpoints": 1, "__MACOSX": 1, ".git": 1})
    for name in ("a/.DS_Store", "a/Thumbs.db", "b/._000.png", "b/notes.txt", "b/README", "labels.csv", "loose.png"):
        (tmp_path / name).write_bytes(b"x")
    table = folder.read(tmp_path)
    assert table.classes == ("a", "b")
    assert table.paths.tolist() == ["a/000.png", "a/001.png", "a/deeper/000.png", "b/000.png"]
    assert dict(table.ignored) == {
        "hidden": 6,
        ".txt": 1,
        "no suffix": 1,
        ".csv": 1,
        "outside the class folders": 1,
    }


def test_folders_beside_splits_are_counted(tmp_path: Path) -> None:
    write_folder(tmp_path, {"train/a": 1, "train/b": 1, "test/a": 1, "single": 1})
    assert folder.read(tmp_path).ignored["folders beside the splits"] == 1


def test_symbolic_links_are_named_and_never_followed(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data", {"a": 5, "b": 5})
    other = write_folder(tmp_path / "other", {"c": 2})
    (root / "c").symlink_to(other / "c")
    (root / "a" / "linked.png").symlink_to(other / "c" / "000.png")
    (root / "a" / "loop").symlink_to(root)
    (root / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "b" / "hard.png").hardlink_to(other / "c" / "001.png")
    table = folder.read(root)
    assert table.classes == ("a", "b", "c")
    assert set(table.links) == {"a/linked.png", "a/loop", "b/gone.png", "c"}
    with pytest.raises(BadFilesError) as caught:
        read_data(root)
    assert {path for path, _ in caught.value.files} == set(table.links)
    assert {reason for _, reason in caught.value.files} == {"a symbolic link, which isn't followed (--follow-links)"}
    (root / "c").unlink()
    data = read_data(root, bad_files="exclude")
    assert len(data) == 11
    assert [path for path, _ in data.excluded] == ["a/linked.png", "a/loop", "b/gone.png"]
    (tmp_path / "way").symlink_to(root)
    assert len(read_data(tmp_path / "way", bad_files="exclude")) == 11
    (tmp_path / "top").mkdir()
    for name in ("train", "test"):
        (tmp_path / "top" / name).symlink_to(root)
    with pytest.raises(DataError, match="train is a symbolic link"):
        read_data(tmp_path / "top")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, "an empty folder"),
        ({".": 2}, "no class folders"),
        ({"a": 2}, "one class only, 'a'"),
        ({"zip/a": 1, "zip/b": 1}, "Did you mean .*zip"),
        ({"a": 1, "b": 0}, "b: a class folder without images"),
        ({"cat": 1, "Cat ": 1}, "differ only by case and blanks"),
        ({"train/a": 1, "train/b": 1, "test/c": 1}, "no such class in .*train"),
        ({"train/a": 1, "train/b": 1, "val/a": 1, "valid/a": 1}, "both val and valid"),
        ({"train/a": 1, "test/a": 1}, "one class only"),
    ],
)
def test_broken_layouts_name_the_remedy(tmp_path: Path, counts: dict[str, int], expected: str) -> None:
    write_folder(tmp_path, counts)
    with pytest.raises(DataError, match=expected) as caught:
        read_data(tmp_path)
    assert 1 < lines(caught.value) <= 3 or counts == {}


def test_suffixes_left_out_are_named_where_nothing_remains(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 1, "b": 0})
    (tmp_path / "b" / "1.psd").write_bytes(b"x")
    with pytest.raises(DataError, match=r"left out: \.psd"):
        read_data(tmp_path)


def test_a_missing_path_and_an_unknown_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_data(tmp_path / "none")
    (tmp_path / "a.rar").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"no data source reads \(.*npz"):
        read_data(tmp_path / "a.rar")


def arrays(count: int = 40, shape: tuple[int, ...] = (4, 5)) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 4
    return {
        "x_train": draw.integers(0, 256, (count, *shape), dtype=np.uint8),
        "y_train": labels,
        "x_test": draw.integers(0, 256, (8, *shape), dtype=np.uint8),
        "y_test": labels[:8].reshape(-1, 1).astype(np.uint8),
    }


@pytest.mark.parametrize(("shape", "channels"), [((4, 5), 1), ((4, 5, 1), 1), ((4, 5, 3), 3)])
def test_npz(tmp_path: Path, shape: tuple[int, ...], channels: int) -> None:
    np.savez(tmp_path / "a.npz", **arrays(shape=shape))
    data = read_data(tmp_path / "a.npz")
    assert data.classes == ("0", "1", "2", "3")
    assert (len(data.train), len(data.validation or ()), len(data.test or ())) == (36, 4, 8)
    assert (data.size, data.channels) == ((4, 5), channels)
    assert data.manifest.paths[-1] == "x_test[7]"
    batch = next(data.test.batches(batch_size=8, shuffle=False)) if data.test else None
    assert batch is not None
    assert np.array_equal(batch.images.reshape(8, -1), arrays(shape=shape)["x_test"].reshape(8, -1))
    assert batch.labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_npz_labels_may_have_gaps_and_names(tmp_path: Path) -> None:
    made = arrays()
    np.savez(tmp_path / "a.npz", **{**made, "y_train": made["y_train"] * 5, "y_test": made["y_test"] * 5})
    assert npz.read(tmp_path / "a.npz").classes == ("0", "5", "10", "15")
    np.savez(tmp_path / "b.npz", **made, classes=np.array(["cat", "dog", "猫", "x"]))
    assert npz.read(tmp_path / "b.npz").classes == ("cat", "dog", "猫", "x")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"x_train": np.zeros((40, 4, 5), np.float32)}, "x_train is float32"),
        ({"x_train": np.zeros((40, 4, 5, 2), np.uint8)}, "x_train is uint8"),
        ({"x_test": np.zeros((8, 6, 6), np.uint8)}, "All splits need the same"),
        ({"y_train": np.zeros(40, complex)}, "y_train is complex128"),
        ({"y_train": np.zeros(39, int)}, r"\(39,\)"),
        ({"y_train": np.zeros(40, int), "y_test": np.zeros(8, int)}, "one class only"),
        ({"y_test": np.full(8, 7)}, "label 7"),
        ({"y_test": np.array([{}] * 8)}, "never unpickled"),
    ],
)
def test_npz_of_another_layout(tmp_path: Path, change: dict[str, np.ndarray], expected: str) -> None:
    np.savez(tmp_path / "a.npz", **{**arrays(), **change})
    with pytest.raises(DataError, match=expected) as caught:
        read_data(tmp_path / "a.npz")
    assert lines(caught.value) <= 3


def test_npz_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps([1]))
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "cut.npz", **arrays())
    os.truncate(tmp_path / "cut.npz", 900)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(BakeoffError, match=path.name):
            read_data(path)


def test_a_folder_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "some where", {"a": 12, "b": 12})
    first = read_data(root)
    shutil.copytree(root, tmp_path / "else")
    monkeypatch.chdir(tmp_path)
    assert read_data("else").fingerprint == first.fingerprint
