"""Test-time augmentation: probabilities, not logits, are averaged; nothing is drawn; all ways to ask agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.data import read_data
from bakeoff.errors import UsageError
from bakeoff.evaluation.kinds import MULTILABEL, of, of_loss
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import predict
from bakeoff.evaluation.tta import compared, mirrored
from bakeoff.exports import export
from bakeoff.graph import run as interpret
from bakeoff.model import evaluate
from bakeoff.preprocessing import Signature, normalize
from bakeoff.schemas import Array, Predictions

CLASSES = ("a", "b", "c")
RECIPE = 'seed = 0\n[model]\nname = "mnist_cnn"\n[[phases]]\nstrategy = "finetune"\n'


@pytest.mark.parametrize(("width", "multilabel"), [(4, False), (1, False), (4, True), (1, True)])
def test_probabilities_are_averaged(width: int, multilabel: bool) -> None:
    parts = [np.random.default_rng(seed).normal(0, 40, (50, width)) for seed in range(2)]  # far beyond exp's range
    kind = of(multilabel=multilabel, outputs=width)
    found = kind.probabilities(kind.averaged(parts))
    expected = sum(kind.probabilities(part) for part in parts) / 2
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert np.isfinite(kind.averaged(parts)).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a drawn net, and images that are not symmetric."""
    folder, rng = tmp_path_factory.mktemp("tta"), np.random.default_rng(0)
    bundles.write(folder / "bundle", bundle("softmax_cross_entropy", 3))
    bundles.write(folder / "multilabel", bundle("multi_label_cross_entropy", 3))
    for name in CLASSES:
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 255, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    return folder


def bundle(loss: str, outputs: int) -> Bundle:
    graph = models.build("mnist_cnn", (12, 12), 1, outputs)
    rng = np.random.default_rng(0)
    moved = {path: array + 0.3 * rng.normal(size=array.shape) for path, array in graph.arrays().items()}
    moved = {path: np.abs(array) if "variance" in path else array for path, array in moved.items()}
    graph = graph.with_arrays({path: array.astype("float32") for path, array in moved.items()})
    return Bundle(graph, Signature((12, 12), 1), CLASSES, recipe_toml=RECIPE, loss=loss, threshold=0.4)


def truth(folder: Path, name: str) -> Array:
    """Mean probabilities of every image, in NumPy."""
    held = bundles.read(folder / name)
    files = sorted((folder / "photos").rglob("*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])[..., None]
    ready = normalize(pixels, held.signature, "float64")
    parts = [interpret(held.graph.astype("float64"), images) for images in (ready, mirrored(ready))]
    return sum(of_loss(held.loss).probabilities(part) for part in parts) / 2


@pytest.mark.parametrize("name", ["bundle", "multilabel"])
def test_predict_averages_over_the_mirror_image(folder: Path, name: str) -> None:
    opened, expected = open_model(folder / name), truth(folder, name)
    rows = list(predict(opened, [folder / "photos"], top=3, tta="flip"))
    assert rows == list(predict(opened, [folder / "photos"], top=3, tta="flip", batch_size=5, workers=1))
    for row, shares in zip(rows, expected, strict=True):
        assert dict(row["top"]) == pytest.approx(dict(zip(CLASSES, shares, strict=True)), abs=1e-5)
    plain = list(predict(opened, [folder / "photos"], top=3))
    assert max(abs(dict(a["top"])["a"] - dict(b["top"])["a"]) for a, b in zip(rows, plain, strict=True)) > 1e-3


def test_an_exported_file_averages_too(folder: Path, tmp_path: Path) -> None:
    for name in ("bundle", "multilabel"):  # the second has its sigmoid inside
        opened = open_model(export(bundles.read(folder / name), "onnx", tmp_path / name))
        found = [dict(row["top"]) for row in predict(opened, [folder / "photos"], top=3, tta="flip")]
        for row, shares in zip(found, truth(folder, name), strict=True):
            assert row == pytest.approx(dict(zip(CLASSES, shares, strict=True)), abs=1e-5)


def test_evaluate_reports_both(folder: Path) -> None:
    data = read_data(folder / "photos")
    found = evaluate(folder / "bundle", folder / "photos", split="all", tta="flip")
    said, labels = found["tta"], data.manifest.labels
    assert said["views"] == ["plain", "flip"]
    assert said["accuracy"] == pytest.approx((truth(folder, "bundle").argmax(1) == labels).mean())
    assert said["difference"] == pytest.approx(said["accuracy"] - found["accuracy"])
    assert said["interval"][0] <= said["difference"] <= said["interval"][1]
    plain = evaluate(folder / "bundle", folder / "photos", split="all")
    assert "tta" not in plain
    assert plain["accuracy"] == found["accuracy"], "the plain figure stays as it is"


def test_what_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"--tta 'flop': expected one of none, flip"):
        evaluate(folder / "bundle", folder / "photos", tta="flop")
    with pytest.raises(UsageError, match="expected one of"):
        next(predict(open_model(folder / "bundle"), [folder / "photos"], tta="x"))


def test_several_labels_compare_whole_images() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (40, 3)).astype(np.uint8)
    views = [Predictions(rng.normal(size=(40, 3)) + 3 * labels - 1.5, labels, np.arange(40)) for _ in range(2)]
    found = compared(*views, CLASSES, "flip", 0.5)
    assert 0 < found["mean_average_precision"] <= 1
    mean = sum(MULTILABEL.probabilities(view.logits) for view in views) / 2
    assert found["accuracy"] == pytest.approx(((mean >= 0.5) == (labels > 0)).all(1).mean())
