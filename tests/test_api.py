"""The Python API: load, predict, evaluate, native nets, ONNX; what it refuses."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bakeoff
from bakeoff import bundle, frameworks, models, registry
from bakeoff.bundle import Bundle
from bakeoff.errors import DataError, UsageError, VersionError
from bakeoff.evaluation.kinds import SINGLE
from bakeoff.preprocessing import Signature, normalize, prepare
from bakeoff.recipe import load, to_toml, with_overrides
from bakeoff.workers.launch import Worker

CLASSES = ("狗", "猫")
SIGNATURE = Signature((12, 12), channels=3, mean=(0.5,), std=(0.25,))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("photos") / "cats", np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for index in range(15):
            Image.fromarray(rng.integers(0, 255, (14, 18, 3), dtype=np.uint8)).save(folder / name / f"{index:02d}.png")
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a net that was not trained: numbers are what is tested."""
    graph = models.build("mnist_cnn", (12, 12), 3, 2, seed=5)
    recipe = to_toml(with_overrides(load("mnist-cnn"), ["seed=7", "data.split.test=0.3", "data.split.train=0.6"]))
    target = tmp_path_factory.mktemp("bundle") / "bundle"
    return bundle.write(target, Bundle(graph, SIGNATURE, CLASSES, recipe, framework="torch"))


@pytest.fixture(scope="module")
def model(path: Path) -> bakeoff.Model:
    return bakeoff.load(path)


def test_public_names() -> None:
    assert bakeoff.__all__ == sorted(bakeoff.__all__)
    for name in bakeoff.__all__:
        assert getattr(bakeoff, name) is not None
    expected = ["run", "data", "split", "abstain", "labels", "bad_files", "follow_links", "tta", "progress", "quiet"]
    assert list(inspect.signature(bakeoff.evaluate).parameters) == expected
    assert list(inspect.signature(bakeoff.load).parameters) == ["path"]
    usual = ["framework", "run", "overrides", "phases", "backbone", "seed", "device", "quiet"]
    assert list(inspect.signature(bakeoff.train).parameters) == ["data", "recipe", *usual, "options"]


BY_ANOTHER_NAME = {"data": "read_data", "predict": "load"}  # model.predict
LISTS = {"doctor", "models", "recipes"}  # of what is installed, for people


def test_every_verb_of_the_command_line_is_a_function() -> None:
    verbs = {name.replace("_", "-") for name in registry.names("bakeoff.cli")} - LISTS
    assert {"find-rate", "runs", "verify"} <= verbs
    for verb in verbs:
        assert BY_ANOTHER_NAME.get(verb, verb.replace("-", "_")) in bakeoff.__all__, verb


def test_find_rate(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"rates": [0.01] * 100, "losses": [1.0] * 100, "rate": 0.02}
    monkeypatch.setattr(Worker, "call", lambda *_, **asked: told | {"steps": asked["steps"]})
    found = bakeoff.find_rate(photos, "cnn-224", phases=["finetune"], framework="torch", steps=60, quiet=True)
    assert (found.rate, found.override) == (0.02, "phases.0.schedule.peak=2.0e-02")
    assert len(repr(found)) < 2000
    with pytest.raises(UsageError, match="10 or more"):
        bakeoff.find_rate(photos, "mnist-cnn", steps=3)


def test_what_a_model_says(model: bakeoff.Model) -> None:
    assert (model.classes, model.signature, model.loss) == (CLASSES, SIGNATURE, "softmax_cross_entropy")
    assert model.graph.output_shape[-1] == 2
    assert model.dtype == "float32"


def test_predict_is_prepare_normalize_net_softmax(model: bakeoff.Model, photos: Path) -> None:
    first = photos / "猫" / "00.png"
    (row,) = model.predict(first, top=1)
    from bakeoff.graph import run

    image = normalize(prepare(first, SIGNATURE)[None], SIGNATURE, "float64")
    shares = SINGLE.probabilities(run(model.graph.astype("float64"), image))[0]
    best = int(shares.argmax())
    assert row["path"] == str(first)
    assert row["top"] == [[row["label"], row["probability"]]]
    assert (row["label"], row["probability"]) == (CLASSES[best], pytest.approx(shares[best], abs=1e-5))


def test_predict_takes_one_path_many_and_folders(model: bakeoff.Model, photos: Path) -> None:
    assert len(model.predict(str(photos))) == 30
    assert [row["path"] for row in model.predict([photos / "猫" / "03.png", photos / "狗" / "01.png"])] == [
        str(photos / "猫" / "03.png"),
        str(photos / "狗" / "01.png"),
    ]


def test_logits_of_bytes_and_of_numbers(model: bakeoff.Model) -> None:
    images = np.random.default_rng(1).integers(0, 255, (3, 12, 12, 3), dtype=np.uint8)
    assert model.logits(images).shape == (3, 2)
    assert np.array_equal(model.logits(images), model.logits(normalize(images, SIGNATURE)))


def test_evaluate_reads_the_split_of_the_recipe(model: bakeoff.Model, path: Path, photos: Path) -> None:
    data = bakeoff.read_data(photos, split=(0.6, 0.1, 0.3), seed=7)
    found = bakeoff.evaluate(path, photos)
    assert data.test is not None
    assert found["num"] == len(data.test) == sum(map(sum, found["confusion"]))
    rows = model.predict([photos / str(name) for name in data.manifest.paths[data.test.indices]])
    right = sum(row["label"] == CLASSES[label] for row, label in zip(rows, data.test.labels, strict=True))
    assert found["accuracy"] == right / len(data.test)
    assert bakeoff.evaluate(path, photos, split="all")["num"] == 30
    assert json.loads(json.dumps(found)) == found


def test_evaluate_refuses(path: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected one of train"):
        bakeoff.evaluate(path, photos, split="dev")
    with pytest.raises(UsageError, match="no predictions on 'test' were kept"):
        bakeoff.evaluate(path)
    for name in ("bird", "cat"):
        (tmp_path / "other" / name).mkdir(parents=True)
        for index in range(3):
            pixels = np.full((8, 8, 3), 40 * index + len(name), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "other" / name / f"{index}.png")
    with pytest.raises(UsageError, match="Only in the data: 'bird', 'cat'; only in the model: '狗', '猫'"):
        bakeoff.evaluate(path, tmp_path / "other")


def test_load_refuses(tmp_path: Path, path: Path) -> None:
    with pytest.raises(DataError, match="neither a run nor a bundle"):
        bakeoff.load(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": 99}')
    with pytest.raises(VersionError, match=r"run\.json: schema 99"):
        bakeoff.load(tmp_path)


def test_onnx_takes_float32_channels_first(model: bakeoff.Model, tmp_path: Path) -> None:
    import onnxruntime

    written = model.to_onnx(tmp_path / "cats.onnx")
    session = onnxruntime.InferenceSession(str(written), providers=["CPUExecutionProvider"])
    (wanted,) = session.get_inputs()
    assert (wanted.name, wanted.type, wanted.shape[1:]) == ("input", "tensor(float)", [3, 12, 12])
    images = np.random.default_rng(1).standard_normal((4, 12, 12, 3)).astype(np.float32)
    (found,) = session.run(None, {"input": images.transpose(0, 3, 1, 2)})
    assert np.abs(found - model.logits(images)).max() <= 1e-5 * np.abs(found).max()
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(DataError, match="Choose another file"):
        model.to_onnx(tmp_path / "folder.onnx")


def test_keras_batch_norm_is_one_of_two(model: bakeoff.Model) -> None:
    with pytest.raises(UsageError, match="expected 'stock' or 'exact'"):
        model.to_keras(batch_norm="biased")  # type: ignore[arg-type]


TORCH = """
    import torch
    net = model.to_torch()
    assert isinstance(net, torch.nn.Module) and not net.training
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) > 0
    given = net(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    given.sum().backward()
    given = given.detach().numpy()
    with torch.no_grad():
        next(net.parameters()).zero_()
    assert np.array_equal(model.logits(images), wanted)  # copied, not aliased
"""
KERAS = """
    import keras
    kinds = {}
    for kind in ("stock", "exact"):
        net = model.to_keras(batch_norm=kind)
        assert isinstance(net, keras.Model) and net.trainable_weights
        given = np.asarray(net(images))
        assert np.abs(given - wanted).max() <= 1e-5 * np.abs(wanted).max()
        kinds[kind] = {type(layer).__module__.split(".")[0] for layer in net.layers}
    assert kinds["stock"] == {"keras"} and "bakeoff" in kinds["exact"]
"""


@pytest.mark.parametrize(("framework", "code"), [("torch", TORCH), ("tensorflow", KERAS)])
def test_native_nets_give_the_same_logits(framework: str, code: str, path: Path) -> None:
    if frameworks.version(framework) is None:
        pytest.skip(f"{framework} is not installed")
    start = f"""
    import numpy as np
    import bakeoff
    model = bakeoff.load({str(path)!r})
    images = np.random.default_rng(1).standard_normal((4, 12, 12, 3)).astype(np.float32)
    wanted = model.logits(images)
    """
    end = """
    assert np.abs(given - wanted).max() <= 1e-5 * np.abs(wanted).max()
    """
    script = textwrap.dedent(start) + textwrap.dedent(code) + textwrap.dedent(end)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
