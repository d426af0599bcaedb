"""What a trace would freeze is refused by name: chance, clocks, counters, globals; branches on sizes and batches."""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

if True:  # after torch is known to be there
    from torch import nn
    from torch.nn import functional as F

    from bakeoff.errors import UnsupportedError
    from bakeoff.frameworks import undisturbed
    from bakeoff.frameworks.torch.capture import _deadline, bare, capture
    from bakeoff.frameworks.torch.capture._copy import copied
    from bakeoff.frameworks.torch.capture._frozen import check

SIZE = (32, 32)
COUNT = 0
KEPT = {"calls": 0}


class Net(nn.Module):
    """A classifier whose `middle` is what a test is about."""

    def __init__(self, middle: Callable[[Any, Any], Any] = lambda self, x: x, **attributes: Any) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Linear(6, 5)
        self.middle = middle
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Any) -> Any:
        return self.head(self.middle(self, F.relu(self.norm(self.conv(x)))).mean((2, 3)))


def counts(net: Any, x: Any) -> Any:
    net.step += 1
    return x * 2 if net.step > 5000 else x


def keeps(net: Any, x: Any) -> Any:
    KEPT["calls"] += 1
    return x * 2 if KEPT["calls"] > 5000 else x


def counts_globally(net: Any, x: Any) -> Any:
    global COUNT
    COUNT += 1
    return x * 2 if COUNT > 5000 else x


def remembers(net: Any, x: Any) -> Any:
    last, net.last = net.last, x.mean().detach()
    return x - last


def averages(net: Any, x: Any) -> Any:
    if net.training:
        with torch.no_grad():
            net.mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3), keepdim=True))
    return x - net.mean


def enclosed() -> Callable[[Any, Any], Any]:
    calls = 0

    def middle(net: Any, x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * 2 if calls > 5000 else x

    return middle


FROZEN: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a rare coin of Python's": (lambda: Net(lambda _, x: x * 2 if random.random() < 0.01 else x), "random.random"),
    "NumPy's global generator": (lambda: Net(lambda _, x: x * float(np.random.uniform())), "numpy.random"),
    "a generator of its own": (
        lambda: Net(lambda net, x: x * float(net.rng.uniform()), rng=np.random.default_rng(0)),
        "rng changes",
    ),
    "a fresh generator": (lambda: Net(lambda _, x: x * float(np.random.default_rng().uniform())), "urandom"),
    "the clock": (lambda: Net(lambda _, x: x * 2 if time.time() % 2 > 3 else x), "time.time"),
    "entropy": (lambda: Net(lambda _, x: x * (1 + os.urandom(1)[0])), "urandom"),
    "a counter": (lambda: Net(counts, step=0), "step changes"),
    "a global": (lambda: Net(counts_globally), "COUNT changes"),
    "a global dictionary": (lambda: Net(keeps), r"KEPT\['calls'\] changes"),
    "a closure": (lambda: Net(enclosed()), "calls changes"),
    "an iterator": (lambda: Net(lambda net, x: x * next(net.steps), steps=itertools.count()), "steps changes"),
    "the last batch": (lambda: Net(remembers, last=0.0), "last"),
    "a tensor that is no buffer": (lambda: Net(averages, mean=torch.zeros(1, 6, 1, 1)), "mean changes"),
}


@pytest.mark.parametrize("kind", FROZEN)
def test_what_a_trace_would_freeze_is_refused_by_name(kind: str) -> None:
    made, named = FROZEN[kind]
    with pytest.raises(UnsupportedError, match=named):
        check(made(), SIZE, 3, "Net")


def cached(net: Any, x: Any) -> Any:
    if net.grid is None or net.grid.shape[-1] != x.shape[-1]:
        net.grid = torch.linspace(0, 1, x.shape[-1])
    return x + net.grid


def logged(net: Any, x: Any) -> Any:
    begun = time.perf_counter()
    net.calls += 1
    net.sizes.append(tuple(x.shape))
    net.attention = torch.sigmoid(F.dropout(x, 0.3, net.training))
    net.took = time.perf_counter() - begun
    return x * net.attention


@pytest.mark.parametrize("made", [lambda: Net(cached, grid=None), lambda: Net(logged, calls=0, sizes=[], took=0.0)])
def test_caches_and_logs_are_nobodys_business(made: Callable[[], nn.Module]) -> None:
    assert check(made(), SIZE, 3, "Net") == []


def test_a_buffer_that_moves_is_given_by_its_path() -> None:
    net = Net()
    net.add_module("inner", nn.Identity())
    net.inner.register_buffer("mean", torch.zeros(1, 6, 1, 1))
    net.middle = lambda net, x: averages(net.inner, x)
    assert check(net, SIZE, 3, "Net") == ["inner.mean"]


def test_weights_that_a_pass_or_a_mode_changes_are_named() -> None:
    def clamps(net: Any, x: Any) -> Any:
        net.head.weight.data.clamp_(-0.1, 0.1)
        return x

    def clamps_in_training(net: Any, x: Any) -> Any:
        return clamps(net, x) if net.training else x

    class Merges(Net):
        def train(self, mode: bool = True) -> Any:
            self.head.weight.data += 0.1 if mode else -0.1
            return super().train(mode)

    for net in (Net(clamps), Merges()):
        with pytest.raises(UnsupportedError, match=r"prediction changes the weight head\.weight"):
            check(net, SIZE, 3, "Net")
    assert check(Net(clamps_in_training), SIZE, 3, "Net") == ["head.weight"]  # declared: training is what loses it


# sizes ----------------------------------------------------------------------------------------------------------------

BRANCHES: dict[str, Callable[[Any, Any], Any]] = {
    "high": lambda _, x: x * 2 if x.shape[2] > 600 else x,
    "tall": lambda _, x: x * 2 if x.shape[2] > 2 * x.shape[3] else x,
    "area": lambda _, x: x * 2 if x.shape[2] * x.shape[3] > 1_000_000 else x,
    "one size": lambda _, x: x * 2 if x.shape[2] == 300 else x,
    "a rest": lambda _, x: x * 2 if x.shape[3] % 17 == 5 else x,
    "a kernel": lambda _, x: F.avg_pool2d(x, 3 if x.shape[2] < 700 else 5, 1),
    "a root": lambda _, x: x * 2 if int((x.shape[2] * 1.0) ** 0.5) > 13 else x,
    "training alone": lambda net, x: x * 2 if net.training and x.shape[2] > 500 else x,
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_on_the_size_binds_the_net_to_its_own(branch: str) -> None:
    captured = capture(Net(BRANCHES[branch]), input_size=SIZE)
    assert captured.fixed_size
    assert "built for 32 x 32 alone" in captured.notes[0]


def test_a_net_of_any_size_says_where_it_was_asked() -> None:
    def middle(_: Any, x: Any) -> Any:
        assert x.shape[2] >= 8
        b, c, h, w = x.shape
        return x.view(b, c, h * w).transpose(1, 2).reshape(b, h, w, c).permute(0, 3, 1, 2)

    captured = capture(Net(middle), input_size=SIZE)
    assert not captured.fixed_size
    assert len(captured.sizes) >= 4
    assert max(map(min, captured.sizes)) > 512
    assert captured.batches == (1, 2, 3, 7)


@pytest.mark.parametrize(
    "middle",
    [
        lambda _, x: x * 2 if x.shape[0] == 1 else x,
        lambda _, x: x * 2 if x.shape[0] > 64 else x,
        lambda net, x: x * 2 if net.training and x.shape[0] < 4 else x,
        lambda _, x: x * (1.0 + 1.0 / x.shape[0]),
    ],
    ids=["one", "many", "few in training", "a number of it"],
)
def test_a_branch_on_the_number_of_images_is_refused(middle: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(UnsupportedError, match="depends on how many images"):
        capture(Net(middle), input_size=SIZE)


# surroundings ---------------------------------------------------------------------------------------------------------


def test_recurrence_over_the_images_of_a_batch_is_named() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(96, 4), nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            return self.head(self.rnn(x.permute(0, 2, 1, 3).flatten(2))[0].mean(1))

    with pytest.raises(UnsupportedError, match="rnn takes the images of a batch for steps in time"):
        capture(Rows(), input_size=SIZE)


def test_a_pass_that_is_late_is_stopped_with_its_module() -> None:
    class Waits(nn.Module):
        def forward(self) -> None:
            while True:
                time.process_time()

    net = nn.ModuleDict({"slow": Waits()})
    with pytest.raises(UnsupportedError, match=r"slow \(Waits\) was not traced"), _deadline.deadline(net, "Net", 0.05):
        net["slow"]()
    with _deadline.deadline(net, "Net", 60.0):
        pass


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_the_callers_modes_change_nothing(around: Callable[[], Any]) -> None:
    torch.manual_seed(0)
    with around():
        net, draws = Net(), torch.get_rng_state()
        captured = capture(net, input_size=SIZE)
        assert torch.is_grad_enabled() == (around not in (torch.no_grad, torch.inference_mode))
        assert torch.equal(torch.get_rng_state(), draws)
    assert captured.graph.dtype == "float32"


def test_seeds_and_defaults_are_as_before_after_an_error_too() -> None:
    torch.set_default_dtype(torch.float64)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    try:
        with pytest.raises(ZeroDivisionError), undisturbed():
            _ = torch.set_default_dtype(torch.float32), random.random(), np.random.random(), torch.rand(1), 1 / 0
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_wrappers_and_narrow_weights() -> None:
    net = Net()
    assert bare(nn.DataParallel(net))[0] is net
    assert bare(torch.compile(net)) == (net, ["OptimizedModule was taken off; names are those of the module within"])
    wide, notes = bare(Net().bfloat16())
    assert wide.head.weight.dtype == torch.float32
    assert notes == ["its bfloat16 weights are float32 here"]
    with pytest.warns(FutureWarning):
        script = torch.jit.trace(net.eval(), torch.zeros(1, 3, *SIZE))
    with pytest.raises(UnsupportedError, match="a TorchScript program"):
        capture(script, input_size=SIZE)


def test_what_cannot_be_copied_gets_one_line() -> None:
    with pytest.raises(UnsupportedError, match=r"can't be copied.*lock"):
        copied(Net(lock=threading.Lock()))
