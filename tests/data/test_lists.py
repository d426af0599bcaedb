"""Lists, IDX, CIFAR's batches, shards: sources that need nothing but files."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import write_folder
from PIL import Image

from bakeoff.data import read_data
from bakeoff.data.reader import read_table
from bakeoff.errors import BakeoffError, CorruptError, DataError


def listed(tmp_path: Path, count: int = 24) -> list[dict[str, str]]:
    write_folder(tmp_path, {"photos": count})
    return [
        {
            "path": f"photos/{index:03d}.png",
            "label": "cat" if index % 2 else "dog",
            "split": ("train", "train", "val", "test")[index % 4 if index % 8 < 4 else 0],
            "group": f"p{index // 4}",
        }
        for index in range(count)
    ]


def write_list(path: Path, rows: list[dict[str, str]]) -> Path:
    names = list(rows[0])
    if path.suffix in (".csv", ".tsv"):
        between = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [between.join(names), *(between.join(row[name] for name in names) for row in rows)]
        path.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_list(suffix: str, tmp_path: Path) -> None:
    rows = listed(tmp_path)
    data = read_data(write_list(tmp_path / f"list.{suffix}", rows))
    assert data.classes == ("cat", "dog")
    for row, path in enumerate(data.manifest.paths.tolist()):
        assert rows[row]["path"] == path
        assert data.classes[data.manifest.labels[row]] == rows[row]["label"]
    names = ["train", "val", "test"]
    assert [names[code] for code in data.manifest.split] == [row["split"] for row in rows]
    assert data.manifest.group is not None
    assert data.manifest.group.tolist() == [row["group"] for row in rows]
    assert sum(len(batch.labels) for batch in data.train.batches(size=(6, 8))) == len(data.train)


def test_other_names_of_columns_and_absolute_paths(tmp_path: Path) -> None:
    rows = [{"file_name": str(tmp_path / row["path"]), "Class": row["label"]} for row in listed(tmp_path)]
    (tmp_path / "elsewhere").mkdir()
    data = read_data(write_list(tmp_path / "elsewhere" / "list.csv", rows))
    assert len(data) == 24


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    rows = [{key: row[key] for key in ("path", "label", "group")} for row in listed(tmp_path, 200)]
    data = read_data(write_list(tmp_path / "list.csv", rows))
    sides: dict[str, set[str]] = {}
    for name, split in data.splits.items():
        for row in split.indices.tolist():
            sides.setdefault(rows[row]["group"], set()).add(name)
    assert {len(found) for found in sides.values()} == {1}
    assert set(data.splits) == {"train", "validation", "test"}


def test_class_order_numbers_and_classes_txt(tmp_path: Path) -> None:
    rows = listed(tmp_path)
    for index, row in enumerate(rows):
        row["label"] = ("10", "9", "100")[index % 3]
    path = write_list(tmp_path / "list.csv", rows)
    assert read_table(path).classes == ("9", "10", "100")
    (tmp_path / "classes.txt").write_text("100\n9\n10\n11\n")
    assert read_table(path).classes == ("100", "9", "10", "11")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", "its columns are 'a', 'b'"),
        ("path,label\n", "no rows"),
        ("", "its columns are"),
        ("path,label\n1.png,\n", "row 1 has no label"),
        ("path,label\n,cat\n", "row 1 has no path"),
        ("path,label,split\n1.png,cat,later\n", "row 1 has split 'later'"),
        ("path,label\n1.png,cat\n2.png,cat\n", "one class only"),
        ("path,label\n1.png,cat\n2.png,Cat\n", "differ only by case"),
        ('path,label\n"1.png,cat\n', "no table"),
    ],
)
def test_broken_lists_are_named(content: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(DataError, match=expected) as caught:
        read_data(tmp_path / "list.csv")
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("line", ["[1]", "{", '"a"', '{"path": "x"}'])
def test_broken_lines_are_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text(line + "\n")
    with pytest.raises(DataError):
        read_data(tmp_path / "list.jsonl")


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(count)
    return draw.integers(0, 256, (count, 28, 28), dtype=np.uint8), np.arange(count, dtype=np.uint8) % 10


def write_idx(root: Path, stem: str, x: np.ndarray, y: np.ndarray, *, packed: bool) -> None:
    for name, content in (
        (f"{stem}-images-idx3-ubyte", struct.pack(">IIII", 2051, *x.shape) + x.tobytes()),
        (f"{stem}-labels-idx1-ubyte", struct.pack(">II", 2049, len(y)) + y.tobytes()),
    ):
        (root / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [True, False])
def test_idx(packed: bool, tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = digits(100), digits(20)
    write_idx(tmp_path, "train", x, y, packed=packed)
    write_idx(tmp_path, "t10k", x_test, y_test, packed=packed)
    for place in (tmp_path, tmp_path / ("train-images-idx3-ubyte" + ".gz" * packed)):
        table = read_table(place)
        assert table.classes == tuple("0123456789")
        assert table.pixels is not None
        assert np.array_equal(table.pixels, np.concatenate([x, x_test]))
        assert np.array_equal(table.labels, np.concatenate([y, y_test]))
        assert table.split.tolist() == [0] * 100 + [2] * 20


@pytest.mark.parametrize("wrong", ["cut", "longer", "magic", "labels", "gzip"])
def test_broken_idx_is_named(wrong: str, tmp_path: Path) -> None:
    x, y = digits(30)
    write_idx(tmp_path, "train", x, y, packed=wrong == "gzip")
    images = next(tmp_path.glob("train-images*"))
    content = images.read_bytes()
    if wrong == "labels":
        write_idx(tmp_path, "train", x, y[:20], packed=False)
    else:
        changed = {"cut": content[:-5], "longer": content + b"1", "magic": b"\1" + content[1:], "gzip": content[:90]}
        images.write_bytes(changed[wrong])
    with pytest.raises(DataError):
        read_data(tmp_path)


def cifar(count: int, seed: int) -> tuple[np.ndarray, list[int]]:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), [int(n) for n in np.arange(count) % 10]


def planes(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)


NAMES = [f"class {number}" for number in range(10)]


@pytest.mark.parametrize("kind", ["bin", *range(6)])
def test_cifar10(kind: Any, tmp_path: Path) -> None:
    root = tmp_path / ("cifar-10-batches-bin" if kind == "bin" else "cifar-10-batches-py")
    root.mkdir()
    parts = {**{f"data_batch_{n}": cifar(10, n) for n in range(1, 6)}, "test_batch": cifar(20, 9)}
    for name, (x, y) in parts.items():
        if kind == "bin":
            rows = np.concatenate([np.array(y, np.uint8)[:, None], planes(x)], axis=1)
            (root / f"{name}.bin").write_bytes(rows.tobytes())
        else:
            record = {b"batch_label": b"x", b"labels": y, b"data": planes(x), b"filenames": [b"a.png"] * len(y)}
            (root / name).write_bytes(pickle.dumps(record, protocol=kind))
    if kind == "bin":
        (root / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    else:
        meta = {b"label_names": [name.encode() for name in NAMES], b"num_vis": 3072}
        (root / "batches.meta").write_bytes(pickle.dumps(meta, protocol=kind))
    for place in (root, tmp_path):
        table = read_table(place)
        assert table.classes == tuple(NAMES)
        assert table.split.tolist() == [0] * 50 + [2] * 20
        assert table.pixels is not None
        assert np.array_equal(table.pixels, np.concatenate([x for x, _ in parts.values()]))
        assert table.labels.tolist() == [label for _, y in parts.values() for label in y]


@pytest.mark.parametrize("kind", ["binary", "python"])
def test_cifar100_has_its_fine_labels(kind: str, tmp_path: Path) -> None:
    x, y = cifar(10, 3)
    coarse = [0] * 10
    if kind == "binary":
        rows = np.concatenate([np.array([coarse, y], np.uint8).T, planes(x)], axis=1)
        for name in ("train", "test"):
            (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
        (tmp_path / "fine_label_names.txt").write_text("\n".join(NAMES))
    else:
        record = {b"fine_labels": y, b"coarse_labels": coarse, b"data": planes(x)}
        for name in ("train", "test"):
            (tmp_path / name).write_bytes(pickle.dumps(record, protocol=2))
        meta = {b"fine_label_names": [n.encode() for n in NAMES], b"coarse_label_names": [b"all"]}
        (tmp_path / "meta").write_bytes(pickle.dumps(meta, protocol=2))
    table = read_table(tmp_path)
    assert table.labels.tolist() == y * 2
    assert table.classes == tuple(NAMES)
    assert table.pixels is not None
    assert np.array_equal(table.pixels[:10], x)


class Harm:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_pickles_are_not_executed(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"a", b"b"]}, protocol=2))
    hostile: list[bytes] = [
        pickle.dumps({"data": Harm(witness)}),
        pickle.dumps({"data": Harm(witness)}, protocol=0),
        b"cos\nsystem\n(S'touch " + str(witness).encode() + b"'\ntR.",
        b"cbuiltins\neval\n(S'open(\"" + str(witness).encode() + b'", "w")\'\ntR.',
        b"\x80\x04\x95\x00",
        b"",
        b"rubbish",
        pickle.dumps([1, 2]),
        pickle.dumps({"data": np.zeros((2, 3072)), "labels": [0, 1]}),
        pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, "1"]}),
        pickle.dumps({"data": np.zeros((2, 3072), object), "labels": [0, 1]}, protocol=2),
    ]
    for content in hostile:
        (tmp_path / "data_batch_1").write_bytes(content)
        with pytest.raises((CorruptError, DataError)):
            read_data(tmp_path)
        assert not witness.exists()


def test_mutated_pickles_never_crash(tmp_path: Path) -> None:
    x, y = cifar(4, 1)
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"label_names": [n.encode() for n in NAMES]}, protocol=2))
    good = pickle.dumps({b"labels": y, b"data": planes(x), b"filenames": [b"1", b"2"]}, protocol=2)
    draw = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(good)
        for place in draw.integers(0, len(good), 3):
            data[place % (400 if draw.random() < 0.8 else len(good))] = draw.integers(256)
        (tmp_path / "data_batch_1").write_bytes(data)
        try:
            read_table(tmp_path)
        except BakeoffError:
            continue


def image(seed: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()


def shard(path: Path, samples: list[dict[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as archive:
        for number, sample in enumerate(samples):
            for suffix, content in sample.items():
                info = tarfile.TarInfo(f"a/{path.stem}{number:04d}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("style", ["cls", "json", "txt", "label first"])
def test_webdataset_shards(style: str, tmp_path: Path) -> None:
    def sample(number: int) -> dict[str, bytes]:
        label = str(number % 3)
        named = {"json": json.dumps({"label": int(label)}).encode()} if style == "json" else {"cls": label.encode()}
        named = {"txt": f"kind {label}\n".encode()} if style == "txt" else named
        content = {"jpg": image(number, "JPEG")}
        return {**named, **content} if style == "label first" else {**content, **named}

    for part in range(3):
        shard(tmp_path / f"shards-{part:03d}.tar", [sample(10 * part + number) for number in range(10)])
    expected = tuple(f"kind {n}" for n in range(3)) if style == "txt" else ("0", "1", "2")
    for place, count in ((tmp_path, 30), (tmp_path / "shards-{000..001}.tar", 20), (tmp_path / "shards-002.tar", 10)):
        data = read_data(place)
        assert (len(data), data.classes) == (count, expected)
        assert [data.classes[n][-1] for n in data.manifest.labels[:6]] == [*"012012"] or place.name == "shards-002.tar"
    with pytest.raises(DataError, match=r"shards-003\.tar: no such shard"):
        read_data(tmp_path / "shards-{000..003}.tar")


def test_shards_name_their_split_and_want_labels(tmp_path: Path) -> None:
    for name, start in (("train-0", 0), ("val-0", 30), ("test-0", 60)):
        samples = [{"png": image(start + n), "cls": b"ab"[n % 2 : n % 2 + 1]} for n in range(8)]
        shard(tmp_path / f"{name}.tar", samples)
    data = read_data(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 8, "validation": 8, "test": 8}
    shard(tmp_path / "train-1.tar", [{"png": image(99), "xyz": b"1"}])
    with pytest.raises(DataError, match="has no label"):
        read_data(tmp_path)
