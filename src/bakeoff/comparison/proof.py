"""The parity of a comparison: traces of every framework, and what the judge says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import precision as precisions
from bakeoff.comparison.method import phase_of
from bakeoff.errors import DataError
from bakeoff.files import put
from bakeoff.parity import Trace, check, judge
from bakeoff.parity.noise import Spread, gradient_error, without_gradient
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir.machine import machine
from bakeoff.schemas import Array, Check
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter
from bakeoff.workers.launch import Worker

METHOD = "bakeoff.comparison.method:"
DRAWS = 3  # of errors in gradients: what one does in steps of Adam is chance
VARIANTS = {
    "nudge": " from nudged weights",
    "threads": ", sums split in two",
    "error": ", with errors in its gradients",
}


class Proof:
    """Asks a worker for each framework, and judges what they answer."""

    jobs: dict[str, Job]
    names: list[str]
    recipe: Recipe
    path: Path
    reporter: Reporter
    workers: dict[str, Worker]
    draws: Path

    def __init__(self) -> None:
        self.started: dict[str, str] = {}
        self.held: list[str] = []
        self.noise: list[Trace] | None = None

    def _worker(self, name: str, precision: str = "float32") -> Worker:
        job = self.jobs[name]
        return Worker(name, device=job.device, threads=job.threads, precision=precision)

    def _call(self, name: str, function: str, worker: Worker | None = None, **arguments: Any) -> Any:
        chosen = worker or self.workers[name]
        self.reporter.check(f"before {function.replace('_', ' ')} in {name}")
        return chosen.call(METHOD + function, self.reporter.say, **arguments)

    def _trace(self, name: str, precision: str, worker: Worker | None = None, **options: Any) -> Trace:
        output = self.path / "traces" / "trace.npz"
        named = (words for option, words in VARIANTS.items() if options.get(option))
        variant = next(named, "")
        self.reporter.log(f"parity: {name} in {precision}{variant}")
        draws = str(self.draws) if self.draws.is_file() else None  # what the very first net drew
        answer = self._call(name, "trace", worker, precision=precision, output=str(output), draws=draws, **options)
        if draws is None:
            put(output, self.draws)
            output = self.draws
        if precision == "float32" and not variant:
            self.started[name] = answer["weights"]
        return Trace.load(output)

    def _double(self, name: str, **options: Any) -> Trace:
        """float64; JAX needs a process of its own for it."""
        if name != "jax":
            return self._trace(name, "float64", **options)
        with self._worker(name, "float64") as worker:
            self._call(name, "prepare", worker, job=self.jobs[name].to_json())
            return self._trace(name, "float64", worker, **options)

    def _parity(self, prepared: dict[str, Any], expected: Array) -> list[Check]:
        first, *others = self.names
        reference = self._double(first)
        self._refuse_exploded(first, reference)
        adaptive = self._optimizer() != "sgd"
        held = sorted(without_gradient(reference)) if adaptive else []
        self.held = held
        if held:
            self.reporter.log(f"parity: {', '.join(held)} held: no gradient but rounding, which Adam would follow")
            reference = self._double(first, held=held)
        single = {name: self._trace(name, "float32", held=held) for name in self.names}
        checks = [judge.sensitivity(reference), *self._same_start(prepared)]
        spread = Spread(list(single.values()), self._variants(single, reference, held), reference)
        for name in self.names:
            checks += judge.single(name, single[name], expected, spread)
        for name in others:
            checks += self._judged(name, self._double(name, held=held), reference, held)
        return checks + self._mixed(held, reference)

    def _judged(self, name: str, found: Trace, reference: Trace, held: list[str]) -> list[Check]:
        """float64 against float64; the first one's own noise is asked for where the plain limits aren't enough."""
        checks = judge.double(found, reference)
        if not all(one.passed for one in checks):
            if self.noise is None:
                self.noise = [self._double(self.names[0], nudge=True, held=held, draw=draw) for draw in range(2)]
            checks = judge.double(found, reference, self.noise)
        return [replace(one, name=f"float64.{_called(one.name)}.{name}") for one in checks]

    def _mixed(self, held: list[str], reference: Trace) -> list[Check]:
        """Steps with 16 bits mixed in: each framework's against float64, with the noise of 16 bits."""
        precision = self.jobs[self.names[0]].precision
        if precision not in precisions.MIXED:
            return []
        found = {name: self._trace(name, precision, held=held) for name in self.names}
        first = self.names[0]
        pair: tuple[Trace, Trace] = (self._trace(first, precision, nudge=True, held=held), found[first])
        spread = Spread(list(found.values()), [pair], reference)
        return [check for name in self.names for check in judge.mixed(name, precision, found[name], spread)]

    def _refuse_exploded(self, name: str, reference: Trace) -> None:
        """What isn't finite can't be compared, and is no difference between frameworks.

        Raises:
            DataError: names the step.
        """
        step = judge.exploded(reference)
        if step is not None:
            peak = phase_of(self.recipe).schedule.peak
            raise DataError(
                f"loss or logits aren't finite at step {step}, in float64, in {name}: there is nothing to compare.\n"
                f"The learning rate {peak:g} is too high for these images, or an image or weight is no number. "
                "Find a rate: bakeoff find-rate DATA"
            )

    def _variants(self, single: dict[str, Trace], reference: Trace, held: list[str]) -> list[tuple[Trace, Trace]]:
        """One framework's float32 beside itself: from nudged weights; with sums taken in another order; and with errors
        in its gradients as large as these two show them.
        """
        first = self.names[0]
        pairs: list[tuple[Trace, Trace]] = [(self._trace(first, "float32", nudge=True, held=held), single[first])]
        if "torch" in single:  # TensorFlow and JAX can't change their threads while they run
            pairs.append((self._trace("torch", "float32", threads=2, held=held), single["torch"]))
        error = gradient_error(Spread(list(single.values()), pairs, reference))
        for draw in range(DRAWS):
            disturbed = self._trace(first, "float32", error=error, draw=draw, held=held)
            pairs.append((disturbed, single[first]))
        return pairs

    def _environment(self) -> dict[str, str]:
        return {**machine(), "precision": self.jobs[self.names[0]].precision}

    def _same_start(self, prepared: dict[str, Any]) -> list[Check]:
        """Batches as they were read, and weights as they lay in the native nets before the first step: bit for bit."""
        first, *others = self.names
        checks = []
        for name in others:
            for what, found, expected in (
                ("weights", self.started[name], self.started[first]),
                ("batches", prepared[name]["batches"], prepared[first]["batches"]),
            ):
                checks.append(
                    check(f"{what}.{name}", float(found != expected), 0.0, "SHA-256 of the bytes, equal or not")
                )
        return checks

    def _optimizer(self) -> str:
        return phase_of(self.recipe).optimizer.name


def _called(check: str) -> str:
    """A check of the judge as comparisons call it."""
    kind, _, question = check.partition(".")
    if kind == "logits":
        return {"given": "logits", "after": "evaluation"}.get(question, check)
    if kind in ("labels", "between_images", "draws"):
        return check.removesuffix(".given")
    return {"weights": "parameters", "averages": "average"}.get(kind, kind)
