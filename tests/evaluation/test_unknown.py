"""None of these: threshold and class means, the number beside the logits, what bundles hold, and what is said."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.bundle.layout import Unknown
from bakeoff.cli._app import build
from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.evaluation.given import images_of
from bakeoff.evaluation.opening import of_bundle
from bakeoff.evaluation.predict import predict
from bakeoff.evaluation.unknown import figures, fit, similarity
from bakeoff.graph import run
from bakeoff.graph.similarity import features_of, with_similarity
from bakeoff.preprocessing import Signature
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_predictions
from bakeoff.runtimes._heatmap import drops
from bakeoff.schemas import Array, Predictions
from bakeoff.serving.model import Served

RNG = np.random.default_rng(0)


def drawn(num: int, classes: int = 3, width: int = 16) -> tuple[Array, Array]:
    """Features around a direction a class, and their labels."""
    centers, labels = np.random.default_rng(7).normal(size=(classes, width)), np.arange(num) % classes
    return centers[labels] + 0.7 * RNG.normal(size=(num, width)), labels


def test_each_image_is_measured_without_itself() -> None:
    features, labels = drawn(40)
    fitted = fit(features, labels, 3)
    assert fitted is not None
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    for place in range(40):  # as the words say it, one by one
        others = np.arange(40) != place
        means = [units[others & (labels == c)].sum(0) for c in range(3)]
        expected = max(units[place] @ mean / np.linalg.norm(mean) for mean in means)
        assert fitted[1][place] == pytest.approx(expected, abs=1e-12)
    with_itself = similarity(features, fitted[0].means)
    assert (with_itself > fitted[1] - 1e-6).mean() > 0.9  # which is what leaving it out is for


def test_at_most_a_twentieth_of_known_images_is_refused() -> None:
    """On average over draws: k / (N + 1) of new ones at most; each draw's share varies."""
    shares = []
    for _ in range(60):
        fitted = fit(*drawn(99), 3)
        assert fitted is not None
        assert (fitted[0].refused_validation, fitted[0].num) == (4, 99)
        assert (fitted[1] < fitted[0].threshold).sum() == 4
        shares.append((similarity(drawn(300)[0], fitted[0].means) < fitted[0].threshold).mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.05 + 3 * error
    assert np.mean(shares) > 0.01  # it refuses at all


@pytest.mark.parametrize(("num", "classes"), [(18, 3), (0, 3), (60, 4)])
def test_what_cannot_be_said_is_not(num: int, classes: int) -> None:
    assert fit(*drawn(num), classes) is None


def test_features_of_zero_and_a_class_of_one_image() -> None:
    features, labels = drawn(40)
    features[5] = 0
    labels[labels == 2] = 0
    labels[7] = 2
    fitted = fit(features, labels, 3)
    assert fitted is not None
    assert np.isfinite(fitted[1]).all()
    assert np.isfinite(fitted[0].means).all()
    assert fitted[1][5] == 0


@pytest.fixture
def bundle() -> Bundle:
    graph = models.build("mnist_cnn", (8, 8), 1, 3)
    body = features_of(graph)
    assert body is not None
    width = body.output_shape[1]
    assert isinstance(width, int)
    means = np.eye(3, width, dtype=np.float32)
    return Bundle(graph, Signature((8, 8), 1), ("a", "b", "c"), unknown=Unknown(0.25, 4, 99, means))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_net_says_what_numpy_says(bundle: Bundle, dtype: str) -> None:
    graph = models.build("mnist_mlp", (8, 8), 1, 3).astype(dtype)  # ONNX Runtime has no convolution in float64
    images, body = RNG.normal(size=(5, 8, 8, 1)).astype(dtype), features_of(graph)
    assert body is not None
    fitted = fit(run(body, RNG.normal(size=(30, 8, 8, 1)).astype(dtype)), np.arange(30) % 3, 3)
    assert fitted is not None
    bundle = replace(bundle, graph=graph, unknown=fitted[0])
    opened = of_bundle(bundle, Path("x"))
    runtime: Any = opened.runtime
    logits, *_, near = runtime.values(images)
    close = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(logits, run(graph, images), atol=close)
    np.testing.assert_allclose(near[:, 0], similarity(run(body, images), fitted[0].means), atol=close)
    np.testing.assert_array_equal(opened.runtime.predict(images), logits)
    assert list(with_similarity(graph, fitted[0].means).outputs) == ["logits", "similarity"]


def test_nets_without_a_dense_end_have_none() -> None:
    graph = models.build("mnist_cnn", (8, 8), 1, 3)
    body = features_of(graph)
    assert body is not None
    assert features_of(body) is None


def test_a_bundle_keeps_it_and_an_older_one_says_nothing(bundle: Bundle, tmp_path: Path) -> None:
    back = bundles.read(bundles.write(tmp_path / "new", bundle))
    assert back.unknown is not None
    assert bundle.unknown is not None
    assert back.unknown.to_json() == bundle.unknown.to_json()
    np.testing.assert_array_equal(back.unknown.means, bundle.unknown.means)
    assert bundles.read(bundles.write(tmp_path / "old", replace(bundle, unknown=None))).unknown is None
    assert not (tmp_path / "old" / "unknown.safetensors").exists()


def _said(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        value = json.loads((folder / "bundle.json").read_text())
        value["unknown"] |= changes
        (folder / "bundle.json").write_text(json.dumps(value))

    return change


def _means(means: Array, name: str = "means") -> Callable[[Path], None]:
    from safetensors.numpy import save_file

    from bakeoff.graph.graph import weights_sha256

    def change(folder: Path) -> None:
        save_file({name: means}, folder / "unknown.safetensors")
        _said(sha256=weights_sha256({"means": means}))(folder)

    return change


HOSTILE: dict[str, Callable[[Path], Any]] = {
    "threshold 2": _said(threshold=2.0),
    "threshold NaN": _said(threshold=float("nan")),
    "threshold a text": _said(threshold="0.5"),
    "threshold null": _said(threshold=None),
    "another score": _said(score="energy"),
    "more refused than there were": _said(refused_validation=100),
    "less than nothing": _said(num=-1),
    "a count past all": _said(num=2**70),
    "no hash": _said(sha256=None),
    "another hash": _said(sha256="0" * 64),
    "no object": lambda folder: (folder / "bundle.json").write_text(
        json.dumps(json.loads((folder / "bundle.json").read_text()) | {"unknown": [1]})
    ),
    "no file": lambda folder: (folder / "unknown.safetensors").unlink(),
    "cut short": lambda folder: (folder / "unknown.safetensors").write_bytes(b"1"),
    "far too large": lambda folder: (folder / "unknown.safetensors").write_bytes(bytes(10**6)),
    "another shape": _means(np.ones((3, 5), np.float32)),
    "another name": _means(np.ones((3, 16), np.float32), "other"),
    "infinite": _means(np.full((3, 16), np.inf, np.float32)),
    "whole numbers": _means(np.ones((3, 16), np.int32)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_values_are_refused_in_words(what: str, bundle: Bundle, tmp_path: Path) -> None:
    folder = bundles.write(tmp_path / "bundle", bundle)
    HOSTILE[what](folder)
    with pytest.raises(BakeoffError) as caught:
        bundles.read(folder)
    assert isinstance(caught.value, CorruptError)
    assert len(str(caught.value).splitlines()) <= 3


def test_labels_stay_and_unknown_stands_beside_them(bundle: Bundle, tmp_path: Path) -> None:
    files = []
    for number in range(12):
        pixels = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        files.append(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_text("no image")
    files.insert(3, tmp_path / "bad.png")
    first = list(predict(of_bundle(bundle, Path("x")), files))
    assert bundle.unknown is not None
    middle = float(np.median([row["similarity"] for row in first if "similarity" in row]))
    opened = of_bundle(replace(bundle, unknown=replace(bundle.unknown, threshold=middle)), Path("x"))
    plain = list(predict(of_bundle(replace(bundle, unknown=None), Path("x")), files))
    for tta in ("none", "flip"):
        rows = list(predict(opened, files, tta=tta, batch_size=5))
        assert sum(row.get("unknown", False) for row in rows) == 6
        for row, before, old in zip(rows, first, plain, strict=True):
            assert row.get("unknown") == (before["similarity"] < middle if "similarity" in before else None)
            assert "unknown" not in old
            if tta == "none":
                bare = {key: value for key, value in row.items() if key not in ("unknown", "similarity")}
                assert bare.get("label") == old.get("label")
                assert bare.get("probability") == pytest.approx(old.get("probability"), abs=1e-6)


def test_what_evaluate_says_of_them(tmp_path: Path) -> None:
    logits, labels = np.array([[2.0, 0], [2, 0], [0, 2], [0, 2]]), np.array([0, 1, 1, 1])
    near = np.array([0.1, 0.2, 0.5, 0.9], np.float32)
    found = Predictions(logits, labels, np.arange(4), near)
    said = figures(found, 0.3)
    assert said == {"threshold": 0.3, "num": 2, "right": 1, "wrong": 1, "coverage": 0.5, "accuracy": 1.0}
    assert figures(found, 1.0)["accuracy"] is None
    kept = Run(tmp_path)
    kept.predictions("test", found, np.array(["a", "b", "c", "d"]))
    back = read_predictions(tmp_path, "test")
    assert back is not None
    np.testing.assert_array_equal(back.similarity, near)
    for odd in (near[:3], near.astype(int), np.full(4, np.nan)):
        kept.predictions("test", replace(found, similarity=odd), np.array(["a", "b", "c", "d"]))
        with pytest.raises(CorruptError, match="similarity"):
            read_predictions(tmp_path, "test")


@pytest.mark.parametrize("given", [["--json"], ["--csv"], []])
def test_what_the_command_line_shows(given: list[str], bundle: Bundle, tmp_path: Path) -> None:
    bundles.write(tmp_path / "bundle", bundle)
    for name in ("a.png", "b.png"):
        Image.new("L", (8, 8), 90).save(tmp_path / name)
    (tmp_path / "c.png").write_text("no image")
    line = ["predict", str(tmp_path / "bundle"), *map(str, sorted(tmp_path.glob("?.png"))), *given]
    done = CliRunner().invoke(build(line), line)
    assert done.exit_code == 3, done.output
    assert "unknown" in done.output
    assert "similarity" in done.output
    if given == ["--csv"]:
        lines = list(csv.reader(done.stdout.splitlines()))
        assert lines[0][-2:] == ["unknown", "similarity"]
        assert {len(line) for line in lines} == {len(lines[0])}
        assert lines[1][-2] in ("true", "false")


def test_a_heat_map_is_the_same_beside_it(bundle: Bundle) -> None:
    pixels = RNG.integers(0, 256, (8, 8, 1), dtype=np.uint8)
    told, plain = (drops(of_bundle(one, Path("x")), pixels) for one in (bundle, replace(bundle, unknown=None)))
    assert told.way == plain.way == "map"
    np.testing.assert_allclose(told.values, plain.values, atol=1e-5)


@pytest.mark.parametrize("num", [0, 1, 9])
def test_a_server_says_what_predict_says(bundle: Bundle, tmp_path: Path, num: int) -> None:
    images = RNG.integers(0, 256, (num, 8, 8, 1), dtype=np.uint8)
    assert bundle.unknown is not None
    near = [row["similarity"] for row in predict(of_bundle(bundle, tmp_path), images_of(images))] if num else [0.0]
    told = replace(bundle, unknown=replace(bundle.unknown, threshold=float(np.median(near))))
    opened = of_bundle(told, tmp_path)
    served = Served("net", 1, opened)
    rows = list(predict(opened, images_of(images))) if num else []
    found = served.run("serve_images", {"images": images})
    assert found["unknown"].tolist() == [row["unknown"] for row in rows]
    np.testing.assert_allclose(found["similarity"], [row["similarity"] for row in rows], atol=1e-6)
    for name in ("serve_images", "serve_tensor"):  # what else they give is as without it
        given = images if name == "serve_images" else images.astype(np.float32)
        (alias,) = served.signatures[name].inputs
        before = Served("net", 1, of_bundle(replace(bundle, unknown=None), tmp_path)).run(name, {alias: given})
        after = served.run(name, {alias: given})
        assert set(after) - set(before) == {"unknown", "similarity"}
        np.testing.assert_allclose(after["logits"], before["logits"], atol=1e-6)
