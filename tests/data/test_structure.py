"""Trees of folders as people have them: each is read right, or stopped with a line that names both readings."""

from pathlib import Path

import pytest
from image_folders import write_folder

from bakeoff.data import read_data
from bakeoff.data.sources import folder
from bakeoff.errors import DataError

AB = ("ant", "bee")


def tree(**roots: str) -> dict[str, int]:
    """Two images in each class below each root; `+` stands between roots that hold the same."""
    return {f"{root}/{name}": 2 for root, names in roots.items() for name in names.split()}


def below(*roots: str, names: tuple[str, ...] = AB) -> dict[str, int]:
    return {f"{root}/{name}": 2 for root in roots for name in names}


SPLITS = {
    "set": below("training_set", "test_set"),
    "doubled": below("seg_train/seg_train", "seg_test/seg_test") | {"seg_pred/seg_pred": 3},
    "short": below("Train", "Val"),
    "dev": below("train", "dev", "test"),
    "spoken": below("Training Images", "Validation Images"),
    "years": below("train2017", "val2017"),
    "fused": below("trainset", "testset"),
    "camel": below("TrainData", "TestData"),
    "prefixed": below("birds-train", "birds-valid", "birds-test"),
    "chinese": below("训练集", "验证集", "测试集"),
    "inside": below("train/images", "test/images"),
    "system": below("train", "test") | {"@eaDir/train": 2, "train/@eaDir/x": 1, "$RECYCLE.BIN/S-1": 1},
    "alone": below("training_data"),
    "fewer": below("train", "test") | {"train/cat": 2},
}


@pytest.mark.parametrize("name", SPLITS)
def test_splits_under_other_names(name: str, tmp_path: Path) -> None:
    table = folder.read(write_folder(tmp_path, SPLITS[name]))
    assert table.classes == (("ant", "bee", "cat") if name == "fewer" else AB)
    assert (table.split >= 0).all()
    assert (table.split == 0).sum() == 2 * len(table.classes)
    assert not any("@" in path or "$" in path for path in table.paths)


CLASSES = {
    "subfolders of one name": {"ant/images": 2, "bee/images": 2},
    "subfolders of other names": {"ant/red": 2, "ant/wood": 2, "bee/honey": 2, "bee/bumble": 2},
    "images and subfolders": {"ant": 2, "ant/day": 1, "ant/night": 1, "bee": 2, "bee/day": 1, "bee/night": 1},
    "a train among cars": {"train": 2, "bus": 2},
    "stations": {"train station": 2, "test tube": 2},
    "stations with folders": {"train station/rome": 2, "train station/bern": 1, "bus station/oslo": 2},
    "validated": {"invalid": 2, "valid": 2},
    "system folders": {"ant": 2, "bee": 2, "@eaDir/ant": 2, "__MACOSX/bee": 1, "Thumbnails": 4, "lost+found": 0},
    "system folders below": {"ant": 2, "bee": 2, "ant/@eaDir": 2, "bee/.thumbnails": 1, "bee/thumbs": 3},
    "digits": {str(number): 1 for number in range(12)},
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes_stay_classes(name: str, tmp_path: Path) -> None:
    counts = CLASSES[name]
    table = folder.read(write_folder(tmp_path, counts))
    tops = {path.split("/")[0] for path in counts} - {"@eaDir", "__MACOSX", "Thumbnails", "lost+found"}
    assert set(table.classes) == tops
    assert (table.split == -1).all()
    assert not any(word in path for path in table.paths for word in ("@eaDir", "MACOSX", "humb"))


def test_system_folders_are_counted(tmp_path: Path) -> None:
    table = folder.read(write_folder(tmp_path, CLASSES["system folders"]))
    assert (len(table.hidden), table.ignored["hidden"]) == (4, 4)


def test_classes_may_hold_the_splits(tmp_path: Path) -> None:
    table = folder.read(write_folder(tmp_path, below(*AB, names=("Train", "test_images"))))
    assert table.classes == AB
    assert table.split.tolist() == [0, 0, 2, 2] * 2


STOPPED = {
    "folds": below("fold1", "fold2"),
    "days": below("monday", "tuesday"),
    "scenes or insects": below(*AB, names=("indoor", "outdoor")),
    "masks": below("sick", "well", names=("images", "masks")),
    "an unknown split": below("train", "eval"),
    "within a split": {f"train/{sex}/{name}": 1 for sex in ("female", "male") for name in AB} | below("test"),
    "patients": {f"{name}/{number}": 1 for name in AB for number in range(4)},
    "nearly all": below("one", names=("a", "b", "c")) | below("two", names=("b", "c", "d")),
    "train and loose ones": below("train") | {"more": 2},
    "images between": {**below(*AB, names=("train", "test")), "ant": 1},
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_can_be_read_in_two_ways_is_stopped(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path, STOPPED[name])
    with pytest.raises(DataError, match="splits") as caught:
        read_data(tmp_path)
    said = str(caught.value)
    assert len(said.splitlines()) <= 3
    assert "classes.txt" in said  # how to read them as classes


@pytest.mark.parametrize("name", ["days", "masks", "patients", "train and loose ones", "images between"])
def test_classes_txt_decides(name: str, tmp_path: Path) -> None:
    write_folder(tmp_path, STOPPED[name])
    tops = sorted(entry.name for entry in tmp_path.iterdir())
    (tmp_path / "classes.txt").write_text("\n".join(tops), encoding="utf-8")
    table = folder.read(tmp_path)
    assert table.classes == tuple(tops)
    assert len(table.labels) == sum(STOPPED[name].values())
    assert (table.split == -1).all()


def test_the_audit_names_it(tmp_path: Path) -> None:
    from bakeoff.data.audit import audit

    found = audit(write_folder(tmp_path, STOPPED["days"], size=(40, 40)))
    assert [finding.kind for finding in found.findings] == ["not_used"]
    assert "splits" in found.findings[0].detail
