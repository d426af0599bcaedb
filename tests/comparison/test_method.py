"""The judge's tolerances leave room to fail, and the verdict says what the figures say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bakeoff.comparison.method import check_phase, context_of, parity_batches, phase_of
from bakeoff.comparison.verdict import verdict
from bakeoff.data.sample import write_digits
from bakeoff.errors import UsageError
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.parity import Trace
from bakeoff.parity.judge import exploded, sensitivity, single
from bakeoff.parity.noise import Spread, gradient_error
from bakeoff.parity.tolerance import MOST, NOISE
from bakeoff.parity.trial import errors, stepped
from bakeoff.recipe import to_toml
from bakeoff.schemas import StepResult
from bakeoff.training.api import resolve
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter


def trace(logits: float = 1.0, evaluation: float = 1.0, gradient: float = 0.5, losses: Any = (0.7, 0.6)) -> Trace:
    """A trace in which one array is off by a factor."""
    return Trace(
        logits={"given": logits * np.array([[1.0, -2.0]]), "after": evaluation * np.array([[2.0, -1.0]])},
        losses={"training": np.array(losses)},
        gradients={"training": {"kernel": np.array([gradient])}},
        statistics={"mean": np.array([0.1])},
    )


def failed(found: Trace, spread: Spread) -> set[str]:
    checks = single("torch", found, spread.reference.logits["given"], spread)
    return {check.name for check in checks if not check.passed}


def test_a_framework_does_not_set_its_own_tolerance() -> None:
    wrong = trace(evaluation=1.01)  # off in float32, and as far off from nudged weights: no noise
    assert failed(wrong, Spread([wrong, trace()], [(wrong, wrong)], trace())) == {"evaluation.torch"}
    assert failed(wrong, Spread([trace(), wrong], [], trace())) == {"evaluation.torch"}


def test_noise_widens_a_tolerance() -> None:
    found = trace(evaluation=1 + 2e-4)
    assert failed(found, Spread([found, trace()], [(found, found)], trace())) == {"evaluation.torch"}
    assert failed(found, Spread([found, trace()], [(trace(evaluation=1 - 1e-3), trace())], trace())) == set()
    assert failed(found, Spread([found, trace(evaluation=1 - 1e-4)], [(found, found)], trace())) == set()  # all are off


def test_no_noise_lets_everything_pass() -> None:
    found = trace(evaluation=-1.0)
    spread = Spread([trace()], [(trace(evaluation=-3.0), trace())], trace())
    assert all(check.tolerance <= MOST for check in single("torch", found, spread.reference.logits["given"], spread))
    assert failed(found, spread) == {"evaluation.torch"}


@pytest.mark.parametrize(
    ("accuracies", "said"), [((0.994, 1.0), "99.4 % to 100.0 %"), ((0.1, 0.095), "9.5 % to 10.0 %")]
)
def test_the_verdict_ranges_from_low_to_high(accuracies: tuple[float, float], said: str) -> None:
    measured = {
        name: {"step_ms": 1.0, "accuracy": accuracy}
        for name, accuracy in zip(("torch", "tensorflow"), accuracies, strict=True)
    }
    same = np.array([True, False])
    assert f"({said})" in verdict(True, 5, measured, {"torch": paired(same, same)})


def test_an_accumulated_trace_takes_the_calls_of_training() -> None:
    calls: list[Any] = []

    def gradients(x: Any, y: Any) -> StepResult:
        calls.append(len(y))
        return StepResult(2.0 * len(y), len(y))

    net: Any = SimpleNamespace(gradients=gradients, apply=lambda rate: calls.append(rate))
    sizes = [np.zeros(n) for n in (4, 4, 3)]
    losses = stepped(net, sizes, sizes, lambda step: 0.1 * (step + 1), 2)
    assert calls == [4, 4, 0.1, 3, 0.2]
    assert losses.tolist() == [2.0, 2.0]


def with_losses(*losses: float) -> Trace:
    return trace(losses=losses)


def test_noise_of_late_steps_is_no_excuse_for_the_first() -> None:
    """Under Adam a wrong epsilon shows at once, and rounding after some steps as large as the loss."""
    reference = with_losses(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    noisy = with_losses(1.0, 1.0, 1.0, 1.0, 1.0, 1.1)
    early, late = with_losses(1.01, 1.0, 1.0, 1.0, 1.0, 1.0), with_losses(1.0, 1.0, 1.0, 1.01, 1.0, 1.0)
    assert failed(early, Spread([early, reference], [(noisy, reference)], reference)) == {"losses.torch"}
    assert failed(late, Spread([late, reference], [(noisy, reference)], reference)) == set()


def test_losses_that_are_nothing_are_the_same() -> None:
    """What is 1e-12 in float64 is 0 in float32; 0 is 0; and both may end at 0."""
    assert failed(with_losses(1.0, 0.0), Spread([with_losses(1.0, 0.0)], [], with_losses(1.0, 1e-12))) == set()
    assert failed(with_losses(0.0, 0.0), Spread([with_losses(0.0, 0.0)], [], with_losses(0.0, 0.0))) == set()
    wrong = with_losses(1.0, 0.01)
    assert failed(wrong, Spread([trace(), with_losses(1.0, 0.0)], [], with_losses(1.0, 0.0))) == {"losses.torch"}


def test_a_loss_that_is_no_number_has_a_step() -> None:
    assert exploded(with_losses(1.0, np.nan, np.inf)) == 1
    assert exploded(with_losses(1.0, 2.0)) is None
    assert exploded(trace(evaluation=np.nan)) == 2
    nan = with_losses(1.0, np.nan)
    assert "losses.torch" in failed(nan, Spread([nan, nan], [(nan, nan)], trace()))


def test_nets_that_do_nothing_prove_nothing() -> None:
    def images(*logits: list[float]) -> Trace:
        return replace(trace(), logits={"given": np.array(logits)})

    live = images([1.0, -2.0], [1.5, -2.0])
    assert sensitivity(live).passed
    dead = replace(live, gradients={"training": {"kernel": np.zeros(1)}})
    assert sensitivity(dead).detail == "all gradients are zero"
    same = images([1.0, -2.0], [1.0, -2.0 - 1e-9])
    assert sensitivity(same).detail == "all images give the same logits"
    assert not sensitivity(images([0.0, 0.0], [0.0, 0.0])).passed
    assert "Nothing is proved" in verdict(False, 5, {}, {}, sensitivity(dead).detail)


def context(folder: Path, *overrides: str) -> Any:
    recipe = resolve("mnist-cnn", overrides=overrides)
    job = Job(str(folder), to_toml(recipe), "torch", str(folder.parent / "run"), 0, "cpu", "float32", 1)
    return context_of(job, Reporter())


def test_batches_are_those_of_training(digits: Path) -> None:
    plain = context(digits)
    count = len(plain.data.train)
    sizes = [len(batch.labels) for batch in parity_batches(plain)]
    assert sizes[:-1] == [64] * 19
    assert sizes[-1] == count % 64 > 0
    assert len(parity_batches(context(digits, "phases.0.drop_last=true"))[-1].labels) == 64
    assert [len(batch.labels) for batch in parity_batches(context(digits, "phases.0.batch_size=5000"))] == [count]
    mixed = parity_batches(context(digits, "augment.operations=[{name='mixup'}]"))
    assert mixed[0].labels.shape == (64, 10)


def test_damaged_images_are_left_out_of_the_checks_too(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits")
    content = (place := min((tmp_path / "digits/3").iterdir())).read_bytes()
    at = content.index(b"IDAT") + 4
    place.write_bytes(content[:at] + bytes(8) + content[at + 8 :])
    found = context(tmp_path / "digits", "data.bad_files=exclude")
    assert len(found.data.excluded) == 1
    assert parity_batches(found)  # decoded


def test_what_training_refuses_is_refused_before(digits: Path) -> None:
    with pytest.raises(UsageError, match="no weight to train"):
        check_phase(context(digits, 'phases.0.freeze=["*"]'))


def test_the_phase_that_trains_the_most_is_compared() -> None:
    recipe = resolve("photos-mobilenetv2-two-steps")
    assert phase_of(recipe) == recipe.phases[-1] != recipe.phases[0]


def test_an_error_in_gradients_is_random_bounded_and_leaves_zeros() -> None:
    gradients = {"kernel": np.array([[0.0, 2.0, -0.5]] * 50)}
    found = errors(np.random.default_rng(0), 1e-3, gradients)["kernel"]
    assert not found[:, 0].any()
    assert np.unique(found[:, 1:]).size == 100
    assert 1.5e-3 < np.abs(found).max() <= 2e-3


def test_errors_go_into_every_step() -> None:
    calls: list[Any] = []
    net: Any = SimpleNamespace(
        gradients=lambda x, y: StepResult(1.0, len(y)),
        gradient_arrays=lambda: {"kernel": np.ones(1)},
        disturb=lambda found: calls.append(found["kernel"][0]),
        apply=lambda rate: calls.append(rate),
    )
    images = [np.zeros(4)] * 2
    stepped(net, images, images, lambda step: 0.1 * (step + 1), 1, wrong=lambda found: {"kernel": -found["kernel"]})
    assert calls == [-1.0, 0.1, -1.0, 0.2]


def test_the_gradients_own_noise_bounds_their_errors() -> None:
    off = trace(gradient=0.5 + 1e-4)
    assert gradient_error(Spread([trace(), trace()], [(off, trace())], trace())) == pytest.approx(2e-4)
    wild = trace(gradient=-0.5)
    assert gradient_error(Spread([trace(), trace()], [(wild, trace())], trace())) == MOST / NOISE
