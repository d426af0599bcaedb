"""keep = "if-better": what a phase trained stays only where the validation images say so for certain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small
from test_loop import Softmax

from bakeoff.data import Data
from bakeoff.errors import RecipeError
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.checkpoint import Checkpoint
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array, Predictions
from bakeoff.training.context import PhaseResult
from bakeoff.training.gate import message, needless
from bakeoff.training.loop.epochs import Loop

GATED = 'strategy = "finetune"\nschedule.peak = {peak}\nepochs = {epochs}\nbatch_size = 16\nkeep = "if-better"\n{more}'


class Biased(Softmax):
    """Softmax regression with a bias: tells the classes apart, which differ in brightness."""

    def __init__(self) -> None:
        super().__init__(inputs=17)

    def logits(self, images: Array, *, train: bool = False) -> Array:
        return super().logits(_with_one(images), train=train)

    def gradients(self, images: Array, labels: Array) -> Any:
        return super().gradients(_with_one(images), labels)

    def slots(self) -> dict[str, dict[str, Array]]:
        return {}


def _with_one(images: Array) -> Array:
    flat = images.reshape(len(images), -1)
    return np.concatenate([flat - 0.45, np.full((len(flat), 1), 0.3)], 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Classes that softmax regression tells apart."""
    return small(tmp_path_factory.mktemp("images"), a=80, b=80, c=80)


def gated(data: Data, folder: Path, kernel: Array | None = None, peak: float = 0.5, epochs: int = 2, more: str = ""):  # type: ignore[no-untyped-def]
    """A loop that has begun, with the lines that it logs."""
    chosen = recipe(GATED.format(peak=peak, epochs=epochs, more=more))
    said: list[str] = []
    found = context(data, chosen, folder, listen=lambda message: said.append(str(message.get("text", message))))
    net = Biased()
    if kernel is not None:
        net.kernel = kernel.copy()
    loop = Loop(found, net, chosen.phases[0])  # type: ignore[arg-type]
    loop.begin()
    return loop, net, said


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The logs of every run are closed at the end of a test."""
    runs: list[Run] = []
    create = Run.create
    monkeypatch.setattr(Run, "create", lambda self: runs.append(self) or create(self))
    yield
    for run in runs:
        run.close()


def learned(data: Data, folder: Path) -> Array:
    """The kernel after enough epochs."""
    loop, net, _ = gated(data, folder, epochs=20)
    loop.run()
    return net.kernel


def test_what_is_better_is_kept(data: Data, tmp_path: Path) -> None:
    loop, net, said = gated(data, tmp_path / "run", epochs=20)
    notes = loop.run()
    decision = notes["gate"]
    assert decision["kept"]
    assert decision["interval"][0] > 0
    assert decision["after"] - decision["before"] == pytest.approx(decision["difference"])
    assert decision["won"] - decision["lost"] == round(decision["difference"] * decision["num"])
    assert decision["num"] == len(data.validation)
    assert notes["kept_epoch"] == 20
    assert np.any(net.kernel)
    assert any("fine-tuning kept" in line for line in said)


def test_what_is_worse_is_taken_back_bit_for_bit(data: Data, tmp_path: Path) -> None:
    good = learned(data, tmp_path / "good")
    loop, net, said = gated(data, tmp_path / "run", -good, epochs=1, peak=1e-12)  # nothing is gained
    notes = loop.run()
    assert not notes["gate"]["kept"]
    assert notes["kept_epoch"] == 0
    np.testing.assert_array_equal(net.kernel, -good)
    assert any("rejected" in line for line in said)
    loop, net, _ = gated(data, tmp_path / "spoiled", good, epochs=1, peak=50)
    decision = loop.run()["gate"]
    assert decision["difference"] <= 0
    assert not decision["kept"]
    np.testing.assert_array_equal(net.kernel, good)


def test_a_gain_that_chance_explains_is_no_gain(data: Data, tmp_path: Path) -> None:
    """The same gain: kept where little certainty is asked for, rejected where more is."""
    found = {}
    for confidence in (0.01, 0.9999999999):
        loop, _, _ = gated(data, tmp_path / str(confidence), epochs=3, more=f"keep_confidence = {confidence}")
        found[confidence] = loop.run()["gate"]
    assert found[0.01]["difference"] == found[0.9999999999]["difference"] > 0
    assert found[0.01]["kept"]
    assert not found[0.9999999999]["kept"]


def test_going_on_compares_with_what_was_before_the_phase(data: Data, tmp_path: Path) -> None:
    whole, straight, _ = gated(data, tmp_path / "whole", epochs=4)
    expected = whole.run()
    first, net, _ = gated(data, tmp_path / "first", epochs=4)
    for _ in range(2):
        first.steps()
        first._after()
    saved = Checkpoint({"state": first.state.to_json()}, first.saved())
    second, later, _ = gated(
        data, tmp_path / "second", net.kernel, epochs=4
    )  # as a resume begins: weights of mid-phase
    second.restore(saved)
    notes = second.run()
    assert notes["gate"] == expected["gate"]
    np.testing.assert_array_equal(later.kernel, straight.kernel)


def test_without_validation_images_nothing_is_trained(data: Data, tmp_path: Path) -> None:
    """A share of few images may come to none."""
    loop, net, said = gated(data, tmp_path / "run")
    loop.context = replace(loop.context, data=replace(data, validation=None))
    notes = loop.run()
    assert notes["gate"] == {"kept": False, "num": 0}
    assert notes["steps"] == notes["kept_epoch"] == 0
    assert not np.any(net.kernel)
    assert any("left out" in line for line in said)


@pytest.mark.parametrize(
    ("num", "wrong", "least", "says"),
    [
        (40, 0, 2, "all 40 validation images are right without it"),
        (
            12,
            1,
            2,
            "12 validation images can tell is 16.7 points (2 of them), more than all that are wrong without it (1)",
        ),
        (12, 2, None, ""),
        (341, 30, None, ""),
    ],
)
def test_what_could_not_prove_itself_is_not_begun(num: int, wrong: int, least: int | None, says: str) -> None:
    """The smallest gain is that of the gate itself: one image less would have been rejected."""
    phase = Finetune(keep="if-better", keep_confidence=0.68)
    labels = np.zeros(num, np.int64)
    before = Predictions(np.eye(2)[(np.arange(num) < wrong).astype(int)], labels, np.arange(num))
    found = PhaseResult(Any, num, logits={"validation": before})
    row = needless(phase, found)
    assert (row and row["least"]) == least
    assert needless(Finetune(), found) is None
    if row:
        assert says in message(row, phase)
        for won in (least - 1, least):
            old = np.arange(num) >= max(won, wrong)
            assert (paired(old | (np.arange(num) < won), old, 0.68).interval[0] > 0) == (won == least)
    assert needless(phase, PhaseResult(Any, num)) == {"kept": False, "num": 0}


def test_it_needs_validation_images() -> None:
    split = "[data.split]\ntrain = 0.9\nvalidation = 0.0\ntest = 0.1"
    text = GATED.format(peak=1, epochs=1, more=split)
    with pytest.raises(RecipeError, match=r'phases.0.keep: "if-better" needs a validation set'):
        recipe(text)
