"""Bundles and ONNX files are compared piece by piece."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bakeoff.bundle import Bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.conversion import contents
from bakeoff.models import build
from bakeoff.preprocessing import Signature


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    graph = build("mnist_cnn", input_size=(28, 28), channels=1, classes=3)
    return Bundle(graph, Signature(size=(28, 28), channels=1), ("cat", "dog", "owl"))


def nudged(bundle: Bundle) -> Bundle:
    """One number of one kernel, by a millionth."""
    arrays = bundle.graph.arrays()
    path = next(path for path, array in arrays.items() if array.ndim == 4)
    changed = arrays[path].copy()
    changed.flat[0] *= np.float32(1 + 1e-6)
    return replace(bundle, graph=bundle.graph.with_arrays({path: changed}))


def test_bundles(bundle: Bundle, tmp_path: Path) -> None:
    one, same = (contents.of_bundle(write_bundle(tmp_path / name, bundle)) for name in ("one", "same"))
    assert contents.different(one, same) == []
    other = contents.of_bundle(write_bundle(tmp_path / "other", nudged(bundle)))
    assert len([name for name in contents.different(one, other) if name.startswith("weight ")]) == 1
    for old, new, said in (
        ('"epsilon": 1e-05', '"epsilon": 2e-05', "node "),
        ('"cat"', '"cow"', "bundle.json classes"),
        ('"resize": "bilinear"', '"resize": "nearest"', "bundle.json signature"),
    ):
        file = write_bundle(tmp_path / "edited", bundle) / "bundle.json"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        (different,) = contents.different(one, contents.of_bundle(tmp_path / "edited"))
        assert different.startswith(said)


def test_where_it_was_made_is_no_part_of_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    made = [replace(bundle, extra={"environment": {"host": host}, "licence": "MIT"}) for host in "ab"]
    found = [contents.of_bundle(write_bundle(tmp_path / str(i), one)) for i, one in enumerate(made)]
    assert contents.different(*found) == []


def test_onnx(bundle: Bundle, tmp_path: Path) -> None:
    import onnx

    from bakeoff.exports.formats import onnx as format_onnx

    one = format_onnx.write(bundle, tmp_path / "one.onnx")
    assert contents.different(contents.of(one), contents.of(format_onnx.write(bundle, tmp_path / "two.onnx"))) == []
    other = contents.of(format_onnx.write(nudged(bundle), tmp_path / "other.onnx"))
    assert any(name.startswith("weight ") for name in contents.different(contents.of(one), other))
    model = onnx.load(str(one))
    (text,) = model.metadata_props
    text.value = json.dumps({**json.loads(text.value), "classes": ["dog", "cat", "owl"]})
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    pool.attribute[0].ints[0] += 1
    onnx.save(model, str(tmp_path / "edited.onnx"))
    different = contents.different(contents.of(one), contents.of(tmp_path / "edited.onnx"))
    assert [name.split()[0] for name in different] == ["node", "text"]
