"""Lists, arrays and archives that ask for far more than they hold, and files of a run that say what none would."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bakeoff
from bakeoff import bundle, recipe
from bakeoff.data.extract import extract, members
from bakeoff.data.reader import read_table
from bakeoff.data.sources import parquet
from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import predict
from bakeoff.rundir.readers import read_predictions
from bakeoff.runtimes.torch_export import _refuse_hostile
from bakeoff.training.loop import best
from bakeoff.training.rescue.resume import job_of

GIB = 1 << 30
KEPT = Path(__file__).parents[1] / "compatibility/0.1/comparison/torch/bundle"


def long_line(path: Path) -> None:
    path.write_bytes(b"path,label\n" + b"a" * (8 << 20))


def long_object(path: Path) -> None:
    path.write_bytes(b'{"path": "a.png", "label": "' + b"a" * (8 << 20) + b'"}\n')


def columns(path: Path) -> None:
    path.write_bytes(b"path,label" + b",a" * 100_000 + b"\n" + b"a\n" * 200_000)


def hole(path: Path) -> None:
    path.write_bytes(b"path,label\n")
    with path.open("r+b") as file:
        file.truncate(2 * GIB)


def noughts(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (160 << 10, 32, 32)}
        )
        with archive.open("x_train.npy", "w", force_zip64=True) as file:
            file.write(header.getvalue())
            for _ in range(160):
                file.write(bytes(1 << 20))


def promised(path: Path) -> None:
    path.write_bytes(gzip.compress(struct.pack(">4I", 0x803, 1 << 20, 64, 64) + bytes(1 << 20)))
    path.with_name("train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(struct.pack(">2I", 0x801, 1 << 20)))


LISTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "line.csv": (long_line, "a line of more than"),
    "line.jsonl": (long_object, "a line of more than"),
    "columns.csv": (columns, "100,002 columns"),
    "hole.csv": (hole, "larger than"),
    "noughts.npz": (noughts, "a bomb"),
    "train-images-idx3-ubyte.gz": (promised, "more than it can hold"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_costs_what_its_size_explains(name: str, tmp_path: Path) -> None:
    make, says = LISTS[name]
    make(tmp_path / name)
    with pytest.raises(BakeoffError, match=f"{name}.*{says}"):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("cells", "count", "says"),
    [
        (["a.png"], 9, "9 rows, more than its size explains"),
        ([b"\0" * 200_000], 9, "grows beyond 1,000,000 bytes"),  # once in the file
        (["a" * 2_000_000], 1, "grows beyond 1,000,000 bytes"),
    ],
)
def test_a_cell_of_parquet_stands_for_no_billion_rows(
    cells: list[Any], count: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow, library = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = arrow.table({"image": cells * count, "label": [str(row % 2) for row in range(count)]})
    library.write_table(table, tmp_path / "a.parquet", compression="zstd")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(parquet, "growth", lambda _: 1_000_000)
    monkeypatch.setattr(parquet, "FREE_ROWS", 8 - (tmp_path / "a.parquet").stat().st_size * (cells == ["a.png"]))
    with pytest.raises(BakeoffError, match=says):
        read_table(tmp_path / "a.parquet")


def test_a_page_of_parquet_is_no_larger_than_its_footer_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """600 MB of noughts in 30 KB; the footer, edited, says a tenth of a percent of it."""
    arrow, library = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, rows = tmp_path / "a.parquet", 20
    table = arrow.table({"label": [str(row % 2) for row in range(rows)], "image": [bytes(30_000_000)] * rows})
    settings: dict[str, Any] = {"use_dictionary": False, "write_statistics": False, "data_page_size": 1 << 30}
    library.write_table(table, path, compression="zstd", **settings)
    held, size = (
        library.ParquetFile(path).metadata.row_group(0).column(1),
        int.from_bytes(path.read_bytes()[-8:-4], "little"),
    )
    whole = path.read_bytes()
    says, lies = (b"\x16" + _varint(number) for number in (held.total_uncompressed_size, 600_000))
    footer = whole[-8 - size : -8]
    assert footer.count(says) == 1
    footer = footer.replace(says, lies)
    path.write_bytes(whole[: -8 - size] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code = "import sys; from pathlib import Path; from bakeoff.data.sources import parquet; parquet.HELD = 400 << 20;"
    line = [sys.executable, "-c", f"{code} parquet.read(Path(sys.argv[1]))", str(path)]  # it has no memory to use again
    done = subprocess.run(line, capture_output=True, text=True)
    assert "a.parquet: no Parquet that can be read" in done.stderr.splitlines()[-1]
    assert "failed" in done.stderr.splitlines()[-1]


def _varint(number: int) -> bytes:
    """As Thrift's compact protocol writes an i64."""
    number, found = number << 1, b""
    while number > 127:
        number, found = number >> 7, found + bytes([number & 127 | 128])
    return found + bytes([number])


def test_a_page_that_lies_is_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was said of the cache that it couldn't be written."""
    arrow, library = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    table = arrow.table({"image": [bytes(20_000)] * 20, "label": list("ab" * 10)})
    library.write_table(table, path, compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    content[60:80] = bytes(20)
    path.write_bytes(content)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BakeoffError, match=r"a\.parquet: no Parquet that can be read"):
        read_table(path)


def test_what_is_passed_over_in_an_archive_counts(tmp_path: Path) -> None:
    image = io.BytesIO()
    Image.new("L", (8, 8)).save(image, "PNG")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, size in (("notes.bin", 128 << 20), ("a.png", len(image.getvalue()))):
            info = tarfile.TarInfo(name)
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size) if size > 999 else image.getvalue()))
    with pytest.raises(CorruptError, match="a bomb"):
        [member.name for member, _ in members(tmp_path / "a.tar.gz")]
    with pytest.raises(CorruptError, match="bomb"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out")


def test_an_exported_program_is_no_bomb(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt2", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/models/model.json", b" " * (128 << 20))
    with pytest.raises(CorruptError, match="a bomb"):
        _refuse_hostile(tmp_path / "a.pt2")


@pytest.mark.parametrize(
    "names",
    [
        ("a/data/aotinductor/model/x.so",),
        ("a/data/constants/opaque_obj_0",),
        ("a/models/model.JSON",),
        ("a/models/model.json", "a/models/model.json"),
        ("a/models/model.json", "a/MODELS/model.json"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_exported_program_has_nothing_that_another_reader_could_find(names: tuple[str, ...], tmp_path: Path) -> None:
    """torch loads compiled code and pickled objects, asks for no case, and takes another one of two entries."""
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    with pytest.raises(CorruptError, match="and could run code"):
        _refuse_hostile(tmp_path / "a.pt2", trust=True)


def test_a_list_of_best_epochs_names_no_file_elsewhere(tmp_path: Path) -> None:
    """A row that isn't among the best any more has its file deleted."""
    (tmp_path / "kept").write_text("as it was")
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    rows = [{"epoch": 0, "validation_accuracy": 0.1, "file": "../../kept"}]
    (tmp_path / "run/checkpoints/best.json").write_text(json.dumps({"schema": 1, "epochs": rows}))
    best.keep(tmp_path / "run", 1, 1, 0.5, {"w": np.ones(2)})
    assert (tmp_path / "kept").read_text() == "as it was"


@pytest.mark.parametrize("edit", [{"seed": 10**30}, {"seed": -1}, {"threads": 0}, {"loggers": [1]}, {"data": None}])
def test_a_job_says_what_can_be_done(edit: dict[str, object], tmp_path: Path) -> None:
    asked = {"schema": 1, "data": "x", "recipe": "", "framework": "torch", "run": "r"}
    (tmp_path / "job.json").write_text(json.dumps(asked | edit))
    with pytest.raises(CorruptError, match=f"job.json.*{next(iter(edit))}"):
        job_of(tmp_path)


def test_empty_predictions_are_named(tmp_path: Path) -> None:
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions/test.npz").write_bytes(b"")
    with pytest.raises(CorruptError, match=r"test\.npz: damaged.*Train the run again"):
        read_predictions(tmp_path, "test")


def test_a_number_of_five_thousand_digits_is_no_toml() -> None:
    with pytest.raises(BakeoffError, match="not valid TOML"):
        recipe.loads("seed = " + "9" * 5000)
    with pytest.raises(BakeoffError, match="seed"):
        recipe.with_overrides(recipe.load("mnist-cnn"), ["seed=" + "9" * 5000])


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another number of classes": lambda told: told.update(classes=["a"]),
    "another output": lambda told: told["graph"].update(outputs={"logits": [told["graph"]["nodes"][0]["id"], 0]}),
    "two inputs": lambda told: told["graph"]["inputs"].update(other=["batch", 8, 8, 1]),
    "larger images": lambda told: told["signature"].update(size=[8192, 8192]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_bundle_fits_together(edit: str, tmp_path: Path) -> None:
    shutil.copytree(KEPT, tmp_path / "bundle")
    told = json.loads((tmp_path / "bundle/bundle.json").read_text())
    EDITS[edit](told)
    (tmp_path / "bundle/bundle.json").write_text(json.dumps(told))
    with pytest.raises(CorruptError, match=r"bundle.json.*the signature says"):
        bundle.read(tmp_path)


def test_a_bundle_costs_what_its_size_explains(tmp_path: Path) -> None:
    """A padding of 15,000 and a pooling that takes it away again: 14 GB an image."""
    shutil.copytree(KEPT, tmp_path / "bundle")
    told = json.loads((tmp_path / "bundle/bundle.json").read_text())
    nodes = {node["id"]: node["attributes"] for node in told["graph"]["nodes"]}
    nodes["conv1"]["pad"], nodes["pool1"]["stride"] = [15_000] * 4, [10_001] * 2
    (tmp_path / "bundle/bundle.json").write_text(json.dumps(told))
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    for opened in (open_model(tmp_path), bakeoff.load(tmp_path).opened):
        with pytest.raises(CorruptError, match=r"more than 2.0 GiB of memory"):
            list(predict(opened, [tmp_path / "a.png"]))


def test_weights_of_a_bundle_are_no_larger_than_its_net(tmp_path: Path) -> None:
    """safetensors panics where 40 GB don't fit."""
    shutil.copytree(KEPT, tmp_path / "bundle")
    weights = tmp_path / "bundle/weights.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [10 * GIB], "data_offsets": [0, 40 * GIB]}}).encode()
    weights.write_bytes(len(header).to_bytes(8, "little") + header)
    os.truncate(weights, 8 + len(header) + 40 * GIB)
    with pytest.raises(CorruptError, match=r"weights.safetensors.*its net has at most"):
        bundle.read(tmp_path)
