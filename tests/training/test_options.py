"""Options of a finetune phase that need no framework: the cut at frozen layers, targets, blocks, means, best epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small
from test_loop import Forgetful, Softmax

from bakeoff.data import Data
from bakeoff.data.augment import augmentation
from bakeoff.errors import RecipeError, UsageError
from bakeoff.graph import Composer, Graph, passes
from bakeoff.graph import run as interpret
from bakeoff.ops._dimension import Dim
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.readers import read_lines
from bakeoff.schemas import Array, Batch
from bakeoff.training.finetune.boundary import activated, halves
from bakeoff.training.finetune.plan import Targets, blocks, plan, sampled
from bakeoff.training.finetune.strategy import prepared
from bakeoff.training.finetune.teacher import softened
from bakeoff.training.loop import best
from bakeoff.training.loop.average import Average
from bakeoff.training.loop.epochs import Loop


def residual() -> Graph:
    """stem - (conv1, conv2, + skip) - drop - conv3 - pool - head."""
    c = Composer((Dim("batch"), 4, 4, 1))
    stem = c.add("batch_norm", "bn", c.add("conv2d", "stem", c.input, filters=3, kernel=(3, 3), pad=(1, 1, 1, 1)))
    x = c.add("conv2d", "block.0.conv1", stem, filters=3, kernel=(1, 1))
    x = c.add("drop_path", "block.0.drop", c.add("conv2d", "block.0.conv2", x, filters=3, kernel=(1, 1)), rate=0.2)
    x = c.add("relu", "relu", c.add("add", "skip", x, stem))
    x = c.add("conv2d", "block.1.conv", x, filters=4, kernel=(1, 1))
    x = c.add("dropout", "drop", c.add("global_avg_pool", "pool", x), rate=0.5)
    return c.finish(c.add("dense", "head", x, units=3))


@pytest.mark.parametrize(
    ("freeze", "place"),
    [
        (("backbone",), "drop"),  # silenced: nothing before it is trained
        (("stem.*", "bn.*", "block.0.*"), "relu"),
        (("stem.*", "bn.*", "block.0.conv1.*"), "bn"),  # the skip crosses any later cut
        (("stem.*", "bn.*"), "bn"),
    ],
)
def test_the_net_is_cut_where_training_begins(freeze: tuple[str, ...], place: str) -> None:
    whole = prepared(residual(), Finetune(freeze=freeze, batch_norm="frozen"))
    found = halves(whole)
    assert found is not None
    assert found.frozen.output.node == place
    images = np.random.default_rng(0).normal(size=(5, 4, 4, 1))
    middle = interpret(passes.without_noise(found.frozen).astype("float64"), images)
    expected = interpret(passes.without_noise(whole).astype("float64"), images)
    np.testing.assert_array_equal(interpret(passes.without_noise(found.trained).astype("float64"), middle), expected)
    assert not set(found.frozen.parameters) & set(found.trained.parameters)


@pytest.mark.parametrize(
    "phase",
    [
        Finetune(),
        Finetune(freeze=("head.*",)),
        Finetune(freeze=("stem.*", "bn.*")),  # but the statistics move
    ],
)
def test_there_is_no_cut_where_all_is_trained(phase: Finetune) -> None:
    found = halves(prepared(residual(), phase))
    assert found is None or found.frozen.output.node == "stem"


def test_frozen_layers_draw_no_masks_and_others_do() -> None:
    whole = prepared(residual(), Finetune(freeze=("stem.*", "bn.*", "block.0.*")))
    rates = {node.id: node.attributes.rate for node in whole.nodes if node.masks}
    assert rates == {"block.0.drop": 0.0, "drop": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("images"), a=45, b=25, c=15)


def test_batches_of_activations_are_those_of_images(data: Data, tmp_path: Path) -> None:
    plain = context(data, recipe('strategy = "finetune"'), tmp_path / "run", precision="float64")
    other = activated(plain, _Sums().logits, 8)
    for options in ({}, {"start": 2}, {"drop_last": True}, {"order": np.array([3, 3, 1])}):
        for mine, theirs in zip(
            other.batches(data.train, 8, epoch=1, shuffle=True, **options),
            plain.batches(data.train, 8, epoch=1, shuffle=True, **options),
            strict=True,
        ):
            np.testing.assert_array_equal(mine.records, theirs.records)
            np.testing.assert_array_equal(mine.labels, theirs.labels)
            np.testing.assert_array_equal(other.images(mine), _Sums().logits(plain.images(theirs)))


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip"])
def test_mirrored_activations_are_those_of_mirrored_images(data: Data, tmp_path: Path, name: str) -> None:
    """Which image is mirrored in which epoch is what it would be without the cache."""
    text = f'strategy = "finetune"\n\n[augment]\noperations = [{{ name = "{name}" }}]'
    plain = context(data, recipe(text), tmp_path / "run", seed=3, precision="float64")
    other, seen = activated(plain, _Sums().logits, 8), set()
    for epoch in range(3):
        for augment in (True, False):
            for mine, theirs in zip(
                other.batches(data.train, 8, epoch=epoch, shuffle=True, augment=augment),
                plain.batches(data.train, 8, epoch=epoch, shuffle=True, augment=augment),
                strict=True,
            ):
                np.testing.assert_array_equal(other.images(mine), _Sums().logits(plain.images(theirs)))
        seen.add(tuple(plain.augmentation.choose(data.train.indices, seed=3, epoch=epoch)))
    assert len(seen) == 3
    assert augmentation("light").views is None
    assert tuple(plain.augmentation.choose(data.train.indices, seed=4, epoch=0)) not in seen


def test_activations_of_training_images_are_kept_in_sixteen_bits(data: Data, tmp_path: Path) -> None:
    """Those that scores hang on aren't; nor any where float16 might end."""
    plain = context(data, recipe('strategy = "finetune"'), tmp_path / "run")
    for factor, kept in ((1.0, np.float16), (5000.0, np.float32)):
        other = activated(plain, lambda images, factor=factor: factor * images, 8)
        assert {name: array.dtype for name, array in other.values.items()} == {
            "train": kept,
            "validation": np.float32,
            "test": np.float32,
        }
        batch, images = next(other.batches(data.train, 8)), next(plain.batches(data.train, 8))
        assert other.images(batch).dtype == np.float32
        np.testing.assert_allclose(other.images(batch), factor * plain.images(images), rtol=2.0**-11)


class _Sums(Softmax):
    """A frozen half: the weighted sum of each row of an image."""

    def logits(self, images: Array, *, train: bool = False) -> Array:
        return np.einsum("nhwc,w->nhc", images.astype("float64"), np.arange(1.0, 1 + images.shape[2]))


# Targets --------------------------------------------------------------------------------------------------------------


def labelled(labels: Any) -> Batch:
    return Batch(np.zeros((len(labels), 1, 1, 1), np.uint8), np.asarray(labels), np.arange(len(labels)))


def test_labels_stay_labels_where_nothing_is_asked_for() -> None:
    assert Targets(3).of(labelled([0, 2])).tolist() == [0, 2]


def test_shares_of_smoothed_and_weighted_labels() -> None:
    targets = Targets(3, 0.3, np.array([1.0, 1.0, 2.0]), dtype="float64", soft=True)
    np.testing.assert_allclose(targets.of(labelled([0, 2])), [[0.8, 0.1, 0.1], [0.2, 0.2, 1.6]])
    mixed = np.array([[0.25, 0.0, 0.75]], "float32")
    plain = Targets(3, dtype="float64", soft=True)
    np.testing.assert_allclose(plain.of(labelled(mixed)), mixed)
    np.testing.assert_allclose(Targets(1, 0.2, dtype="float64", soft=True).of(labelled([1])), [[0.1, 0.9]])


def test_weights_of_classes(data: Data) -> None:
    counts = np.bincount(data.train.labels)
    balanced = _plan(data, class_weights="balanced")
    np.testing.assert_allclose(balanced.targets.weights, len(data.train) / (3 * counts))
    with pytest.raises(UsageError, match="2 numbers, and there are 3 classes"):
        _plan(data, class_weights=(1.0, 2.0))


def _plan(data: Data, **options: Any) -> Any:
    phase = Finetune(**options)
    return plan(phase, residual(), "softmax_cross_entropy", data.train, precision="float32", mixed=False)


def test_which_loss_a_phase_needs(data: Data) -> None:
    assert _plan(data).loss == "softmax_cross_entropy"
    assert _plan(data, label_smoothing=0.1).loss == "soft_cross_entropy"
    focal = _plan(data, focal=2.0)
    assert (focal.loss, focal.step.loss) == ("soft_cross_entropy", {"gamma": 2.0})


def test_rates_fall_from_block_to_block(data: Data) -> None:
    factors = _plan(data, layer_decay=0.5).step.factors
    assert factors["head.kernel"] == 1
    assert factors["block.1.conv.kernel"] == 0.5
    assert factors["block.0.conv1.kernel"] == factors["block.0.conv2.bias"] == 0.25
    assert factors["stem.kernel"] == 0.5**4
    assert blocks(["_blocks.0.a.k", "_blocks.0.b.k", "_blocks.10.a.k", "head.k"]) == {
        "_blocks.0.a.k": 0,
        "_blocks.0.b.k": 0,
        "_blocks.10.a.k": 1,
        "head.k": 2,
    }


def test_biases_and_scales_can_be_spared(data: Data) -> None:
    assert _plan(data).step.decays == {}
    decays = _plan(data, decay_vectors=False).step.decays
    assert set(decays.values()) == {0.0}
    assert "bn.scale" in decays
    assert "head.kernel" not in decays


def test_balanced_sampling_is_keyed_and_balanced(data: Data) -> None:
    phase = Finetune(sampling="balanced")
    drawn = [sampled(data.train, phase, 0, epoch) for epoch in range(200)]
    assert all(found is not None for found in drawn)
    assert np.array_equal(drawn[3], sampled(data.train, phase, 0, 3))  # type: ignore[arg-type]
    shares = np.bincount(data.train.labels[np.concatenate(drawn)]) / (200 * len(data.train))  # type: ignore[arg-type]
    np.testing.assert_allclose(shares, 1 / 3, atol=0.02)
    assert sampled(data.train, Finetune(), 0, 0) is None


# The loop -------------------------------------------------------------------------------------------------------------


def looped(data: Data, run: Path, settings: str, net: Any) -> Any:
    chosen = recipe(f'strategy = "finetune"\nbatch_size = 32\nschedule.peak = 0.5\n{settings}')
    found = context(data, chosen, run)
    loop = Loop(found, net, chosen.phases[0])
    loop.begin()
    try:
        return loop.run()
    finally:
        found.run.close()


def test_patience_ends_a_phase(data: Data, tmp_path: Path) -> None:
    notes = looped(data, tmp_path / "run", "epochs = 9\npatience = 2", Forgetful())
    assert notes["best_epoch"] == 2
    assert len(read_lines(tmp_path / "run" / "epochs.jsonl")) == 4  # the best one, and two that were no better


def test_the_best_epochs_stay(data: Data, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    looped(data, tmp_path / "run", "epochs = 4\nkeep_best = 2", Forgetful())
    rows = best.listed(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [2, 1]
    folder = tmp_path / "run" / "checkpoints"
    assert sorted(path.name for path in folder.glob("best-*")) == ["best-0001.safetensors", "best-0002.safetensors"]
    alone = Forgetful()
    looped(data, tmp_path / "alone", "epochs = 2", alone)
    np.testing.assert_array_equal(load_file(folder / "best-0002.safetensors")["kernel"], alone.kernel)


def test_a_running_mean_starts_quickly_and_ends_slowly() -> None:
    average = Average(0.99, 1)
    average.start({"w": np.zeros(1)})
    for step in range(1, 2000):
        average.see(step, lambda: {"w": np.ones(1)})
    assert average.arrays["w"][0] == pytest.approx(1, abs=1e-6)
    average.start({"w": np.zeros(1)})
    average.see(1, lambda: {"w": np.ones(1)})
    assert average.arrays["w"][0] == pytest.approx(1 - 2 / 11)


def test_softened_answers() -> None:
    logits = np.array([[0.0, np.log(4.0)]])
    np.testing.assert_allclose(softened(logits, 1), [[0.2, 0.8]])
    np.testing.assert_allclose(softened(logits, 2), [[1 / 3, 2 / 3]])
    np.testing.assert_allclose(softened(logits[:, 1:], 1), [[0.2, 0.8]])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("focal = 0.5", "focal"),
        ("size = [16, 16]", "last phase"),
        ("patience = 0", "patience"),
        ("average = 1.0", "average"),
        ("class_weights = [0.0, 1.0]", "class_weights"),
    ],
)
def test_settings_that_mean_nothing_are_refused(line: str, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        recipe(f'strategy = "finetune"\n{line}')
