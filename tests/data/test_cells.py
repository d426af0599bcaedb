"""Cells of tables as programs write them: the same value is the same class, and what says nothing is named."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import write_folder

from bakeoff.data import read_data
from bakeoff.data.reader import read_table
from bakeoff.errors import DataError
from bakeoff.protocols import Table

OK = "cat"


def in_csv(folder: Path, labels: list[Any]) -> Table:
    rows = [f"{index}.png,{label}" for index, label in enumerate(labels)]
    (folder / "a.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    return read_table(folder / "a.csv")


def in_json(folder: Path, labels: list[Any]) -> Table:
    rows = [json.dumps({"path": f"{index}.png", "label": label}) for index, label in enumerate(labels)]
    (folder / "a.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return read_table(folder / "a.jsonl")


def in_parquet(folder: Path, labels: list[Any]) -> Table:
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = {"path": [f"{index}.png" for index in range(len(labels))], "label": labels}
    parquet.write_table(arrow.table(rows), folder / "a.parquet")
    return read_table(folder / "a.parquet")


def in_npz(folder: Path, labels: list[Any]) -> Table:
    values = np.array([np.nan if label is None else label for label in labels])
    np.savez(folder / "a.npz", x_train=np.zeros((len(labels), 4, 4), np.uint8), y_train=values)
    return read_table(folder / "a.npz")


SOURCES = {"csv": in_csv, "json": in_json, "parquet": in_parquet, "npz": in_npz}
SAME: dict[str, tuple[list[Any], tuple[str, ...]]] = {
    "numbers": ([1, 2, 10], ("1", "2", "10")),
    "floats": ([1.0, 2.0, 10.0], ("1", "2", "10")),
    "text": (["1", "2", "10"], ("1", "2", "10")),
    "text of floats": (["1.0", "2.00", "10.0"], ("1", "2", "10")),
    "flags": ([True, False, True], ("false", "true")),
    "words of flags": (["True", "FALSE", "true"], ("false", "true")),
    "blanks": ([" cat", "dog ", "cat"], ("cat", "dog")),
    "negative": ([-1, 0, 1], ("-1", "0", "1")),
    "leading noughts": (["01", "1", "2"], ("01", "1", "2")),
    "none as a word": (["none", "scratch", "None of it"], ("None of it", "none", "scratch")),
    "chinese": (["猫", "狗", "鸟"], ("狗", "猫", "鸟")),
    "fractions": ([0.5, 1.5, 0.25], ("0.25", "0.5", "1.5")),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", SAME)
def test_the_same_value_is_the_same_class(name: str, source: str, tmp_path: Path) -> None:
    given, classes = SAME[name]
    assert SOURCES[source](tmp_path, given).classes == classes


NOTHING = {"empty": "", "blank": "  ", "nan": "nan", "NaN": "NaN", "NULL": "NULL", "pandas": "<NA>", "inf": "-inf"}
NOTHING |= {"no date": "NaT", "error": "#N/A"}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", NOTHING)
def test_what_says_nothing_is_named_with_its_row(name: str, source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 2 .*(has no label|its label is)"):
        SOURCES[source](tmp_path, ["cat", NOTHING[name], "dog"])


@pytest.mark.parametrize("source", ["json", "parquet", "npz"])
@pytest.mark.parametrize("value", [None, math.nan, math.inf], ids=str)
def test_numbers_that_are_none(value: float | None, source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"row 3 .*(has no label|its label is)"):
        SOURCES[source](tmp_path, [1.0, 2.0, value, 1.0])


ODD: dict[str, tuple[str, str, str]] = {  # name of the file, content, what is said
    "a comma in a label": (
        "a.csv",
        "path,label\n0.png,cat\n1.png,cat, big\n2.png,dog\n",
        r"row 2 has 3 cells.*2 columns",
    ),
    "some commas": ("a.csv", "path,label\n0.png,a,b\n1.png,a,b\n2.png,dog\n", "1 more row"),
    "two of a column": ("a.csv", "path,label,label\n0.png,cat,dog\n", "two columns 'label'"),
    "NaN as a path": ("a.jsonl", '{"path": NaN, "label": "cat"}\n', "row 1 .*path"),
    "a dict as a label": ("a.jsonl", '{"path": "0.png", "label": {"a": 1}}\n', "row 1 .*dict"),
    "later is no split": ("a.csv", "path,label,split\n0.png,cat,later\n", "split 'later'"),
    "is_valid is a number": ("a.csv", "path,label,is_valid\n0.png,cat,7\n", "row 1 .*is_valid"),
    "latin 1": ("a.csv", b"path,label\n0.png,caf\xe9\n1.png,tea\n".decode("latin-1"), "isn't UTF-8"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_rows_are_named(name: str, tmp_path: Path) -> None:
    file, content, said = ODD[name]
    (tmp_path / file).write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=said) as caught:
        read_table(tmp_path / file)
    assert len(str(caught.value).splitlines()) <= 3


USED: dict[str, tuple[str, list[int]]] = {
    "split": ("path,label,split\n0.png,a,Training\n1.png,b,valid\n2.png,a,\n", [0, 1, -1]),
    "is_valid": ("path,label,is_valid\n0.png,a,False\n1.png,b,True\n2.png,a,False\n", [0, 1, 0]),
    "is_test": ("path,label,is_test\n0.png,a,0\n1.png,b,1.0\n2.png,a,0\n", [0, 2, 0]),
    "fold of words": ("path,label,fold\n0.png,a,train\n1.png,b,test\n2.png,a,train\n", [0, 2, 0]),
    "commas at the end": ("path,label\n0.png,a,\n1.png,b,,\n2.png,a\n", [-1, -1, -1]),
    "utf-16": ("path;label\n0.png;a\n1.png;b\n2.png;a\n", [-1, -1, -1]),
    "a line separator in a name": ('{"path":"0\u2028.png","label":"a"}\n{"path":"1.png","label":"b"}\n', [-1, -1]),
}


@pytest.mark.parametrize("name", USED)
def test_columns_of_usual_meaning_are_read(name: str, tmp_path: Path) -> None:
    content, split = USED[name]
    place = tmp_path / ("a.jsonl" if content[0] == "{" else "a.csv")
    place.write_text(content, encoding="utf-16" if name == "utf-16" else "utf-8")
    table = read_table(place)
    assert (table.classes, table.split.tolist(), table.unused) == (("a", "b"), split, ())


UNUSED = {
    "weight": ("path,label,weight\n0.png,a,1\n1.png,b,2\n", "weight"),
    "fold of numbers": ("path,label,fold\n0.png,a,0\n1.png,b,1\n", "fold"),
    "two labels": ("path,label,category\n0.png,a,x\n1.png,b,y\n", "category"),
    "boxes": ("path,x1,y1,label\n0.png,1,2,a\n1.png,1,2,b\n", "x1.*y1"),
    "later keys": ('{"path":"0.png","label":"a"}\n{"path":"1.png","label":"b","caption":"x"}\n', "caption"),
    "two splits": ("path,label,split,is_valid\n0.png,a,train,0\n1.png,b,test,0\n", "is_valid"),
}


@pytest.mark.parametrize("name", UNUSED)
def test_columns_that_are_not_used_are_named(name: str, tmp_path: Path) -> None:
    content, said = UNUSED[name]
    place = tmp_path / ("a.jsonl" if content[0] == "{" else "a.csv")
    place.write_text(content, encoding="utf-8")
    (line,) = read_table(place).unused
    assert re.search(said, line), line


LISTS = {
    "mark": ("\ufeffdog\ncat\n", ("dog", "cat"), ""),
    "blanks": (" dog \n\n\tcat\n\n", ("dog", "cat"), ""),
    "numbered": ("0 dog\n1 cat\n", ("dog", "cat"), ""),
    "numbered from 1": ("1: dog\n2: cat\n", ("dog", "cat"), ""),
    "one short": ("dog\n", ("cat", "dog"), "lacks 'cat'"),
    "other case": ("Dog\nCat\n", ("cat", "dog"), "lacks 'cat', 'dog'"),
    "twice": ("dog\ncat\ndog\n", ("cat", "dog"), "'dog' twice"),
    "commas": ("dog,cat\n", ("cat", "dog"), "lacks"),
}


@pytest.mark.parametrize("kind", ["list", "folder"])
@pytest.mark.parametrize("name", LISTS)
def test_classes_txt(name: str, kind: str, tmp_path: Path) -> None:
    content, classes, said = LISTS[name]
    (tmp_path / "classes.txt").write_text(content, encoding="utf-8")
    if kind == "list":
        table = in_csv(tmp_path, ["dog", "cat"])
    else:
        table = read_table(write_folder(tmp_path, {"cat": 1, "dog": 1}))
    assert table.classes == classes
    assert len(table.unused) == bool(said)
    assert said in "".join(table.unused)


def test_arrays_without_their_other_half_are_named(tmp_path: Path) -> None:
    x, y = np.zeros((4, 5, 5), np.uint8), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x, y_val=y, ids=y)
    (line,) = read_table(tmp_path / "a.npz").unused
    assert all(name in line for name in ("x_test", "y_val", "ids"))
    np.savez(tmp_path / "b.npz", x_train=x, y_train=y, x_test=x, y_test=y, classes=np.array(["a", "b"]))
    assert read_table(tmp_path / "b.npz").unused == ()


def test_paths_as_windows_writes_them(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 12, "b": 12})
    rows = [f"{name}\\{index:03d}.png ,{name}" for name in "ab" for index in range(12)]
    (tmp_path / "a.csv").write_text("\n".join(["path,label", *rows]))
    assert len(read_data(tmp_path / "a.csv")) == 24


def test_folders_and_lists_have_one_order(tmp_path: Path) -> None:
    names = [str(number) for number in range(12)]
    write_folder(tmp_path, dict.fromkeys(names, 1))
    assert read_table(tmp_path).classes == tuple(names) == in_csv(tmp_path, names).classes


@pytest.mark.parametrize(
    ("names", "said"),
    [(("café", "cafe\u0301"), "Unicode form"), (("Cat", "cat"), "case"), (("a b", "a  b"), "blanks")],
)
def test_names_that_are_nearly_the_same(names: tuple[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"differ only by {said}"):
        in_csv(tmp_path, list(names))
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match=f"differ only by {said}"):
        read_table(write_folder(tmp_path / "x", dict.fromkeys(names, 1)))
