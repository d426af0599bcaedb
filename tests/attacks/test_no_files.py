"""Pipes, devices and links in the place of files: nothing waits for them, each is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from bakeoff.data.hashing import look_at
from bakeoff.data.sources.hf import content_of
from bakeoff.errors import DataError, RecipeError
from bakeoff.files import content, read_json, regular
from bakeoff.preprocessing import decode, read_header
from bakeoff.recipe import load
from bakeoff.rundir.readers import read_lines

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
TYPES = {"a pipe": lambda place: os.mkfifo(place), "a device": lambda place: place.symlink_to("/dev/zero")}
NAMES = "x.npz x.zip x.tar x.csv x.jsonl x.parquet train-images-idx3-ubyte.gz data_batch_1 x.toml"


def called(folder: Path, *words: str) -> tuple[int, str]:
    """A command line's exit code and all that it says; never more than 20 seconds after its start."""
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *words], cwd=folder, capture_output=True, text=True, timeout=60
    )
    said = done.stdout + done.stderr
    assert "unexpected" not in said
    assert "Traceback" not in said
    return done.returncode, said


@pytest.mark.parametrize("kind", TYPES)
def test_a_picture_that_is_none_is_named(kind: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            Image.effect_noise((32, 32), 50 + number).save(tmp_path / "photos" / name / f"{number}.png")
    TYPES[kind](tmp_path / "photos" / "a" / "4.png")
    code, said = called(tmp_path, "data", "audit", "photos", "--no-labels", "--follow-links")
    assert (code, f"can't be read ({kind}, not a file)" in said) == (0, True), said


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", NAMES.split())
def test_data_that_is_no_file_is_named(kind: str, name: str, tmp_path: Path) -> None:
    from bakeoff.data import read_data
    from bakeoff.errors import BakeoffError

    TYPES[kind](tmp_path / name)
    with pytest.raises(BakeoffError):
        read_data(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="no such files on this system")
@pytest.mark.parametrize("place", ["/proc/self/pagemap", "/proc/self/environ", "/proc/self/maps"])
def test_what_has_no_size_is_not_read(place: str) -> None:
    """A list may name it as an image; the first of them has 256 GiB."""
    assert look_at(Path(place)).reason == "empty (0 bytes)"
    for read in (decode, read_header):
        with pytest.raises(DataError, match="empty"):
            read(place)


@pytest.mark.parametrize("kind", TYPES)
def test_runs_of_pipes_are_named(kind: str, tmp_path: Path) -> None:
    for name in ("run.json", "job.json", "recipe.toml", "metrics.jsonl"):
        (tmp_path / "run").mkdir(exist_ok=True)
        TYPES[kind](tmp_path / "run" / name)
    (tmp_path / "run" / "bundle").mkdir()
    TYPES[kind](tmp_path / "run" / "bundle" / "model.json")
    for words in (("runs", "."), ("predict", "run", "x.jpg"), ("report", "run"), ("train", "x", "--resume", "run")):
        called(tmp_path, *words)


@pytest.mark.parametrize("kind", TYPES)
def test_parts_of_a_saved_model_are_files(kind: str, tmp_path: Path) -> None:
    from bakeoff.errors import CorruptError
    from bakeoff.runtimes import savedmodel

    (tmp_path / "variables").mkdir()
    savedmodel._regular(tmp_path)
    TYPES[kind](tmp_path / "variables" / "variables.index")
    with pytest.raises(CorruptError, match=r"variables\.index"):
        savedmodel._regular(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/variables").symlink_to(tmp_path / "variables")  # what is behind it wasn't looked at
    with pytest.raises(CorruptError, match=r"other/variables: .*a folder, not a file"):
        savedmodel._regular(tmp_path / "other")
    (tmp_path / "other/variables").unlink()
    (tmp_path / "weights").write_bytes(b"")
    (tmp_path / "other/variables.index").symlink_to(tmp_path / "weights")  # as caches have them
    savedmodel._regular(tmp_path / "other")


def test_logs_may_have_any_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "__defaults__", (100,))
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n\n' * 50)
    assert read_lines(tmp_path / "metrics.jsonl") == [{"step": 1}] * 50
    assert read_lines(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    "text", ["{key} = 1\n", "[{key}]\n", "[[{key}]]\n", '"a" . {key} = 1\n', "x = {{ {key} = 1 }}\n"]
)
@pytest.mark.parametrize("part", ["a", '"a"', "'a'", " a "])
def test_keys_of_many_dots_are_refused(text: str, part: str, tmp_path: Path) -> None:
    """100 KB of them took 6 GB."""
    place = tmp_path / "x.toml"
    place.write_text(text.format(key=".".join([part] * 20_000)))
    with pytest.raises(RecipeError, match="a key of more than 64 parts"):
        load(place)


def test_long_recipes_are_read(tmp_path: Path) -> None:
    """A weight for each of ten thousand classes."""
    weights = ", ".join(["0.125"] * 10_000)
    (tmp_path / "x.toml").write_text(
        f'title = "x"\n[model]\nname = "mnist_cnn"\n[[phases]]\nstrategy = "finetune"\nclass_weights = [{weights}]\n'
    )
    assert len(load(tmp_path / "x.toml").phases[0].class_weights) == 10_000


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    for kind, make in TYPES.items():
        make(tmp_path / kind)
        with pytest.raises(OSError, match=f"{kind}, not a file"):
            regular(tmp_path / kind)
    with pytest.raises(OSError, match="a folder, not a file"):
        regular(tmp_path)
    (tmp_path / "x").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deep"):
        read_json(tmp_path / "x")
    with pytest.raises(OSError, match="larger than 99,999 bytes"):
        content(tmp_path / "x", 99_999)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("place", ["/etc/passwd", "/dev/zero", "{0}/../outside", "{0}/link", "{0}/pipe", "{0}/device"])
def test_a_data_set_of_the_hub_names_its_own_files_alone(place: str, tmp_path: Path) -> None:
    """Its rows have paths: any file of this machine was copied as an image, and a device had no end."""
    root = tmp_path / "set"
    root.mkdir()
    (tmp_path / "outside").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "device").symlink_to("/dev/zero")
    os.mkfifo(root / "pipe")
    (root / "own").write_bytes(b"image")
    assert content_of({"bytes": None, "path": str(root / "own")}, [tmp_path / "other", root]) == b"image"
    assert content_of({"bytes": b"held", "path": place}, []) == b"held"
    with pytest.raises(DataError, match=r"outside of its data set|a pipe, not a file"):
        content_of({"bytes": None, "path": place.format(root)}, [root])
