"""Golden pictures that were edited: refused in a line that names them, by `export --verify` and by a server; and none
makes an artefact pass that answers otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff.bundle import Bundle, write
from bakeoff.errors import CorruptError, UsageError
from bakeoff.evaluation.heatmaps import heatmap
from bakeoff.evaluation.opening import open_model
from bakeoff.exports import export, gate
from bakeoff.models import mnist_cnn_small
from bakeoff.preprocessing import Signature
from bakeoff.serving.watcher import loaded

Edit = Callable[[Any], Any]
SIGNATURE = Signature((24, 32), 3, "crop", "bicubic", mean=(0.5,), std=(0.25,))
EDITS: dict[str, Edit] = {
    "one row": lambda value: value[:1],
    "no row": lambda value: value[:0],
    "another axis": lambda value: value[None],
    "flat": lambda value: value.reshape(-1, 1, 1),
    "a number": lambda value: np.array(1.5),
    "complex": lambda value: np.zeros(value.shape, complex),
    "times": lambda value: np.zeros(value.shape, "M8[s]"),
}
FLOATS: dict[str, Edit] = {
    "nan": lambda value: np.full_like(value, np.nan),
    "one infinite": lambda value: np.where(np.arange(value.size).reshape(value.shape) == 0, np.inf, value),
    "text": lambda value: value.astype(str),
}
ROWS = ("names", "decoded", "prepared", "normalised", "labels", "output", "noisy", "tensor", "probabilities", "margins")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    bundle = Bundle(graph=mnist_cnn_small.build((24, 32), 3, 4), signature=SIGNATURE, classes=tuple("abcd"))
    return export(write(folder / "net", bundle), "onnx", folder / "net.onnx")


def edited(artefact: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the artefact whose golden pictures were changed."""
    made, golden = folder / artefact.name, artefact.with_name(f"{artefact.name}.golden.npz")
    made.write_bytes(artefact.read_bytes())
    with np.load(golden) as archive:
        found = {name: archive[name] for name in archive.files}
    change(found)
    np.savez(folder / golden.name, **found)
    return made


def refused(path: Path) -> None:
    for ask in (gate.verify, lambda one: loaded("net", 1, one, 16, False)):
        with pytest.raises(CorruptError) as caught:
            ask(path)
        said = str(caught.value)
        assert "golden.npz" in said
        assert "Export it anew." in said


@pytest.mark.parametrize("name", ROWS)
def test_arrays_that_do_not_belong_together(name: str, artefact: Path, tmp_path: Path) -> None:
    edits = EDITS | (FLOATS if name in ROWS[5:] else {})
    for edit in edits.values():

        def change(found: dict[str, Any], edit: Edit = edit) -> None:
            found[name] = edit(found[name])

        refused(edited(artefact, tmp_path, change))
    refused(edited(artefact, tmp_path, lambda found: found.pop(name)))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(sizes=-found["sizes"]),
        lambda found: found.update(sizes=found["sizes"] << 40),
        lambda found: found.update(content=found["content"][:-1]),
        lambda found: found.update(precision=np.array("float8")),
        lambda found: found.update(form=np.array("x")),
        lambda found: found.update(classes=found["classes"][:1]),
        lambda found: found.update({name: found[name][:0] for name in (*ROWS, "sizes", "content")}),
    ],
    ids=["negative", "huge", "cut", "precision", "form", "classes", "no picture"],
)
def test_what_is_in_them(change: Any, artefact: Path, tmp_path: Path) -> None:
    refused(edited(artefact, tmp_path, change))


def test_as_they_are_they_pass(artefact: Path, tmp_path: Path) -> None:
    path = edited(artefact, tmp_path, lambda found: None)
    assert gate.verify(path).passed
    assert loaded("net", 1, path, 16, False).version == 1


def test_weights_that_lie_where_openvino_would_write_stay(artefact: Path, tmp_path: Path) -> None:
    mine = tmp_path / "net.bin"
    mine.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"net\.bin: is there already"):
        export(artefact.parent / "net", "openvino", tmp_path / "net.xml")
    assert [mine.read_bytes(), list(tmp_path.iterdir())] == [b"mine", [mine]]


def test_a_heat_map_of_a_net_that_breaks_on_it_says_so(tmp_path: Path) -> None:
    graph = mnist_cnn_small.build((24, 32), 3, 4)
    arrays = {name: np.full_like(one, np.nan) if "dense" in name else one for name, one in graph.arrays().items()}
    made = Bundle(graph=graph.with_arrays(arrays), signature=SIGNATURE, classes=tuple("abcd"))
    with pytest.raises(CorruptError, match="numbers that aren't finite"):
        heatmap(open_model(write(tmp_path / "net", made)), Image.linear_gradient("L"))
