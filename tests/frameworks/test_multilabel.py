"""Several labels an image, in float64, against NumPy: the step, mixed images, weights; files with their sigmoid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_training import SGD, Truth, net

from bakeoff import frameworks
from bakeoff.bundle import Bundle
from bakeoff.data import Data, read_data
from bakeoff.evaluation.kinds import MULTILABEL
from bakeoff.evaluation.opening import open_model
from bakeoff.exports import export
from bakeoff.graph import interpreter
from bakeoff.preprocessing.signature import Signature
from bakeoff.recipe import loads, to_toml
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import plan
from bakeoff.training.job import Job
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.setup import Start
from bakeoff.workers.channel import Reporter

LOSS = "multi_label_cross_entropy"
FORMATS = {"torch": ("torch", "onnx"), "tensorflow": ("keras", "savedmodel"), "jax": ("keras",)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Grey images of 4 x 4 and three labels, each of them there or not."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    rows = []
    for number in range(70):
        there = rng.random(3) < (0.5, 0.3, 0.2)
        pixels = rng.integers(0, 90, (4, 4)) + 40 * there.sum()
        Image.fromarray(pixels.astype("uint8")).save(folder / f"{number}.png")
        names = [name for name, yes in zip("abc", there, strict=True) if yes]
        rows.append({"path": f"{number}.png", "labels": names, "split": ("train", "train", "val")[number % 3]})
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_data(folder / "list.jsonl")


class MultilabelTruth(Truth):
    """The gradient by hand, of the sum of the losses, each the mean over the labels."""

    def gradient(self, images: Array, targets: Array) -> dict[str, Array]:
        w, x, a = self.weights, images.reshape(len(images), -1), self.loop.plan.step.loss
        pre = x @ w["hidden.kernel"] + w["hidden.bias"]
        h = np.maximum(pre, 0)
        p = 1 / (1 + np.exp(-(h @ w["head.kernel"] + w["head.bias"])))
        q = (1 - a["smoothing"]) * targets.astype("float64") + a["smoothing"] / 2
        weights = np.array(a["weights"] or (1.0,) * 3)
        dz = (weights * q * (p - 1) + (1 - q) * p) / 3
        dh = (dz @ w["head.kernel"].T) * (pre > 0)
        return {
            "hidden.kernel": x.T @ dh,
            "hidden.bias": dh.sum(0),
            "head.kernel": h.T @ dz,
            "head.bias": dz.sum(0),
        }


@pytest.mark.parametrize(
    ("augment", "settings"),
    [
        ("", ""),
        ("", 'class_weights = "balanced"\nlabel_smoothing = 0.1\nclip = 0.2\naccumulate = 3'),
        ('[augment]\noperations = [{ name = "mixup", alpha = 0.4 }]', "class_weights = [0.5, 2.0, 4.0]"),
        ('[augment]\noperations = [{ name = "cutmix", probability = 0.5 }]', "average = 0.9"),
    ],
    ids=["plain", "weights, smoothing, clip", "mixup", "cutmix"],
)
def test_the_mathematics(framework: str, data: Data, tmp_path: Path, augment: str, settings: str) -> None:
    text = f'[model]\nname = "mnist_mlp"\n{augment}\n[[phases]]\nstrategy = "finetune"\nbatch_size = 8\nepochs = 2\n'
    chosen = loads(f"{text}{SGD}\n{settings}")
    phase, graph = chosen.phases[0], net(3)
    assert isinstance(phase, Finetune)
    job = Job(str(data.path), to_toml(chosen), framework, str(tmp_path / "run"), precision="float64", threads=1)
    start, run = Start(graph, Signature((4, 4), 1), loss=LOSS), Run(tmp_path / "run").create()
    context = Context(job, chosen, data, start, run, Reporter(), Checkpointer(run))
    native = frameworks.load(framework).native(graph, device="cpu", precision="float64", threads=1)
    loop = Loop(context, native, phase, graph, plan(phase, graph, LOSS, data.train, precision="float64", mixed=False))
    loop.begin()
    expected = MultilabelTruth(loop, graph).run()
    notes = loop.run()
    run.close()
    assert notes["best_epoch"] is not None
    found = native.arrays()
    for path, array in expected.items():
        np.testing.assert_allclose(found[path], array, rtol=1e-9, atol=1e-11, err_msg=path)
    rows = [json.loads(line) for line in (tmp_path / "run" / "epochs.jsonl").read_text().splitlines()]
    assert all(0 < row["validation_mean_average_precision"] <= 1 for row in rows)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_files_have_their_sigmoid(framework: str, tmp_path: Path) -> None:
    graph = net(3).astype("float32")
    bundle = Bundle(graph, Signature((4, 4), 1), ("猫", "b", "c"), loss=LOSS, threshold=0.3)
    images = np.random.default_rng(1).normal(size=(5, 4, 4, 1)).astype("float32")
    expected = MULTILABEL.probabilities(interpreter.run(graph.astype("float64"), images.astype("float64")))
    for form in FORMATS[framework]:
        opened = open_model(export(bundle, form, tmp_path / f"net-{form}"), threads=1)
        assert (opened.output, opened.threshold, opened.loss) == ("probabilities", 0.3, MULTILABEL.loss), form
        assert opened.classes == ("猫", "b", "c")
        np.testing.assert_allclose(opened.runtime.predict(images), expected, atol=2e-6, err_msg=form)
