"""Random draws of a rebuilt net: handed in by node, and told as they came; one graph in this process's framework."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.graph import Graph, run
from bakeoff.graph.compose import Composer
from bakeoff.graph.initialize import torch_uniform
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode
from bakeoff.parity import Trace
from bakeoff.parity.draws import checks, prescribed, values

BATCH, LABELS = 6, np.arange(6) % 5
SGD = ("sgd", {"momentum": 0.9}, "softmax_cross_entropy")


def noisy() -> Graph:
    """Each operator that draws, on images, tokens and flattened features."""
    net = Composer((Dim("batch"), 6, 6, 3), 0, torch_uniform)
    x = net.add("conv2d", "conv", net.input, filters=8, kernel=(3, 3), pad=(1, 1, 1, 1))
    x = net.add("dropout", "channels", x, rate=0.3, shared=(1, 2))
    x = net.add("add", "sum", x, net.add("drop_path", "path", x, rate=0.2))
    which = net.add("draw", "which", x, kind="uniform", shared=(1, 2, 3))
    high, bend = (net.add("where", f"above {bound}", which, x, net.add(f, f, x), above=bound)
                  for f, bound in (("relu", 0.8), ("tanh", 0.3)))  # fmt: skip
    mask = net.add("draw", "mask", x, rate=0.25, shared=(1, 2))
    both = net.add("add", "both", net.add("mul", "first", high, mask), net.add("mul", "second", bend, mask))
    both = net.add("add", "shaken", both, net.add("draw", "shake", x, kind="normal", shared=(0, 3)))
    x = net.add("in_training", "either", both, x)
    tokens = net.add("reshape", "tokens", x, shape=(Dim("batch"), 36, 8))
    tokens = net.add("attention", "attention", tokens, tokens, tokens, rate=0.2)
    x = net.add("reshape", "image", tokens, shape=(Dim("batch"), 6, 6, 8))
    x = net.add("dropout", "cells", net.add("flatten", "flat", x, order="HWC"), rate=0.31)
    return net.finish(net.add("dense", "head", x, units=5)).astype("float64")


def images() -> Any:
    return np.random.default_rng(0).normal(size=(BATCH, 6, 6, 3))


def asked(framework: str, graph: Graph, given: Any) -> tuple[float, Any, Any]:
    net = frameworks.load(framework).native(graph, precision="float64")
    net.compile(*SGD)
    net.given = given
    loss = net.gradients(images(), LABELS).loss
    return loss, net.gradient_arrays(), net.drawn


def true_loss(graph: Graph, masks: dict[str, Any]) -> float:
    """By NumPy's truth, which asks for its masks in the order of the nodes."""
    order = iter([node.id for node in graph.nodes if node.draws])
    logits = run(graph, images(), Mode(train=True, mask=lambda shape, keep: masks[next(order)]))
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return float(-np.log(shifted / shifted.sum(-1, keepdims=True))[np.arange(BATCH), LABELS].sum())


def failed(found: Any, expected: Any) -> list[str]:
    return [check.name for check in checks(found, expected) if not check.passed]


def test_what_is_drawn_is_told_and_can_be_handed_in(framework: str, tmp_path: Any) -> None:
    graph = noisy()
    loss, gradients, drawn = asked(framework, graph, {})
    masks = values(drawn)
    assert {node: mask.shape for node, mask in masks.items()} == {
        "channels": (6, 1, 1, 8), "path": (6, 1, 1, 1), "attention": (6, 36, 36), "cells": (6, 288),
        "which": (6, 1, 1, 1), "mask": (6, 1, 1, 8), "shake": (1, 6, 6, 1),
    }  # fmt: skip
    assert abs(loss / true_loss(graph, masks) - 1) < 1e-14
    Trace(draws={"flat": drawn}).save(tmp_path / "draws.npz")
    told = Trace.load(tmp_path / "draws.npz", "draws").draws["flat"]
    again, other, found = asked(framework, graph, values(told))
    assert again == pytest.approx(loss, rel=1e-15)
    assert failed(found, drawn) == []
    assert all(np.abs(gradients[path] - other[path]).max() < 1e-14 for path in gradients)
    new = prescribed(drawn, 1)
    assert all(0.3 < mask.mean() < 0.7 for node, mask in new.items() if node != "shake")
    assert abs(asked(framework, graph, new)[0] / true_loss(graph, new) - 1) < 1e-14


@pytest.mark.parametrize(
    ("node", "change", "check"),
    [
        ("cells", {"rate": 0.3}, "draws.rates"),
        ("channels", {"shared": ()}, "draws.shapes"),
        ("channels", {"shared": (1,)}, "draws.shapes"),
        ("attention", {"rate": 0.0}, "draws"),
        ("mask", {"rate": 0.3}, "draws.rates"),
        ("which", {"kind": "normal"}, "draws.kinds"),
        ("shake", {"shared": (3,)}, "draws.shapes"),
    ],
)
def test_another_draw_is_noticed(framework: str, node: str, change: dict[str, Any], check: str) -> None:
    graph = noisy()
    _, _, drawn = asked(framework, graph, {})
    nodes = tuple(
        replace(one, attributes=replace(one.attributes, **change)) if one.id == node else one for one in graph.nodes
    )
    _, _, found = asked(framework, replace(graph, nodes=nodes), values(drawn))
    assert failed(found, drawn) == [check]


def test_a_mask_whose_axes_are_swapped_is_noticed(framework: str) -> None:
    def masked(axes: tuple[int, ...]) -> Graph:
        net = Composer((Dim("batch"), 6, 6, 3), 0, torch_uniform)
        mask = net.add("transpose", "turned", net.add("draw", "mask", net.input, rate=0.5), axes=axes)
        x = net.add("flatten", "flat", net.add("mul", "masked", net.input, mask))
        return net.finish(net.add("dense", "head", x, units=5)).astype("float64")

    loss, _, drawn = asked(framework, masked((0, 1, 2, 3)), {})
    other, _, found = asked(framework, masked((0, 2, 1, 3)), values(drawn))
    assert failed(found, drawn) == []
    assert abs(other / loss - 1) > 1e-3


def test_nothing_is_drawn_in_prediction(framework: str) -> None:
    net = frameworks.load(framework).native(noisy(), precision="float64")
    expected = run(noisy(), images())
    assert np.abs(net.logits(images()) - expected).max() < 1e-12
    assert np.abs(net.logits(images()[:1]) - expected[:1]).max() < 1e-12


def test_draws_are_those_of_seed_and_batch_whatever_drew_before(framework: str) -> None:
    net = Composer((Dim("batch"), 6, 6, 3), 0, torch_uniform)
    x = net.add("flatten", "flat", net.input, order="HWC")
    x = net.add("mul", "masked", x, net.add("draw", "mask", x, rate=0.3))
    graph = net.finish(net.add("dense", "head", x, units=5)).astype("float64")
    losses = []
    for _ in range(2):
        native = frameworks.load(framework).native(graph, precision="float64", seed=5)
        native.compile(*SGD)
        losses.append(native.gradients(images(), LABELS).loss)
    assert losses[0] == losses[1]
