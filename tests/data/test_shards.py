"""Shards are the data that they were made of: the same splits, orders and pixels, or an error that names the shard."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import write_folder
from PIL import Image

pyarrow = pytest.importorskip("pyarrow")
import msgspec  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402

from bakeoff.data import Data, read_data, write_shards  # noqa: E402
from bakeoff.data.audit import audit  # noqa: E402
from bakeoff.data.shards import MANIFEST  # noqa: E402
from bakeoff.data.shards.columns import KEY, Header  # noqa: E402
from bakeoff.errors import BadFilesError, CorruptError, DataError, UsageError  # noqa: E402
from bakeoff.protocols import LabelRule  # noqa: E402

SHARES = ({"train": 0.8, "validation": 0.1, "test": 0.1}, {"train": 0.6, "test": 0.4})
NAMES = ("猫", "Hündchen und so", "c", 'q "r",s')


def photos(root: Path, names: tuple[str, ...] = NAMES, each: int = 14) -> Path:
    """Class folders of smooth images, large enough to be compared, with copies and near copies among them."""
    draw = np.random.default_rng(5)
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = draw.integers(0, 256, (5, 6, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((48 + label, 40), Image.Resampling.BICUBIC)
            image.save(root / name / f"ä {number:02d}.v1.png")
            if number % 5 == 0:
                image.save(root / name / f"near {number}.jpg", quality=90)
            if number % 7 == 0:
                (root / name / f"copy {number}.png").write_bytes((root / name / f"ä {number:02d}.v1.png").read_bytes())
    return root


def in_splits(root: Path) -> Path:
    for number, split in enumerate(("train", "test")):
        write_folder(root / split, {"a": 9, "b": 7}, seed=number)
    return root


def grouped(root: Path) -> Path:
    photos(root / "all", ("x", "y"))
    rows = [
        {"path": str(path.relative_to(root)), "label": path.parent.name, "group": f"owner {number % 9}"}
        for number, path in enumerate(sorted(root.rglob("*.png")))
    ]
    (root / "list.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root / "list.jsonl"


def several(root: Path) -> Path:
    write_folder(root, {"all": 40})
    labels: list[list[str]] = [["é"], ["é", "b"], [], ["c"]]
    rows = [
        {"path": f"all/{number:03d}.png", "label": labels[number % 4], "split": ["train", "test"][number % 5 == 4]}
        for number in range(40)
    ]
    (root / "list.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return root / "list.jsonl"


def arrays(root: Path, shape: tuple[int, ...]) -> Path:
    draw = np.random.default_rng(0)
    given = {}
    for split, count in (("train", 60), ("test", 20)):
        given[f"x_{split}"] = draw.integers(0, 256, (count, *shape), dtype=np.uint8)
        given[f"y_{split}"] = np.arange(count) % 4
    root.mkdir()
    np.savez(root / "a.npz", **given)
    return root / "a.npz"


MADE = {
    "a folder": photos,
    "split folders": in_splits,
    "groups": grouped,
    "several labels": several,
    "grey arrays": lambda root: arrays(root, (9, 8)),
    "arrays": lambda root: arrays(root, (9, 8, 3)),
}


def same(a: Data, b: Data) -> None:
    """The same rows, splits and batches, with and without augmentation."""
    assert a.fingerprint == b.fingerprint
    assert (a.classes, a.size, a.channels) == (b.classes, b.size, b.channels)
    assert a.manifest.paths.tolist() == b.manifest.paths.tolist()
    assert np.array_equal(a.manifest.labels, b.manifest.labels)
    assert np.array_equal(a.manifest.groups, b.manifest.groups)
    assert np.array_equal(a.assignment, b.assignment)
    for kind in ("none", "strong"):
        given: dict[str, Any] = {"size": (12, 10), "batch_size": 7, "seed": 3, "epoch": 2, "augment": kind}
        for x, y in zip(a.train.batches(**given), b.train.batches(**given, workers=0, cache="none"), strict=True):
            assert np.array_equal(x.images, y.images)
            assert np.array_equal(x.labels, y.labels)
            assert np.array_equal(x.records, y.records)


@pytest.mark.parametrize("kind", MADE)
def test_training_sees_the_same(kind: str, tmp_path: Path) -> None:
    data = MADE[kind](tmp_path / "data")
    written = write_shards(data, tmp_path / "shards", shard_bytes=9_000)
    assert len(written.shards) > 2
    for seed, split in enumerate(SHARES):
        same(read_data(data, split=split, seed=seed), read_data(tmp_path / "shards", split=split, seed=seed))
    same(read_data(data, folds=2, fold=1), read_data(tmp_path / "shards" / MANIFEST, folds=2, fold=1))
    assert audit(data).counts == audit(tmp_path / "shards").counts  # the first of copies is the oldest file, or by name
    write_shards(data, tmp_path / "again", shard_bytes=9_000)
    for name in os.listdir(tmp_path / "shards"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "shards" / name).read_bytes()


def test_tars_are_webdatasets(tmp_path: Path) -> None:
    data = photos(tmp_path / "data")
    write_shards(data, tmp_path / "shards", shard_bytes=20_000)
    rows = parquet.read_table(tmp_path / "shards" / MANIFEST).to_pylist()
    header = _header(tmp_path / "shards")
    files = {}
    for name, _ in header.shards:
        with tarfile.open(tmp_path / "shards" / name) as tar:
            files |= {one.name: tar.extractfile(one).read() for one in tar.getmembers()}  # type: ignore[union-attr]
    assert len(files) == 2 * len(rows)
    for row in rows:
        content = files[f"{row['key']}.{row['path'].rpartition('.')[2]}"]
        assert content == (data / row["path"]).read_bytes()
        assert hashlib.sha256(content).digest() == row["sha256"]
        assert files[f"{row['key']}.cls"] == str(row["label"]).encode()
        assert header.classes[row["label"]] == row["path"].split("/")[0]


@pytest.mark.slow
def test_webdataset_reads_them(tmp_path: Path) -> None:
    """In a process of its own: it imports PyTorch, and leaves its files open."""
    pytest.importorskip("webdataset")
    write_shards(photos(tmp_path / "data"), tmp_path / "shards", shard_bytes=20_000)
    code = (
        "import sys, webdataset\n"
        "found = webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode('pil').to_tuple('png;jpg', 'cls')\n"
        "print(*((label, *image.size) for image, label in found), sep='\\n')"
    )
    urls = sorted(map(str, (tmp_path / "shards").glob("*.tar")))
    said = subprocess.run([sys.executable, "-c", code, *urls], capture_output=True, text=True).stdout.splitlines()
    rows = parquet.read_table(tmp_path / "shards" / MANIFEST).to_pylist()
    assert said == [str((row["label"], row["width"], row["height"])) for row in rows]


def test_several_labels_are_in_the_tar(tmp_path: Path) -> None:
    write_shards(several(tmp_path / "data"), tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "train-000000.tar") as tar:
        said = [json.load(tar.extractfile(name)) for name in tar.getnames()[1:8:2]]  # type: ignore[arg-type]
    assert said == [{"labels": ["é"]}, {"labels": ["b", "é"]}, {"labels": []}, {"labels": ["c"]}]


def test_separators_of_a_list_are_heard(tmp_path: Path) -> None:
    write_folder(tmp_path, {"all": 12})
    lines = [f"all/{number:03d}.png,{'a|b' if number % 2 else 'b'},train" for number in range(12)]
    (tmp_path / "list.csv").write_text("path,label,split\n" + "\n".join(lines))
    write_shards(tmp_path / "list.csv", tmp_path / "shards", labels=LabelRule(separator="|"))
    assert read_data(tmp_path / "shards").manifest.labels.tolist() == [[number % 2, 1] for number in range(12)]


def test_uneven_empty_and_single(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", {"a": 5, "b": 6}, size=(30, 30))
    (tmp_path / "out").mkdir()  # empty: that will do
    written = write_shards(data, tmp_path / "out", shard_bytes=1024)  # one image is larger: a shard of its own
    assert len(written.shards) == 11
    _edited(
        tmp_path / "out", lambda header, table: (_with(header, shards=(*header.shards, ("empty.tar", 1024))), table)
    )
    (tmp_path / "out" / "empty.tar").write_bytes(bytes(1024))
    same(read_data(data), read_data(tmp_path / "out"))
    write_folder(tmp_path / "one", {"only": 1})
    assert write_shards(tmp_path / "one", tmp_path / "single").num == 1
    assert len(read_data(tmp_path / "single", judged=True)) == 1
    with pytest.raises(DataError, match="one class only"):
        read_data(tmp_path / "single")


def test_bad_files_stay_out(tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", {"a": 12, "b": 12}, size=(30, 30))
    whole = (data / "a" / "000.png").read_bytes()
    (data / "a" / "000.png").write_bytes(whole[:200] + bytes(20) + whole[220:])  # ends as it should
    (data / "b" / "000.png").write_bytes(b"")
    with pytest.raises(BadFilesError):
        write_shards(data, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    written = write_shards(data, tmp_path / "out", bad_files="exclude")
    assert [path for path, _ in written.excluded] == ["a/000.png", "b/000.png"]
    assert np.array_equal(read_data(tmp_path / "out").assignment, _good(data).assignment)
    with pytest.raises(UsageError, match="not empty"):
        write_shards(data, tmp_path / "out")
    with pytest.raises(UsageError, match="expected 1,024 or more"):
        write_shards(data, tmp_path / "other", shard_bytes=1)


def _good(data: Path) -> Data:
    return read_data(data, bad_files="exclude").verify()


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    write_shards(write_folder(tmp_path / "data", {"a": 20, "b": 20}), tmp_path / "shards", shard_bytes=8_000)
    return tmp_path / "shards"


def test_a_shard_that_changed_is_an_error_and_never_a_skip(shards: Path) -> None:
    place, data = shards / "shard-000001.tar", read_data(shards, bad_files="exclude")
    whole = place.read_bytes()
    place.write_bytes(whole[:700] + bytes([whole[700] ^ 1]) + whole[701:])
    for given in (data, read_data(shards, bad_files="exclude")):
        with pytest.raises(CorruptError, match=r"shard-000001\.tar: it isn't what was written into it"):
            list(given.train.batches(cache="none"))
        with pytest.raises(CorruptError):
            given.verify()
    place.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptError, match="it isn't what was written"):
        list(data.train.batches(cache="none"))
    with pytest.raises(CorruptError, match=r"shard-000001\.tar: [\d,]+ bytes, where [\d,]+ were written"):
        read_data(shards)
    place.rename(shards / "elsewhere")
    with pytest.raises(CorruptError, match=r"shard-000001\.tar: no such file.\nBring the shard back"):
        read_data(shards)
    place.symlink_to(shards / "elsewhere")
    with pytest.raises(CorruptError, match="a link, which isn't followed"):
        read_data(shards)


def _header(shards: Path) -> Header:
    return msgspec.json.decode(parquet.read_schema(shards / MANIFEST).metadata[KEY], type=Header)


def _with(header: Header, **changes: Any) -> Header:
    return msgspec.structs.replace(header, **changes)


def _edited(shards: Path, edit: Any) -> None:
    table = parquet.read_table(shards / MANIFEST)
    header, table = edit(_header(shards), table)
    parquet.write_table(table.replace_schema_metadata({KEY: msgspec.json.encode(header)}), shards / MANIFEST)


def _set(column: str, row: int, value: Any) -> Any:
    def edit(header: Header, table: Any) -> tuple[Header, Any]:
        values = table.column(column).to_pylist()
        values[row] = value
        at = table.schema.get_field_index(column)
        return header, table.set_column(at, column, pyarrow.array(values, table.schema.field(column).type))

    return edit


LIES: dict[str, tuple[Any, str]] = {
    "before its shard": (_set("offset", 3, -1), "row 4 names no range"),
    "beyond its shard": (_set("size", 3, 1 << 29), "row 4 names no range"),
    "an overflow": (_set("offset", 39, (1 << 63) - 5), "row 40 names no range"),
    "no bytes": (_set("size", 0, 0), "row 1 names no range"),
    "no such shard": (_set("shard", 2, 99), "row 3 names no range"),
    "a split of its own": (_set("split", 2, 5), "row 3 names no range"),
    "the least split": (_set("split", 2, -128), "row 3 names no range"),
    "rows that aren't there": (
        lambda header, table: (
            _with(_set("split", 2, 5)(header, table)[0], rows=99),
            _set("split", 2, 5)(header, table)[1],
        ),
        "row 3 names no range",
    ),
    "a shard without end": (
        lambda header, table: (_with(header, shards=(("a.tar", 1 << 62),) * 99), table),
        "a.tar: no such file",
    ),
    "no such class": (_set("label", 2, 7), "a label that none of 2 classes has"),
    "no label": (_set("label", 2, None), "columns of other kinds"),
    "no hash": (_set("sha256", 2, None), "columns of other kinds"),
    "no column": (lambda header, table: (header, table.drop_columns(["offset"])), "columns of other kinds"),
    "text for numbers": (
        lambda header, table: (header, table.set_column(0, "size", table.column("path"))),
        "columns of other kinds|no Parquet",
    ),
    "a later format": (
        lambda header, table: (_with(header, format=2), table),
        r"no manifest .* that this version reads",
    ),
    "a shard elsewhere": (
        lambda header, table: (_with(header, shards=(("../x.tar", 10_000_000),) * 9), table),
        "no manifest of shards",
    ),
    "no rows": (lambda header, table: (header, table.slice(0, 0)), "no rows"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_of_others_is_looked_through(lie: str, shards: Path) -> None:
    edit, says = LIES[lie]
    _edited(shards, edit)
    with pytest.raises((DataError, CorruptError), match=says):
        read_data(shards)


def test_pixels_of_an_array_are_as_many_as_it_has(tmp_path: Path) -> None:
    write_shards(arrays(tmp_path / "data", (9, 8)), tmp_path / "shards")
    _edited(tmp_path / "shards", _set("size", 5, 71))
    with pytest.raises(DataError, match="row 6 names no range"):
        read_data(tmp_path / "shards")


def test_splits_have_shards_of_their_own(tmp_path: Path) -> None:
    rows = several(tmp_path / "data")  # train and test in turns
    assert write_shards(rows, tmp_path / "shards").shards == ("train-000000.tar", "test-000001.tar")
    table = parquet.read_table(tmp_path / "shards" / MANIFEST)
    assert [0 if split == 0 else 1 for split in table["split"].to_pylist()] == table["shard"].to_pylist()


def test_other_parquet_is_none(shards: Path) -> None:
    parquet.write_table(pyarrow.table({"path": ["a"], "label": [1]}), shards / MANIFEST)
    with pytest.raises(DataError, match="no manifest of shards"):
        read_data(shards)
    (shards / MANIFEST).write_bytes(b"PAR1 nothing")
    with pytest.raises(DataError, match="no manifest of shards"):
        read_data(shards)


def test_names_that_are_no_text_and_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_folder(tmp_path / "data", {"a": 12, "b": 12})
    try:
        os.rename(data / "a" / "000.png", os.fsencode(data / "a") + b"/\xff.png")
    except OSError:
        pytest.skip("a file system whose names are text")
    write_shards(data, tmp_path / "shards")
    same(read_data(data), read_data(tmp_path / "shards"))
    monkeypatch.setattr("bakeoff.data.sources.shards.IN_MEMORY", 5)  # names are decoded when they are asked for
    same(read_data(data), read_data(tmp_path / "shards"))


def test_predict_takes_shards(shards: Path, tmp_path: Path) -> None:
    from bakeoff.evaluation.predict import _prepared, find_images
    from bakeoff.preprocessing import Signature

    found = find_images([shards])
    assert [str(one) for one in found.files[:2]] == [f"{shards}/a/000.png", f"{shards}/a/001.png"]
    assert len(found.files) == 40
    write_shards(arrays(tmp_path / "arrays", (6, 5)), tmp_path / "grey")
    pixels = _prepared(find_images([tmp_path / "grey"]).files[0], Signature((6, 5), channels=1), False)
    assert np.array_equal(pixels[..., 0], np.load(tmp_path / "arrays" / "a.npz")["x_train"][0])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from bakeoff.cli import main

    write_folder(tmp_path / "data", {"a": 12, "b": 12})
    assert main(["data", "shard", str(tmp_path / "data"), str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["num"], said["shards"]) == (24, ["shard-000000.tar"])
    assert main(["data", "shard", str(tmp_path / "data"), str(tmp_path / "out")]) == 2
