"""Exported files tell images of no class as their source does, or a line says that they can't."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bakeoff.bundle import Bundle
from bakeoff.bundle.layout import Unknown
from bakeoff.errors import CorruptError, ParityError
from bakeoff.evaluation.given import images_of
from bakeoff.evaluation.opening import of_bundle, open_model
from bakeoff.evaluation.predict import predict
from bakeoff.exports import export_checked, gate
from bakeoff.exports._text import exported
from bakeoff.exports._text import text as says
from bakeoff.exports.formats import onnx
from bakeoff.graph.graph import Graph
from bakeoff.graph.similarity import NAME, features_of
from bakeoff.models import mnist_cnn
from bakeoff.preprocessing import Signature
from bakeoff.serving.golden import hold
from bakeoff.serving.model import DEFAULT, TENSOR, Served
from bakeoff.serving.tensors import strings

CLASSES = ("cat", "dog", "emu")
HELD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "onnx": ("onnx", "float32", {}),
    "onnx, images": ("onnx", "float32", {"with_preprocessing": True}),
    "onnx, float16": ("onnx", "float16", {}),
    "openvino": ("openvino", "float32", {}),
    "openvino, bfloat16": ("openvino", "bfloat16", {}),
    "litert": ("litert", "float32", {}),
    "litert, float16": ("litert", "float16", {}),
    "savedmodel": ("savedmodel", "float32", {}),
    "bundle": ("bundle", "float32", {}),
}
NEEDS = {"openvino": "openvino", "litert": "ai_edge_litert", "savedmodel": "tensorflow", "torch": "torch"}
WRITERS = {"litert": "tensorflow", "savedmodel": "tensorflow", "keras": "tensorflow", "torch": "torch"}


def slow(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.slow] if HELD[name][0] in WRITERS else [])


def drawn(seed: int) -> Any:
    tiles = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(tiles).resize((40, 30))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A net, and a threshold between what it says of two images."""
    graph = mnist_cnn.build((24, 24), 3, 3)
    body: Any = features_of(graph)
    means = np.abs(np.random.default_rng(0).normal(size=(3, body.output_shape[1])))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    made = Bundle(graph, Signature((24, 24), 3), CLASSES, unknown=Unknown(0.0, 1, 20, means.astype(np.float32)))
    near = [row["similarity"] for row in told(of_bundle(made, Path("net")))]
    assert made.unknown is not None
    return replace(made, unknown=replace(made.unknown, threshold=float(np.mean(near))))


def told(opened: Any) -> list[dict[str, Any]]:
    return list(predict(opened, images_of([drawn(0), drawn(1)])))


def written(bundle: Bundle, to: str, place: Path, **how: Any) -> Any:
    pytest.importorskip(NEEDS.get(to, "onnx"))
    if to in WRITERS:
        from bakeoff.bundle import write
        from bakeoff.workers.launch import Worker

        source = write(place.with_name("source"), bundle)
        with Worker(WRITERS[to]) as worker:
            what = {"run": str(source), "to": to, "precision": how.get("precision", "float32"), "data": None}
            made = worker.call("bakeoff.exports.measured:written", output=str(place), **what)
        return Path(made["path"]), made["gate"]
    made = export_checked(bundle, to, place, **how)
    return made.path, made.gate.to_json()


@pytest.mark.parametrize("name", [slow(name) for name in HELD])
def test_a_file_tells_what_its_source_tells(name: str, bundle: Bundle, tmp_path: Path) -> None:
    to, precision, more = HELD[name]
    path, said = written(bundle, to, tmp_path / "net", precision=precision, **more)
    checks = {check["name"]: check for check in said["checks"]}
    assert said["passed"]
    assert checks["similarity"]["tolerance"] < 0.01
    assert checks["unknown"]["tolerance"] == 0
    opened, there = open_model(path), told(of_bundle(bundle, path))
    here = told(opened)
    assert {row["unknown"] for row in there} == {True, False}
    far = 1e-5 if precision == "float32" else 0.01
    for a, b in zip(here, there, strict=True):
        assert (a["label"], a["unknown"]) == (b["label"], b["unknown"])
        assert a["similarity"] == pytest.approx(b["similarity"], abs=far)
    served = Served("net", 1, opened)
    assert hold(path, served) > 0
    assert {"unknown", "similarity"} <= served.signatures[TENSOR].outputs.keys()
    if to == "savedmodel":
        by_bytes(path, tmp_path, bundle)


def by_bytes(path: Path, folder: Path, bundle: Bundle) -> None:
    """Its own signatures, as a server of TensorFlow's has them, against the server here."""
    tf = pytest.importorskip("tensorflow")
    files = []
    for place in range(2):
        drawn(place).save(folder / f"{place}.png")
        files.append((folder / f"{place}.png").read_bytes())
    here = Served("net", 1, of_bundle(bundle, path)).run(DEFAULT, {"bytes": strings(files)})
    signatures = tf.saved_model.load(str(path)).signatures
    there = {key: one.numpy() for key, one in signatures["serving_default"](bytes=tf.constant(files)).items()}
    assert there.keys() == here.keys()
    assert there["unknown"].tolist() == here["unknown"].tolist()
    assert sorted(there["unknown"].tolist()) == [False, True]
    assert np.abs(there["similarity"] - here["similarity"]).max() < 1e-5
    assert signatures["classify"].structured_outputs.keys() == {"classes", "scores"}  # more, its server refuses


@pytest.mark.slow
@pytest.mark.parametrize("to", ["torch", "keras"])
def test_what_a_format_has_no_place_for_is_said(to: str, bundle: Bundle, tmp_path: Path) -> None:
    _, said = written(bundle, to, tmp_path / "net")
    assert said["passed"]
    assert "similarity" not in {check["name"] for check in said["checks"]}
    assert f"{to} in float32 has no place for what tells images of no class" in said["note"]


def other_means(bundle: Bundle) -> Graph:
    assert bundle.unknown is not None
    return exported(replace(bundle, unknown=replace(bundle.unknown, means=bundle.unknown.means[:, ::-1])))


def forgotten(bundle: Bundle) -> Graph:
    return exported(replace(bundle, unknown=None))


@pytest.mark.parametrize(
    ("net", "stage"), [(other_means, "similarity"), (forgotten, "opens and answers")], ids=["means", "none"]
)
def test_means_of_another_net_are_stopped(
    net: Callable[[Bundle], Graph], stage: str, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx, "exported", net)
    with pytest.raises(ParityError, match=f"First difference: {stage}"):
        export_checked(bundle, "onnx", tmp_path / "net.onnx")


@pytest.mark.parametrize("threshold", [None, 0.999])
def test_another_threshold_is_stopped(
    threshold: float | None, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundle.unknown is not None
    changed = None if threshold is None else replace(bundle.unknown, threshold=threshold)
    monkeypatch.setattr(onnx, "text", lambda made: says(replace(made, unknown=changed)))
    with pytest.raises(ParityError, match=f"First difference: {'similarity' if threshold is None else 'unknown'}"):
        export_checked(bundle, "onnx", tmp_path / "net.onnx")


def test_older_golden_pictures_are_read(bundle: Bundle, tmp_path: Path) -> None:
    plain = export_checked(replace(bundle, unknown=None), "onnx", tmp_path / "net.onnx").path
    beside = tmp_path / "net.onnx.golden.npz"
    with np.load(beside) as found:
        old = {key: found[key] for key in found.files if key not in ("similarity", "near", "unknown", "threshold")}
    np.savez_compressed(beside, **old)
    assert gate.verify(plain).passed


@pytest.mark.parametrize("said", [{"threshold": 7}, {"threshold": "x"}, {}, 3])
def test_a_damaged_threshold_is_refused(said: Any, bundle: Bundle, tmp_path: Path) -> None:
    import onnx as library

    made = onnx.made(bundle)
    (one,) = made.metadata_props
    one.value = json.dumps({**json.loads(one.value), "unknown": said})
    library.save(made, tmp_path / "net.onnx")
    with pytest.raises(CorruptError, match="what it says about itself is damaged"):
        open_model(tmp_path / "net.onnx")
    assert [out.name for out in made.graph.output] == ["logits", NAME]
