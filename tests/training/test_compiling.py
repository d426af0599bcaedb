"""Whether a step is compiled: as asked, as measured, as before a checkpoint, and plain where no compiler is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small
from test_loop import Softmax

from bakeoff.data import Data
from bakeoff.rundir.checkpoint import Checkpoint
from bakeoff.training.finetune import compiling
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.loop.epochs import Loop


class Stepper(Softmax):
    """Its steps take as long as is said, by a clock of their own; compiling takes 30 s, and may fail."""

    def __init__(self, clock: list[float], plain: float, compiled: float, broken: str) -> None:
        super().__init__()
        self.clock, self.seconds, self.broken, self.first = clock, (plain, compiled), broken, 30.0
        self.loaded_slots: list[int] = []

    def steps(self, images: Any, labels: Any, rates: Any) -> Any:
        on = self.compile_batch == len(labels[0])
        if on and self.broken:
            raise RuntimeError(self.broken)
        self.clock[0] += self.seconds[on] + (self.first if on else 0.0)
        self.first = 0.0 if on else self.first
        return super().steps(images, labels, rates)

    def compile(self, *_: Any) -> None:
        """No optimizer of a framework's."""

    def arrays(self) -> Any:
        return {"kernel": self.kernel.copy()}

    def load(self, arrays: Any) -> None:
        self.kernel = arrays["kernel"]

    def slots(self) -> Any:
        return {}

    def load_slots(self, slots: Any, step: int) -> None:
        self.loaded_slots.append(step)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("data"))


Settle = Callable[..., tuple[dict[str, Any], Stepper, str]]


@pytest.fixture
def settle(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settle:
    clock = [0.0]
    monkeypatch.setattr(compiling.time, "perf_counter", lambda: clock[0])

    def run(asked: str, *, epochs: int = 2, batch: int = 16, meta: Any = None, **net: Any) -> Any:
        said: list[str] = []
        chosen = recipe(f'strategy = "finetune"\nepochs = {epochs}\nbatch_size = {batch}')
        around = context(data, chosen, tmp_path / "run", compile=asked, listen=lambda m: said.append(m.get("text", "")))
        checkpointer = Checkpointer(around.run, found=Checkpoint(meta) if meta else None)
        stepper = Stepper(clock, **{"plain": 1.0, "compiled": 0.5, "broken": "", **net})
        loop = Loop(replace(around, kept=checkpointer), stepper, chosen.phases[0])  # type: ignore[arg-type]
        loop.begin()
        found = compiling.settled(loop)
        assert checkpointer.header.get("compiled", False) == found["used"]
        return found, stepper, " ".join(said)

    return run


def test_off_measures_nothing(settle: Settle) -> None:
    found, net, _ = settle("off")
    assert found == {"used": False}
    assert not net.labels


def test_on_reports_the_cost_apart_and_leaves_the_net_as_it_was(settle: Settle) -> None:
    found, net, said = settle("on")
    assert (found["used"], found["compile_s"], found["step_ms"]) == (True, 30.0, {"compiled": 500.0})
    assert net.compile_batch == 16
    assert set(net.rates) == {0.0}
    assert np.array_equal(net.kernel, np.zeros_like(net.kernel))
    assert net.loaded_slots == [0]
    assert "compiling took 30 s" in said


def test_auto_compiles_where_it_pays(settle: Settle) -> None:
    found, net, _ = settle("auto", epochs=100)
    assert found["used"]
    assert found["step_ms"] == {"plain": 1000.0, "compiled": 500.0}
    assert net.compile_batch == 16


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"epochs": 2}, "steps take"),  # a short run: compiling isn't tried
        ({"epochs": 100, "compiled": 0.97}, "doesn't pay"),
        ({"epochs": 100, "compiled": 1.5}, "doesn't pay"),
        ({"epochs": 20, "compiled": 0.9}, "doesn't pay"),  # a gain of 14 s, for 30 s
        ({"epochs": 100, "broken": "no C++ compiler"}, "RuntimeError: no C\\+\\+ compiler"),
    ],
)
def test_auto_stays_plain_where_it_does_not(settle: Settle, settings: dict[str, Any], why: str) -> None:
    found, net, _ = settle("auto", **settings)
    assert not found["used"]
    assert net.compile_batch is None
    assert re.search(why, found["why"])


def test_no_compiler_is_one_line_and_no_end(settle: Settle) -> None:
    found, net, said = settle("on", broken="\nInvalid compiler\nmany\nmore lines")
    assert not found["used"]
    assert said == "compile: not used: it can't be compiled here: RuntimeError: Invalid compiler"
    assert net.compile_batch is None


def test_fewer_images_than_a_batch(settle: Settle) -> None:
    found, _, _ = settle("on", batch=4096)
    assert found == {"used": False, "why": "fewer images than a batch"}


@pytest.mark.parametrize("compiled", [True, False])
def test_a_run_that_goes_on_keeps_to_what_was_settled(settle: Settle, compiled: bool) -> None:
    """Though it would be settled otherwise now: another choice would round differently."""
    meta = {"framework": "onnxruntime", "compiled": compiled}
    found, net, _ = settle("auto", epochs=100, compiled=1.5 if compiled else 0.5, meta=meta)
    assert found["used"] == compiled
    assert net.compile_batch == (16 if compiled else None)


def test_in_another_framework_it_is_settled_anew(settle: Settle) -> None:
    found, _, _ = settle("auto", epochs=100, compiled=1.5, meta={"framework": "torch", "compiled": True})
    assert not found["used"]
