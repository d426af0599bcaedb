"""Terms of the loss stay with what they are on, in every pass and in JSON; none is dropped without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.graph import Composer, Graph, Ref, passes
from bakeoff.graph.graph import Penalty
from bakeoff.graph.penalties import said
from bakeoff.graph.serialize import from_json, to_json
from bakeoff.graph.together import Member, together
from bakeoff.graph.trainable import freeze
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing.signature import Signature
from bakeoff.training.finetune.boundary import halves

ON_HEAD = Penalty("head.kernel", l2=0.5)
ON_BODY = (Penalty("conv.kernel", 0.25, 0.01), Penalty(Ref("relu"), l1=0.125), Penalty(Ref("input"), l2=1.0))


@pytest.fixture
def net() -> Graph:
    c = Composer((Dim("batch"), 8, 8, 3))
    x = c.add("relu", "relu", c.add("conv2d", "conv", c.input, filters=4, kernel=(3, 3)))
    x = c.add("dense", "middle", c.add("global_avg_pool", "pool", x), units=4)
    graph = c.finish(c.add("dense", "head", x, units=3))
    return replace(graph, penalties=(*ON_BODY, ON_HEAD))


def test_json_holds_them_and_older_versions_refuse_it(net: Graph) -> None:
    value = json.loads(json.dumps(to_json(net)))
    assert from_json(value, net.arrays()).penalties == net.penalties
    assert value["schema"] == 2
    plain = to_json(replace(net, penalties=()))
    assert plain["schema"] == 1
    assert "penalties" not in plain
    assert from_json(plain, net.arrays()).penalties == ()


def _row(**changes: Any) -> Callable[[Any], None]:
    return lambda value: value["penalties"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        _row(on="nowhere.kernel"),
        _row(on=["nowhere", 0]),
        _row(on=[[], 0]),
        _row(on=3),
        _row(l1="much"),
        _row(l2=-1.0),
        _row(l2=float("inf")),
        lambda value: value.pop("penalties"),
        lambda value: value.update(penalties=[{}]),
    ],
)
def test_hostile_json_is_refused(net: Graph, change: Callable[[Any], Any]) -> None:
    value = to_json(net)
    change(value)
    with pytest.raises(CorruptError, match="hold together"):
        from_json(value, net.arrays())


def test_a_term_on_nothing_is_no_graph(net: Graph) -> None:
    for on in ("conv.bias.none", Ref("none")):
        with pytest.raises(BakeoffError, match="a term of the loss is on"):
            replace(net, penalties=(Penalty(on, 1.0),))
    with pytest.raises(BakeoffError, match="two terms of the loss are on one parameter"):
        replace(net, penalties=(ON_HEAD, ON_HEAD))


def test_a_new_head_keeps_the_backbones(net: Graph) -> None:
    assert passes.cut(net, "pool").penalties == ON_BODY
    assert passes.with_head(passes.cut(net, "pool"), 7).penalties == ON_BODY
    assert passes.cut(net, "conv").penalties == (ON_BODY[0], ON_BODY[2])
    assert passes.prune(net).penalties == passes.prune(net, keep_passengers=True).penalties == net.penalties
    assert passes.without_noise(freeze(net, ["backbone"])).penalties == net.penalties


def test_backbones_side_by_side_keep_theirs(net: Graph) -> None:
    signature = Signature(size=(8, 8), channels=3)
    other = replace(signature, mean=(0.5,) * 3, std=(0.5,) * 3)
    joined, _ = together([Member("a", passes.cut(net, "pool"), other), Member("b", passes.cut(net, "pool"), signature)])
    places = ["a.conv.kernel", Ref("a.relu"), Ref("input"), "b.conv.kernel", Ref("b.relu"), Ref("b.normalize")]
    assert [penalty.on for penalty in joined.penalties] == places
    assert {(p.l1, p.l2) for p in joined.penalties} == {(p.l1, p.l2) for p in ON_BODY}


def test_behind_frozen_layers_the_loss_is_the_same(net: Graph) -> None:
    frozen = freeze(net, ["conv.*"])
    assert halves(frozen) is None  # terms on the images and on what a frozen layer gives are part of the loss
    found = halves(replace(frozen, penalties=(ON_BODY[0], Penalty(Ref("middle"), l1=1.0), ON_HEAD)))
    assert found is not None
    assert found.trained.penalties == (Penalty(Ref("middle"), l1=1.0), ON_HEAD)


def test_they_are_said(net: Graph) -> None:
    (sentence,) = said(net)
    assert "L1 0.25 + L2 0.01 on conv.kernel; L1 0.125 on what relu gives" in sentence
    assert "net.penalty()" in sentence
    assert said(replace(net, penalties=())) == ()
