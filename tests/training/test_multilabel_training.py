"""Training on images with several labels: the head against scikit-learn, settings that mean nothing, what is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from rooms import context, recipe
from shapes import NAMES, drawn, listed

from bakeoff.data import Data, read_data
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.kinds import MULTILABEL
from bakeoff.graph import Composer, Graph, passes
from bakeoff.model import evaluate, load
from bakeoff.ops._dimension import Dim
from bakeoff.recipe import loads
from bakeoff.recipe.schema import Finetune, Probe
from bakeoff.schemas import Array
from bakeoff.seeds import rng
from bakeoff.training.finetune.plan import class_weights, plan
from bakeoff.training.probe import logistic
from bakeoff.training.setup import loss_of, outputs_of
from bakeoff.training.work import read


def clouds(count: int = 300, width: int = 6, classes: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Features on very different scales, and labels that each hang on another mix of them."""
    draw = rng(seed, "clouds")
    rows = draw.normal(size=(count, width))
    labels = (rows @ draw.normal(size=(width, classes)) + draw.normal(size=(count, classes)) > 0.8).astype("uint8")
    scales = 10.0 ** np.linspace(-2, 2, width)
    return (rows * scales + 3 * scales).astype("float32"), labels


@pytest.mark.parametrize("weights", [None, (1.0, 4.0, 0.5, 2.0)])
@pytest.mark.parametrize("penalty", [0.01, 1.0])
def test_each_label_is_a_regression_of_scikit_learn(penalty: float, weights: tuple[float, ...] | None) -> None:
    from sklearn.linear_model import LogisticRegression

    rows, labels = clouds()
    given = None if weights is None else np.array(weights)
    found = logistic.fit(rows, labels, 4, penalties=[penalty], class_weights=given)
    mean, scale = rows.mean(0, dtype="float64"), rows.std(0, dtype="float64")
    for k in range(4):
        weight = None if weights is None else {0: 1.0, 1: weights[k]}
        model = LogisticRegression(C=penalty, tol=1e-10, max_iter=20_000, class_weight=weight)
        model.fit((rows - mean) / scale, labels[:, k])
        expected = model.decision_function((rows - mean) / scale)
        ours = rows @ found.kernel[:, k] + found.bias[k]
        np.testing.assert_allclose(ours, expected, atol=3e-3 * np.abs(expected).max())


def test_views_share_a_images_weight() -> None:
    rows, labels = clouds()
    once = logistic.fit(rows, labels, 4, penalties=[0.1])
    twice = logistic.fit(np.concatenate([rows, rows]), labels, 4, penalties=[0.1], views=2)
    np.testing.assert_allclose(once.kernel, twice.kernel, rtol=1e-2, atol=1e-3 * np.abs(once.kernel).max())


def test_the_penalty_is_chosen_on_what_was_held_back() -> None:
    rows, labels = clouds(80, width=40, seed=1)
    found = logistic.fit(rows, labels, 4, penalties=[0.001, 0.01, 0.1, 1.0, 10.0])
    assert found.penalty == min(found.scores, key=lambda c: found.scores[c])
    assert found.penalty < 10
    held = logistic._held(labels, 5, 0)
    assert (held.sum(1) == 1).all()
    assert (np.abs((labels[:, :, None] * held[:, None, :]).sum(0) - labels.sum(0)[:, None] / 5) <= 5).all()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("shapes")
    return read_data(listed(folder, drawn(folder, 120), "list.jsonl"))


def small() -> Graph:
    """A convolution of the 32 x 32 images and the mean over its places."""
    net = Composer((Dim("batch"), 32, 32, 1), seed=3)
    x = net.add("relu", "relu", net.add("conv2d", "conv", net.input, filters=24, kernel=(9, 9), stride=(3, 3)))
    return net.finish(net.add("global_avg_pool", "pool", x))


FINETUNE = 'strategy = "finetune"\n'


def phase_of(text: str) -> Finetune:
    found = recipe(FINETUNE + text).phases[0]
    assert isinstance(found, Finetune)
    return found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('sampling = "balanced"', "several labels belongs to several(.|\n)*class_weights"),
        ('teacher = "runs/one"', "distillation is for images with one label"),
        ("class_weights = [1.0, 2.0]", "2 numbers, and there are 5 classes"),
    ],
)
def test_settings_that_mean_nothing_are_refused(data: Data, text: str, message: str) -> None:
    graph = passes.with_head(small(), 5)
    with pytest.raises(UsageError, match=message):
        plan(phase_of(text), graph, "multi_label_cross_entropy", data.train, precision="float32", mixed=False)


def test_the_loss_is_told_everything(data: Data) -> None:
    graph = passes.with_head(small(), 5)
    phase = phase_of('class_weights = "balanced"\nlabel_smoothing = 0.1\nfocal = 2')
    made = plan(phase, graph, "multi_label_cross_entropy", data.train, precision="float32", mixed=True)
    assert made.loss == "multi_label_cross_entropy"
    there = data.train.labels.sum(0)
    expected = (len(data.train) - there) / there
    assert made.step.loss["weights"] == pytest.approx(tuple(expected))
    assert (made.step.loss["smoothing"], made.step.loss["gamma"]) == (0.1, 2)
    assert class_weights(Probe(class_weights="balanced"), data.train) == pytest.approx(expected)


def test_the_loss_suits_the_labels(data: Data) -> None:
    chosen = loads('[model]\nname = "mnist_mlp"\n[[phases]]\nstrategy = "finetune"')
    assert (loss_of(chosen, data), outputs_of(chosen, data)) == ("multi_label_cross_entropy", 5)
    with pytest.raises(UsageError, match=r"have several labels(.|\n)*multi_label_cross_entropy"):
        loss_of(recipe(FINETUNE, 'name = "mnist_mlp"\nloss = "softmax_cross_entropy"'), data)
    with pytest.raises(UsageError, match="several labels"):
        loss_of(recipe(FINETUNE, 'name = "mnist_mlp"\nloss = "binary_cross_entropy"'), data)


def test_a_label_that_nobody_has_is_named(tmp_path: Path) -> None:
    from bakeoff.training.job import Job
    from bakeoff.workers.channel import Reporter

    rows = drawn(tmp_path, 40)
    (tmp_path / "classes.txt").write_text("\n".join([*NAMES, "ghost"]) + "\n")
    path = listed(tmp_path, rows, "list.jsonl")
    chosen = loads('[model]\nname = "mnist_mlp"\n[[phases]]\nstrategy = "finetune"')
    job = Job(str(path), "", "torch", str(tmp_path / "run"))
    with pytest.raises(DataError, match="no training image is labelled 'ghost'"):
        read(job, chosen, Reporter())


def test_a_probe_from_images_to_figures(data: Data, tmp_path: Path) -> None:
    """The whole way without a framework: a drawn backbone, the head, what the run keeps, what evaluate says."""
    from bakeoff.training.probe import strategy as probe
    from bakeoff.training.work import _finish

    features = small()
    text = 'strategy = "probe"\npenalties = [1.0, 10.0]'
    surroundings = context(data, recipe(text, 'backbone = "efficientnet_lite0"'), tmp_path / "run", graph=features)
    object.__setattr__(surroundings.start, "loss", "multi_label_cross_entropy")
    graph = passes.with_head(features, 5)
    found = probe.run(surroundings, graph, surroundings.recipe.phases[0])
    surroundings.checkpointer.phases.append({"name": "probe", "wall_s": 1.0, "images_per_s": 1.0, **found.notes})
    result = _finish(surroundings, found.graph, found.logits, found.mirrored)
    kept = found.logits["test"]
    assert kept.labels.shape == kept.logits.shape
    assert result["test"]["mean_average_precision"] > 0.4, "guessing gets about 0.35"
    said = evaluate(tmp_path / "run")
    assert said["threshold"] == result["threshold"] == load(tmp_path / "run").bundle.threshold
    assert said["mean_average_precision"] == result["test"]["mean_average_precision"] == said["average_precision"]
    assert said["confusion"] is None
    with pytest.raises(UsageError, match="--abstain"):
        evaluate(tmp_path / "run", abstain=0.5)
    rows = load(tmp_path / "run").predict([data.path.parent / "shapes" / "0000.png"], top=2)
    chances = dict(rows[0]["labels"])
    assert all(share >= said["threshold"] for share in chances.values())
    assert len(rows[0]["top"]) == 2
    assert "label" not in rows[0]
    json.dumps(rows)
    assert (MULTILABEL.probabilities(kept.logits) >= 0).all()
