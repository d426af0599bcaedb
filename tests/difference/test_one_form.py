"""What libraries write in other words is one form: the same answers, and nothing differs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import planted
import pytest

from bakeoff.difference import inputs, nets
from bakeoff.difference.account import Account
from bakeoff.difference.api import compared
from bakeoff.difference.canonical import canonical, without_scaling
from bakeoff.difference.causes import every
from bakeoff.difference.replay import _clipped, _stepped
from bakeoff.difference.understanding import found as understood
from bakeoff.graph import interpreter
from bakeoff.graph.compose import Composer
from bakeoff.graph.graph import Graph
from bakeoff.ops._dimension import Dim
from bakeoff.optimizers import page
from bakeoff.seeds import rng

X = rng(0, "one form").normal(size=(2, 12, 15, 3)).astype(np.float32)


def net(*, apart: bool, scale: float = 1.0, shift: float = 0.0) -> Graph:
    """The same net: with its pads, shapes and scaling in layers of their own, or with none of them."""
    c = Composer((Dim("batch"), 12, 15, 3), seed=1)
    x = c.input
    if scale != 1 or shift:
        x = c.add("scale_shift", "scaling", x, scale=scale, shift=shift)
    pads: Any = (0, 1, 0, 1), (1, 1, 1, 1)
    if apart:
        x = c.add("pad", "pad1", x, pad=pads[0])
    x = c.add("conv2d", "conv", x, filters=4, kernel=(3, 3), stride=(2, 2), pad=(0, 0, 0, 0) if apart else pads[0])
    if apart:
        x = c.add("pad", "pad2", x, pad=pads[1])
    told = {} if apart else {"pad": pads[1], "count_include_pad": True}
    x = c.add("avg_pool2d", "pool", x, window=(3, 3), stride=(1, 1), **told)
    x = c.add("global_avg_pool", "mean", c.add("relu", "relu", x), keepdims=apart)
    x = c.add("flatten", "flat", x) if apart else x
    return c.finish(c.add("dense", "head", x, units=5))


def test_pads_and_shapes_in_layers_of_their_own() -> None:
    one, two = net(apart=True), net(apart=False)
    assert not nets.alike(one, two)
    assert nets.alike(canonical(one), canonical(two))
    for graph in (one, two):
        np.testing.assert_allclose(interpreter.run(canonical(graph), X), interpreter.run(graph, X), atol=1e-6)
    np.testing.assert_allclose(interpreter.run(one, X), interpreter.run(two, X), atol=1e-6)


@pytest.mark.parametrize("mode", ["reflect", "value"])
def test_a_pad_of_other_than_zeros_stays(mode: str) -> None:
    c = Composer((Dim("batch"), 12, 15, 3), seed=1)
    told: dict[str, Any] = {"mode": "reflect"} if mode == "reflect" else {"value": 1.0}
    x = c.add("pad", "pad", c.input, pad=(1, 1, 1, 1), **told)
    x = c.add("conv2d", "conv", x, filters=4, kernel=(3, 3), stride=(1, 1))
    graph = c.finish(c.add("dense", "head", c.add("global_avg_pool", "mean", x), units=5))
    assert [node.op for node in canonical(graph).nodes] == [node.op for node in graph.nodes]


def test_scaling_is_taken_out_and_told() -> None:
    graph = net(apart=False, scale=1 / 127.5, shift=-1.0)
    bare, scale, shift, layer = without_scaling(graph)
    assert layer == "scaling"
    expected = interpreter.run(graph, 255 * np.abs(X))
    np.testing.assert_allclose(
        interpreter.run(bare, (255 * np.abs(X) * scale + shift).astype("f")), expected, atol=1e-5
    )
    assert without_scaling(net(apart=False))[3] == ""


def test_scaling_inside_and_outside_is_no_difference_and_twice_is_one() -> None:
    told = {"input.size": (12, 15), "input.channels": 3}
    outside = {**told, "input.mean": (0.5,) * 3, "input.std": (0.5,) * 3}
    inside = {**told, "input.mean": (0.0,) * 3, "input.std": (1 / 255,) * 3}
    a = Account("a", "model", outside, graph=net(apart=False))
    b = Account("b", "model", inside, graph=net(apart=False, scale=1 / 127.5, shift=-1.0))
    assert compared(a, b, planted.pictures()).causes == []
    twice = replace(b, given={**inside, "input.std": (1.0,) * 3})
    (row,) = compared(a, twice, planted.pictures()).causes
    assert (row["cause"], row["place"]) == ("scaled_twice", "scaling")


def test_a_net_for_another_size_is_asked_about_it() -> None:
    a = Account("a", "model", {"input.size": (12, 15), "input.channels": 3}, graph=net(apart=False))
    other = replace(net(apart=False), inputs={"input": (Dim("batch"), 20, 24, 3)})
    b = Account("b", "model", {"input.size": (20, 24), "input.channels": 3}, graph=other)
    assert [row["cause"] for row in compared(a, b, planted.pictures()).causes] == ["input_size"]


def test_numbers_that_cant_be_told_apart_are_those_of_the_other_side() -> None:
    """An unknown decoder moves pixels by a part of a level: that is no other mean."""
    images = planted.pictures(4).content
    way = {**inputs.USUAL, "input.size": (32, 32), "input.mean": (0.31, 0.37, 0.41), "input.std": (0.21, 0.22, 0.23)}
    seen = inputs.prepared(images, way).astype("f8")
    level = 1 / (255 * np.array(way["input.std"]))
    noisy = seen + 0.7 * level * (1 + rng(0, "decoder").normal(0, 0.3, seen.shape))
    near = (*way["input.mean"], *way["input.std"])
    settings, left = understood(images, noisy, near)
    assert left > 0.1
    assert settings["input.mean"] != way["input.mean"]  # 0.7 levels off everywhere is told: that isn't noise
    close, _ = understood(images, seen + level * rng(0, "decoder").normal(0, 0.3, seen.shape), near)
    assert (close["input.mean"], close["input.std"]) == (way["input.mean"], way["input.std"])


def test_a_file_that_predicts_may_be_asked_in_training() -> None:
    """A .pt2 holds its statistics frozen: what eval() forgotten does is found all the same."""
    plain = planted.account()
    trained = planted.seen(plain.switched({"net.mode": "train", "net.dropout.rate": (0.0,)}))
    frozen = plain.switched({"net.batch_norm.statistics": ("frozen",), "net.dropout.rate": (0.0,)})
    assert [row["cause"] for row in compared(frozen, trained, planted.pictures()).causes] == ["train_mode"]


def test_gradients_are_clipped_as_the_scripts_say() -> None:
    g = {"a": np.array([3.0, 4.0]), "b": np.array([0.0, 12.0])}
    assert np.allclose(_clipped(g, 6.5, "all together")["b"], [0, 6])  # the norm of all is 13
    assert np.allclose(_clipped(g, 6.0, "each array")["a"], [3, 4])
    assert np.allclose(_clipped(g, 6.0, "each array")["b"], [0, 6])
    assert np.allclose(_clipped(g, 3.5, "each number")["a"], [3, 3.5])


def test_momentum_with_its_rate_is_that_of_keras() -> None:
    """-0.119 in PyTorch's form and -0.200 in Keras's: two steps, momentum 0.9, gradient 1, rate 0.1, then 0.01."""
    sgd = page("sgd")
    for form, expected in (("without its rate", -0.119), ("with its rate", -0.2)):
        s = {"train.rate": 0.1, "train.factors": (1.0, 0.1), "train.momentum_form": form}
        w, slots = np.zeros(1), sgd.start(np.zeros(1))
        for number in range(2):
            w, slots = _stepped(sgd, sgd.Settings(momentum=0.9), s, w, np.ones(1), slots, number)
        assert w[0] == pytest.approx(expected, abs=1e-12)


def test_another_optimizer_has_a_rate_of_its_own() -> None:
    """SGD at 0.1 and Adam at 0.001 are one choice: neither rate means anything in the other's formula."""
    a = planted.trainee()
    b = planted.trainee(train__optimizer="adam", train__rate=0.001, train__epsilon=1e-7)
    named = {one.name: one.suspect(a, b) for one in every() if one.world == "train"}
    assert named["optimizer"]["train.rate"] == 0.001
    assert named["learning_rate"] is None
    assert named["optimizer_epsilon"] is None
