"""Trainings that go astray with finite numbers end with a line; those that learn, even badly, don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small
from test_loop import Softmax

from bakeoff.data import Data
from bakeoff.errors import DivergedError
from bakeoff.schemas import StepResult
from bakeoff.training.loop.epochs import Loop


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("images"), a=150, b=150, c=150)


class Net(Softmax):
    """A probability of 0 isn't infinitely wrong, as the frameworks have it in their logits."""

    def gradients(self, images: Any, labels: Any) -> Any:
        z = self.logits(images)
        loss = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(labels)), labels]
        p = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
        p[np.arange(len(labels)), labels] -= 1
        self.sum, self.count = self.sum + images.reshape(len(images), -1).T @ p, self.count + len(labels)
        return StepResult(float(loss.sum()), len(labels))


def loop_of(data: Data, run: Path, peak: float, net: Any = None, more: str = "") -> tuple[Loop, list[str]]:
    lines: list[str] = []
    chosen = recipe(f'strategy = "finetune"\nschedule.peak = {peak}\nepochs = 4\nbatch_size = 16\n{more}')
    base = context(data, chosen, run, listen=lambda message: lines.append(message.get("text", "")))
    loop = Loop(base, net or Net(), chosen.phases[0])
    loop.begin()
    return loop, lines


def run(loop: Loop) -> dict[str, Any]:
    try:
        return loop.run()
    finally:
        loop.context.run.close()


@pytest.mark.parametrize("peak", [1e5, 1e7, 1e12])
def test_a_loss_that_grows_a_thousandfold_ends_the_phase(data: Data, tmp_path: Path, peak: float) -> None:
    loop, _ = loop_of(data, tmp_path / "run", peak)
    with pytest.raises(
        DivergedError, match=r"the loss is .* in the beginning \(step \d+, rate 1e.*\n.*--set phases.0"
    ) as caught:
        run(loop)
    assert len(str(caught.value).splitlines()) == 2


def test_weights_that_grow_a_thousandfold_end_the_phase(data: Data, tmp_path: Path) -> None:
    class Growing(Net):
        def apply(self, rate: float) -> None:
            super().apply(rate)
            self.kernel = self.kernel + 60.0  # of every class alike: no loss tells of it

    loop, _ = loop_of(data, tmp_path / "run", 0.1, Growing())
    with pytest.raises(DivergedError, match="the largest weight is"):
        run(loop)


@pytest.mark.parametrize("peak", [1e-9, 1e-6])
def test_a_net_that_learned_nothing_is_said(data: Data, tmp_path: Path, peak: float) -> None:
    net = Net()
    net.kernel = np.random.default_rng(0).normal(0, 1, net.kernel.shape)
    loop, lines = loop_of(data, tmp_path / "run", peak, net)
    run(loop)
    (line,) = [line for line in lines if "nothing was learned" in line]
    assert "--set phases.0.schedule.peak=" in line
    assert "step" in line


@pytest.mark.parametrize("peak", [0.03, 0.3])
def test_a_net_that_learns_is_left_alone(data: Data, tmp_path: Path, peak: float) -> None:
    loop, lines = loop_of(data, tmp_path / "run", peak)
    run(loop)
    assert not [line for line in lines if "nothing" in line]


def test_a_phase_that_has_to_prove_itself_ends_and_is_rejected(data: Data, tmp_path: Path) -> None:
    """What came before it is still good."""
    loop, lines = loop_of(data, tmp_path / "run", 1e7, more='keep = "if-better"\n')
    notes = run(loop)
    assert not notes["gate"]["kept"]
    assert [line for line in lines if line.startswith("training diverged")]
    np.testing.assert_array_equal(loop.net.arrays()["kernel"], 0)
