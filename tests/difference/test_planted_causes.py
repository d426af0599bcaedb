"""Each cause, planted alone: it is named first, closes the gap, and nothing is named where nothing was planted."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import planted
import pytest

from bakeoff import frameworks
from bakeoff.difference.api import compared, trained
from bakeoff.difference.causes import every
from bakeoff.workers.launch import Worker

A = planted.account()
GRAPH = A.graph
assert GRAPH is not None
KERNEL = GRAPH.parameters["stem.conv.kernel"].array
NUMBERED = tuple(sorted(planted.CLASSES))

PREDICT: dict[str, dict[str, Any]] = {
    "exif": {"input.orient": False},
    "resize_filter": {"input.filter": "bicubic"},
    "antialias": {"input.antialias": False},
    "crop_or_stretch": {"input.fit": "stretch", "input.resize_to": 0},
    "resize_and_crop_order": {"input.sequence": "crop, resize"},
    "channel_order": {"input.order": "BGR"},
    "scaled_twice": {
        "input.mean": tuple(255 * m for m in planted.SIGNATURE.mean),
        "input.std": tuple(255 * s for s in planted.SIGNATURE.std),
    },
    "mean_and_std": {"input.mean": (0.5,) * 3, "input.std": (0.5,) * 3},
    "float_as_bytes": {"input.buffer": "reshaped"},
    "padding": {"net.conv2d.pad": ((0, 1, 0, 1), (1, 1, 1, 1))},
    "epsilon": {"net.batch_norm.epsilon": (1e-3,)},
    "gelu_form": {"net.gelu.form": ("tanh",)},
    "pooling_divisor": {"net.avg_pool2d.count_include_pad": (False,)},
    "leaky_slope": {"net.leaky_relu.slope": (0.2,)},
    "flatten_order": {"array.dense.0.kernel": planted.dropped_kernel(GRAPH)},
    "batch_norm_statistics": {
        "array.batch_norm.0.mean": np.zeros(6, np.float32),
        "array.batch_norm.0.variance": np.ones(6, np.float32),
    },
    "class_order": {"output.classes": NUMBERED},
    "softmax_twice": {"output.softmax": 1},
    "precision": {"net.precision": "bfloat16"},
    "train_mode": {"net.mode": "train"},
}
ONLY_SEEN = {"weights": {"array.conv2d.0.kernel": KERNEL.transpose(1, 0, 2, 3)}}  # what can't be guessed
SOFT = {"train__decay": 3.0, "train__decay_form": "decoupled", "train__decay_scope": "all"}
ADAM = {**SOFT, "train__optimizer": "adam"}
# what no library has an option for counts beyond what other seeds do: nothing in one step of all images, whatever their
# order; and where the rate falls after the first step, the memory of that step does more than the order of the rest
ONE = {"net__batch_norm__momentum": 0.9, "net__dropout__rate": (0.0,), "train__batch_size": 32}
FALLING = {"train__momentum": 0.9, "train__factors": (1.0, 0.01, 0.01, 0.01), "train__rate": 0.01}
FALLING |= {"net__dropout__rate": (0.0,)}
TRAIN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "optimizer": ({}, {"train__optimizer": "adam"}),
    "optimizer_epsilon": (
        {"train__optimizer": "adam", "train__epsilon": 1e-8},
        {"train__optimizer": "adam", "train__epsilon": 1e-2},
    ),
    "learning_rate": ({}, {"train__rate": 0.01}),
    "schedule": ({}, {"train__factors": (1.0, 0.5, 0.25, 0.125)}),
    "weight_decay": ({}, {"train__decay": 2.0, "train__decay_form": "coupled", "train__decay_scope": "all"}),
    "decay_coupling": (ADAM, {**ADAM, "train__decay_form": "coupled"}),
    "decay_scope": (SOFT, {**SOFT, "train__decay_scope": "kernels"}),
    "momentum_form": (
        {**FALLING, "train__momentum_form": "without its rate"},
        {**FALLING, "train__momentum_form": "with its rate"},
    ),
    "clip": ({"train__clip": 0.05}, {"train__clip": 5.0}),
    "gradients_kept": ({}, {"train__keeps_gradients": True}),
    "batch_norm_momentum": ({}, {"net__batch_norm__momentum": 0.9}),
    "batch_norm_variance": (ONE, {**ONE, "net__batch_norm__variance": "biased"}),
    "batch_norm_frozen": ({}, {"net__batch_norm__statistics": "frozen"}),
    "dropout_rate": ({}, {"net__dropout__rate": (0.8,)}),
    "trained_in_eval_mode": ({}, {"train__mode": "eval"}),
    "evaluation_mode": ({}, {"eval__mode": "train"}),
    "evaluation_labels": ({}, {"eval__labels": "shuffled apart"}),
    "loss_reduction": ({}, {"train__reduction": "sum"}),
    "label_smoothing": ({}, {"train__smoothing": 0.3}),
    "label_broadcast": (
        {"classes": 1, "train__loss": "squares", "train__broadcast": False},
        {"classes": 1, "train__loss": "squares", "train__broadcast": True},
    ),
    "loss": ({}, {"train__loss": "squares"}),
    "softmax_and_logits": ({}, {"train__softmaxes": 2}),
    "batch_size": ({}, {"train__batch_size": 16}),
    "augmentation": ({}, {"train__augment": ("horizontal flip",), "images": 1}),
    "data_order": ({}, {"train__shuffle": "none", "images": 1}),
    "scale": ({}, {"input__mean": (0.5,), "input__std": (0.5,)}),
    "epsilon": ({}, {"net__batch_norm__epsilon": 0.1}),
}


def found(explained: Any) -> list[str]:
    return [one["cause"] for one in explained.causes]


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker | None]:
    if not frameworks.installed():
        yield None
        return
    with Worker(frameworks.installed()[0], precision="float64", threads=1) as one:
        yield one


@pytest.mark.parametrize("name", [*PREDICT, *ONLY_SEEN])
def test_where_both_sides_show_it(name: str, worker: Worker | None) -> None:
    changes = {**PREDICT, **ONLY_SEEN}[name]
    explained = compared(A, A.switched(changes), planted.pictures(), worker=worker)
    first = explained.causes[0]
    assert first["cause"] == name
    assert first["share"] > 0.9
    assert first["opens"] is None or first["opens"] > explained.result["floor"]
    assert abs(explained.remaining) < 0.01
    assert set(first["fix"]) == {"torch", "keras"}


SLOW = {"precision": pytest.mark.slow}  # every precision in NumPy


@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in PREDICT])
def test_where_one_side_is_logits_alone(name: str) -> None:
    order = {"output.order": tuple(map(int, NUMBERED))}  # logits have no names
    explained = compared(
        A, planted.seen(A.switched(order if name == "class_order" else PREDICT[name])), planted.pictures()
    )
    assert found(explained)[:1] == [name]
    assert explained.causes[0]["guessed"]
    assert explained.remaining < 0.4


NEEDED = pytest.mark.skipif(not frameworks.installed(), reason="no framework is installed")


@NEEDED
@pytest.mark.parametrize("name", TRAIN)
def test_in_training(name: str, worker: Worker) -> None:
    a, b = TRAIN[name]
    explained = trained(planted.trainee(0, **a), planted.trainee(1, **b), worker)
    assert found(explained)[:1] == [name]
    assert explained.causes[0]["share"] > 0.8


def test_every_cause_is_planted() -> None:
    elsewhere = {
        "architecture",
        "decoder",
        "input_size",
        "resize_rounding",
        "start_weights",  # test_learning_stages.py
    }
    assert {one.name for one in every()} == {*PREDICT, *ONLY_SEEN, *TRAIN, *elsewhere}


def test_another_size() -> None:
    free = replace(A, graph=planted.free_net())
    explained = compared(free, free.switched({"input.size": (40, 40)}), planted.pictures())
    assert found(explained) == ["input_size"]
    both = compared(free, free.switched({"input.size": (40, 40), "input.resize_to": 46}), planted.pictures())
    assert {one["cause"] for one in both.causes} == {"input_size", "crop_or_stretch"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed")
def test_another_decoder() -> None:
    explained = compared(A, A.switched({"input.decoder": "fast"}), planted.pictures())
    assert found(explained) == ["decoder"]


def test_another_net_is_one_cause() -> None:
    explained = compared(A, A.switched({"net.architecture": planted.other_net()}), planted.pictures())
    assert found(explained) == ["architecture"]
    assert "gelu" in explained.causes[0]["a"]  # what the other one hasn't


def test_a_difference_of_half_a_grey_level_is_harmless() -> None:
    explained = compared(A, A.switched({"input.numbers": "floats", "input.order": "BGR"}), planted.pictures())
    assert found(explained) == ["channel_order"]
    assert [one["cause"] for one in explained.result["harmless"]] == ["resize_rounding"]


@pytest.mark.parametrize("shares", [False, True])
def test_nothing_is_invented_for_a_dump_of_the_same(shares: bool) -> None:
    explained = compared(A, planted.seen(A, shares=shares), planted.pictures())
    assert explained.causes == []
    assert "No difference" in explained.result["verdict"]


def test_nothing_is_invented_for_noise() -> None:
    """Scores that nothing explains: no cause, and all remains."""
    other = planted.seen(planted.account(5))
    explained = compared(A, other, planted.pictures())
    assert explained.causes == []
    assert explained.remaining == 1
    assert "no cause that is known" in explained.result["verdict"]


@NEEDED
@pytest.mark.parametrize("seed", range(1, 6))
def test_another_seed_is_no_cause(seed: int, worker: Worker) -> None:
    explained = trained(planted.trainee(0), planted.trainee(seed, images=seed), worker)
    assert explained.causes == []
    assert "seed noise" in explained.result["verdict"]


@NEEDED
def test_what_no_library_has_an_option_for_counts_beyond_other_seeds(worker: Worker) -> None:
    """Of few values a batch the kept variances differ by a third, and the batches' order does more."""
    told = {"net__batch_norm__momentum": 0.1, "train__batch_size": 4}
    a, b = planted.trainee(0, **told), planted.trainee(1, **told, net__batch_norm__variance="biased")
    explained = trained(a, b, worker)
    assert explained.causes == []
    assert [row["cause"] for row in explained.result["harmless"]] == ["batch_norm_variance"]
    assert 0 < explained.result["gap"] < explained.result["seed_noise"]
    assert (explained.result["seeds"], explained.result["seed_noise_level"]) == (19, 0.05)
    assert "one seed in 20 does more" in explained.result["verdict"]


@NEEDED
def test_what_was_chosen_counts_beyond_what_the_libraries_do_by_themselves(worker: Worker) -> None:
    """Adam's epsilon before or after the correction moves small gradients more than one of 1e-9 for 1e-8 does."""
    told = {"train__optimizer": "adam", "train__rate": 0.001, "train__epsilon_form": "beside the root"}
    other = {**told, "train__epsilon_form": "before the correction"}
    a = planted.trainee(0, **told, train__epsilon=1e-4)
    assert found(trained(a, planted.trainee(1, **told, train__epsilon=1.01e-4), worker)) == ["optimizer_epsilon"]
    assert found(trained(a, planted.trainee(1, **other, train__epsilon=1e-4), worker)) == []
    slower = planted.trainee(1, **{**other, "train__rate": 0.00102}, train__epsilon=1e-4)
    small = trained(a, slower, worker)
    assert small.causes == []
    assert {row["cause"] for row in small.result["harmless"]} == {"learning_rate", "optimizer_epsilon"}
    half = {**other, "train__rate": 0.0005}
    large = trained(a, planted.trainee(1, **half, train__epsilon=1e-4), worker)
    assert found(large) == ["learning_rate"]
    assert "other seeds move the logits farther" in large.result["verdict"]


@NEEDED
def test_larger_nets_are_held_against_fewer_seeds(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.difference.replay.SEEDS", {10: 19, 100_000: 4})
    told = trained(planted.trainee(0), planted.trainee(1, train__rate=0.01), worker).result
    assert (told["seeds"], told["seed_noise_level"]) == (4, 0.2)


def test_two_and_three_at_once() -> None:
    two = {**PREDICT["channel_order"], **PREDICT["padding"]}
    three = {**two, **PREDICT["resize_filter"]}
    for changes, names in ((two, {"channel_order", "padding"}), (three, {"channel_order", "padding", "resize_filter"})):
        explained = compared(A, A.switched(changes), planted.pictures())
        told = {one["cause"] for one in [*explained.causes, *explained.result["harmless"]]}
        assert told == names
        assert sum(one["share"] for one in explained.causes) == pytest.approx(1, abs=0.05)
    explained = compared(A, planted.seen(A.switched(two)), planted.pictures())
    assert {one["cause"] for one in explained.causes} == {"channel_order", "padding"}
