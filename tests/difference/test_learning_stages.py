"""What is said of each stage besides its cause: how two nets learn, what a dump can't show, the start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import planted
import pytest

from bakeoff import frameworks
from bakeoff.difference import nets, starts
from bakeoff.difference.account import Account
from bakeoff.difference.api import compared, trained
from bakeoff.seeds import rng
from bakeoff.workers.launch import Worker

A = planted.account()
LEARNING = ("gradients", "first step", "running statistics")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    if not frameworks.installed():
        pytest.skip("no framework is installed")
    with Worker(frameworks.installed()[0], precision="float64", threads=1) as one:
        yield one


def states(found: Any) -> dict[str, str]:
    return {row["stage"]: row["state"] for row in found.result["stages"]}


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({}, ()),
        ({"net.batch_norm.momentum": (0.5,)}, ("running statistics",)),
        ({"net.dropout.rate": (0.6,)}, ("output in training mode", "gradients", "first step")),
        ({"net.batch_norm.statistics": ("frozen",)}, ("output in training mode", *LEARNING)),
    ],
    ids=["the same", "momentum", "dropout", "frozen"],
)
def test_how_two_nets_learn(changes: dict[str, Any], differ: tuple[str, ...], worker: Worker) -> None:
    """None of these shows in what the nets predict."""
    told = states(compared(A, A.switched(changes), planted.pictures(), worker=worker))
    assert told["output"] == "equal"
    learning = {name: told[name] for name in ("output in training mode", *LEARNING)}
    assert learning == {name: "differs" if name in differ else "equal" for name in learning}


def test_what_isnt_a_net_cant_be_asked_how_it_learns() -> None:
    told = states(compared(A, planted.seen(A), planted.pictures()))
    assert {told[name] for name in ("output in training mode", *LEARNING)} == {"not checkable"}


def test_masks_of_a_dump_arent_checkable() -> None:
    """Logits of a net with dropout left on: nothing is named by chance, and what would decide is said."""
    dropped = planted.seen(A.switched({"net.mode": "train", "net.dropout.rate": (0.9,)}))
    found = compared(A, replace(dropped, seen=replace(dropped.seen, shares=False)), planted.pictures())
    row = next(row for row in found.result["stages"] if row["stage"] == "dropout")
    assert row["state"] == "not checkable"
    assert "twice" in row["detail"]
    assert states(compared(A, planted.seen(A), planted.pictures()))["dropout"] == "equal"
    without = A.switched({"net.architecture": planted.other_net()})
    assert "dropout" not in states(compared(without, planted.seen(without), planted.pictures()))


@pytest.mark.parametrize(
    ("changes", "differ"),
    [
        ({}, ()),
        ({"train__rate": 0.02}, ("first step",)),
        ({"train__smoothing": 0.2}, ("gradients", "first step")),
        ({"net__batch_norm__momentum": 0.9}, ("running statistics",)),
    ],
    ids=["the same", "rate", "loss", "momentum"],
)
def test_the_first_step_of_two_scripts(changes: dict[str, Any], differ: tuple[str, ...], worker: Worker) -> None:
    told = states(trained(planted.trainee(0), planted.trainee(1, **changes), worker))
    assert {name for name in LEARNING if told[name] == "differs"} == set(differ)
    assert told["start"] == "excluded"


# the law of start weights ---------------------------------------------------------------------------------------------

FANS = ((27.0, 72.0), (72.0, 108.0), (192.0, 24.0))


@pytest.mark.parametrize("name", starts.LAWS)
def test_a_law_is_told_by_its_numbers(name: str) -> None:
    draw = rng(0, "laws", record=name)
    each = [(starts.law(name, fans).ppf(draw.random((int(fans[0]), int(fans[1])))), fans) for fans in FANS]
    each = [(w.astype(np.float32), fans) for w, fans in each]
    assert starts._likeliest(each, starts.LAWS) == name
    assert starts._likeliest([(3 * w, fans) for w, fans in each], starts.LAWS) == ""  # as of a net that was trained


def lawful(seed: int, kernels: str, biases: str = starts.ZEROS) -> Account:
    """A training whose start weights are of a law, as a recorder finds them."""
    one = planted.trainee(seed)
    assert one.graph is not None
    own = {"start.kernels": "PyTorch's uniform", "start.biases": starts.ZEROS}
    graph = starts.drawn(one.graph, own, {"start.kernels": kernels, "start.biases": biases}, seed + 1)
    return replace(one, graph=graph, given={**one.given, **starts.laws(graph)})


def test_start_weights_are_excluded_or_their_law_is_a_cause(worker: Worker) -> None:
    a, b = lawful(0, "PyTorch's uniform"), lawful(1, "He's normal")
    assert a.settings["start.kernels"] == "PyTorch's uniform"
    assert b.settings["start.kernels"] == "He's normal"
    assert trained(a, b, worker).causes == []
    found = trained(a, b, worker, start=True)
    named = [row["cause"] for row in (*found.causes, *found.result["harmless"])]
    assert named == ["start_weights"]
    assert found.result["start"]["b"]["start.kernels"] == "He's normal"
    same = trained(a, lawful(1, "PyTorch's uniform"), worker, start=True)  # another seed of one law
    assert same.causes == []
    assert states(same)["start"] == "equal"


def test_another_law_keeps_the_draws() -> None:
    a = lawful(0, "PyTorch's uniform")
    assert a.graph is not None
    there = starts.drawn(a.graph, a.settings, {**a.settings, "start.kernels": "He's normal"})
    back = starts.drawn(there, {**a.settings, "start.kernels": "He's normal"}, a.settings)
    for path, key in nets.slots(a.graph).items():
        if key.endswith("kernel"):
            assert not np.allclose(there.parameters[path].array, a.graph.parameters[path].array)
        np.testing.assert_allclose(back.parameters[path].array, a.graph.parameters[path].array, atol=1e-6)
