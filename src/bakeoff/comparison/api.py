"""`compare`: one recipe in several frameworks: proved the same, then trained and timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bakeoff import frameworks as registered
from bakeoff import precision as precisions
from bakeoff.comparison.method import check_phase, context_of, parity_batches, phase_of, truth
from bakeoff.comparison.verdict import verdict
from bakeoff.data.reader import address, find_source
from bakeoff.drawing.card import Card
from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.evaluation.kinds import choice_of
from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.paired import Paired, paired
from bakeoff.files import make_folder, put, remove, write_text
from bakeoff.given import held
from bakeoff.parity import Trace, check, judge
from bakeoff.parity import to_json as certificate_json
from bakeoff.parity.certificate import from_json
from bakeoff.parity.noise import Spread, gradient_error, without_gradient
from bakeoff.recipe import narrow, to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir import checkpoint
from bakeoff.rundir.finished import Finished, accuracies, scored
from bakeoff.rundir.folder import JOB, Run
from bakeoff.rundir.lock import RunLock
from bakeoff.rundir.machine import machine
from bakeoff.rundir.readers import read_json, read_predictions
from bakeoff.rundir.result import NAME, read_result, result_of
from bakeoff.schemas import SCHEMA, Array, Certificate, Check
from bakeoff.training.api import resolve
from bakeoff.training.job import Job
from bakeoff.training.job import check as check_job
from bakeoff.training.loop.cadence import DEFAULT
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live
from bakeoff.workers.stopping import asked_politely, going_on

METHOD = "bakeoff.comparison.method:"
ASKED, PARITY = "asked.json", "parity.json"  # what a comparison was begun with, and what the judge found
ROUNDS, ROUND_SECONDS = 5, 0.4
DRAWS = 3  # of errors in gradients: what one does in steps of Adam is chance
VARIANTS = {
    "nudge": " from nudged weights",
    "threads": ", sums split in two",
    "error": ", with errors in its gradients",
}


@dataclass(frozen=True, repr=False)
class Compared(Finished):
    """A finished comparison.

    Attributes:
        path: its folder; one run folder per framework lies in it.
        result: what `bakeoff compare --json` prints.
    """

    @property
    def passed(self) -> bool:
        """Whether every parity check passed."""
        return bool(self.result["parity"]["passed"])

    def _card(self) -> Card:
        checks = self.result["parity"]["checks"]
        runs = self.result["frameworks"]
        rows = {name: f"{scored(row)}, {row['images_per_s']:,.0f} images/s" for name, row in runs.items()}
        agreed = f"{sum(one['passed'] for one in checks)} of {len(checks)} passed"
        figures = {"verdict": self.result["verdict"], **rows, "parity checks": agreed}
        return Card(str(self.path), figures, accuracies((name, self.path / name) for name in runs))


@held
@live()
def compare(
    data: str | Path,
    recipe: str | Recipe = "photos",
    frameworks: Sequence[str] = ("torch", "tensorflow"),
    *,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Compared:
    """Parity, accuracy and speed of one recipe in several frameworks, each in its own process.

    Args:
        data: images, as for `train`.
        recipe: a name, a file or a Recipe.
        frameworks: the first is the reference of the float64 checks.
        run: the folder to write, new, or that of the same comparison, stopped: what is finished in it isn't done again
            (the checks of parity, each training), and a training goes on from its checkpoint. None: a new one.
        overrides: as `"phases.0.epochs=1"`.
        seed: of split, start weights and order.
        precision: of training and timing. The mathematics is judged in float32 and float64 all the same; where 16 bits
            are mixed in, those steps are judged besides, against their own noise.
        listen, quiet: gets progress and log messages, as dicts; no bar.

    Raises:
        UsageError, DataError, MissingDependencyError: as they say.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    chosen = narrow(resolve(recipe, overrides=overrides, seed=seed))
    names = _checked([registered.ALIASES.get(name, name) for name in frameworks])
    path = Path(run) if run else Path("runs") / f"compare-{Path(data).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    jobs = {
        name: Job(str(data), to_toml(chosen), name, str(path / name), chosen.seed, device, precision, threads)
        for name in names
    }
    for job in jobs.values():
        check_job(job, chosen)
    find_source(Path(data).expanduser())  # nothing there: said before a process starts
    given: list[tuple[str, object]] = [
        ("--frameworks", ",".join(names)),
        *(("--set", one) for one in overrides),
        ("--seed", seed),
    ]
    given += [("--threads", threads), ("--precision", precision), ("--run", path)]
    comparison = Comparison(jobs, chosen, path, Reporter(listen))
    with (
        going_on("compare", data, recipe if isinstance(recipe, str) else chosen.title, given),
        asked_politely(comparison.stop),
    ):
        return Compared(path, comparison.run())


def _checked(names: Sequence[str]) -> list[str]:
    chosen = list(dict.fromkeys(names))
    if len(chosen) < 2:
        raise UsageError(
            f"compare needs two frameworks or more, got {', '.join(chosen) or 'none'}. "
            "As: --frameworks torch,tensorflow"
        )
    for name in chosen:
        registered.require(name, "comparing it")
    return chosen


class Comparison:
    """The steps of a comparison, in order."""

    def __init__(self, jobs: dict[str, Job], recipe: Recipe, path: Path, reporter: Reporter) -> None:
        self.jobs, self.recipe, self.path, self.reporter = jobs, recipe, path, reporter
        self.names = list(jobs)
        self.started: dict[str, str] = {}
        self.held: list[str] = []
        self.noise: list[Trace] | None = None
        self.draws = path / "traces" / "draws.npz"
        self.workers: dict[str, Worker] = {}

    def stop(self, code: int) -> None:
        """Ask whatever runs to stop at its next step boundary."""
        self.reporter.cancel(code)
        for worker in self.workers.values():
            worker.cancel(code)

    def run(self) -> dict[str, Any]:
        """Everything; the object that `compare --json` prints."""
        context = context_of(self.jobs[self.names[0]], self.reporter)
        check_phase(context)
        batches = parity_batches(context)
        folder, finished = self._begin(context.data.fingerprint)
        if finished:
            return finished
        with RunLock(self.path), ExitStack() as stack:
            for name in self.names:
                self.workers[name] = stack.enter_context(self._worker(name))
            remove(self.path / "traces")
            make_folder(self.path / "traces", self.path)
            prepared = {name: self._call(name, "prepare", job=self.jobs[name].to_json()) for name in self.names}
            of = len(self.names) + 2
            self.reporter.stage(1, of, "parity")
            certificate = self._certificate(folder, prepared, lambda: truth(context, batches))
            trained = {}
            for number, name in enumerate(self.names, 2):
                self.reporter.stage(number, of, f"train in {name}")
                trained[name] = self._train(name)
            self.reporter.stage(of, of, "timing")
            timed = self._times()
        measured = {name: self._measured(name, trained[name], timed[name]) for name in self.names}
        result = self._result(certificate, measured, prepared, context.data)
        folder.json("compare.json", result)
        remove(self.path / "traces")
        return {"schema": SCHEMA, **result}

    def _begin(self, fingerprint: str) -> tuple[Run, dict[str, Any]]:
        """The folder, new or gone on with, and the result where it is finished.

        Raises:
            UsageError: of another comparison.
        """
        jobs = {name: {**job.to_json(), "run": name} for name, job in self.jobs.items()}
        asked = {"schema": SCHEMA, "images": fingerprint, "jobs": jobs}
        asked = json.loads(json.dumps(asked))
        folder = Run(self.path)
        if not (self.path / ASKED).is_file():
            folder.create()
            (self.path / "predictions").rmdir()
            folder.json(ASKED, asked)
        elif read_json(self.path / ASKED) != asked:
            raise UsageError(
                f"--run {self.path}: a comparison with other settings or of other images. Choose another folder."
            )
        done = self.path / "compare.json"
        return folder, read_json(done) if done.is_file() else {}

    def _certificate(self, folder: Run, prepared: dict[str, Any], expected: Callable[[], Array]) -> Certificate:
        """What the judge found, now or before this comparison was stopped."""
        kept = self.path / PARITY
        if kept.is_file():
            known = read_json(kept)
            self.held = known["held"]
            return from_json(known["certificate"])
        certificate = Certificate(tuple(self._parity(prepared, expected())), self._environment())
        folder.json(PARITY, {"held": self.held, "certificate": certificate_json(certificate)})
        return certificate

    def _worker(self, name: str, precision: str = "float32") -> Worker:
        job = self.jobs[name]
        return Worker(name, device=job.device, threads=job.threads, precision=precision)

    def _call(self, name: str, function: str, worker: Worker | None = None, **arguments: Any) -> Any:
        chosen = worker or self.workers[name]
        self.reporter.check(f"before {function.replace('_', ' ')} in {name}")
        return chosen.call(METHOD + function, self.reporter.say, **arguments)

    # parity

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

    # accuracy and speed

    def _train(self, name: str) -> dict[str, Any]:
        done = self.path / name / NAME
        if done.is_file():
            return {key: value for key, value in read_json(done).items() if key != "schema"}
        job = replace(self.jobs[name], checkpoint_every=DEFAULT)
        again = False
        with suppress(CorruptError):  # of damaged checkpoints it is begun anew
            again = checkpoint.load(self.path / name) is not None
        self.reporter.check(f"before training in {name}")
        self.reporter.log(f"training in {name}" + (", from its checkpoint" if again else ""))
        if not again:
            remove(self.path / name)
            run = Run(job.run).create()
            write_text(run.path / "recipe.toml", job.recipe)
            run.json(JOB, {**job.to_json(), "data": address(job.data)})
        result: dict[str, Any] = self.workers[name].call(
            "bakeoff.training.work:work", self._within, job=job.to_json(), began=time.time(), resume=again
        )
        return result

    def _within(self, message: dict[str, Any]) -> None:
        """What one training says; its stages are none of the whole."""
        if message["kind"] != "stage":
            self.reporter.say(message)

    def _times(self) -> dict[str, dict[str, Any]]:
        """Rounds in turn, so that a change of the machine's speed meets all; the median of the rounds."""
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in self.names}
        for number in range(ROUNDS):
            self.reporter.progress("timing", number, ROUNDS, unit="rounds")
            for name in self.names:
                rows[name].append(self._call(name, "time_steps", seconds=ROUND_SECONDS))
        self.reporter.progress("timing", ROUNDS, ROUNDS, unit="rounds")
        return {name: _medians(found) for name, found in rows.items()}

    def _measured(self, name: str, trained: dict[str, Any], timed: dict[str, Any]) -> dict[str, Any]:
        facts = result_of(trained, self.path / name)
        choice = choice_of(facts.judged)
        return {
            "accuracy": facts.judged["accuracy"],
            "accuracy_interval": facts.judged["accuracy_interval"],
            "accuracy_split": facts.split,
            choice: facts.judged[choice],
            **timed,
            "train_wall_s": sum(max(phase["wall_s"], sum(phase.get("epoch_wall_s", ()))) for phase in facts.phases),
            "weights_sha256": facts.weights_sha256,
            "run": str(self.path / name),
        }

    def _result(
        self, certificate: Certificate, measured: dict[str, dict[str, Any]], prepared: dict[str, Any], data: Any
    ) -> dict[str, Any]:
        differences = self._paired(measured)
        parity = certificate_json(certificate)
        environment = certificate.environment | {
            k: v for row in prepared.values() for k, v in row["environment"].items()
        }
        sentence = verdict(certificate.passed, len(certificate.checks), measured, differences, self._blind(certificate))
        return {
            "run": str(self.path),
            "recipe": self.recipe.title,
            "data": Path(data.path).name,
            "classes": list(data.classes),
            "num_train": len(data.train),
            "num_test": len(data.test) if data.test is not None else 0,
            "precision": self.jobs[self.names[0]].precision,
            "parity": {"passed": parity["passed"], "checks": parity["checks"], "held": self.held},
            "frameworks": measured,
            "differences": {
                name: {"difference": p.difference, "interval": list(p.interval), "p_value": p.p_value, "num": p.num}
                for name, p in differences.items()
            },
            "environment": environment,
            "verdict": sentence,
        }

    @staticmethod
    def _blind(certificate: Certificate) -> str:
        return next((one.detail for one in certificate.checks if one.name == "telling" and not one.passed), "")

    def _paired(self, measured: dict[str, dict[str, Any]]) -> dict[str, Paired]:
        """Each framework against the most accurate one, on the same images."""
        best = max(self.names, key=lambda name: measured[name]["accuracy"])
        right = {name: _correct(self.path / name, measured[name]["accuracy_split"]) for name in self.names}
        return {name: paired(right[best], right[name]) for name in self.names if name != best}


def _called(check: str) -> str:
    """A check of the judge as comparisons call it."""
    kind, _, question = check.partition(".")
    if kind == "logits":
        return {"given": "logits", "after": "evaluation"}.get(question, check)
    if kind in ("labels", "between_images", "draws"):
        return check.removesuffix(".given")
    return {"weights": "parameters", "averages": "average"}.get(kind, kind)


def _correct(run: Path, split: str) -> Array:
    found = read_predictions(run, split)
    assert found is not None
    order = np.argsort(found.records)
    result: Array = right(found, read_result(run).threshold)[order]
    return result


def _medians(rows: list[dict[str, Any]]) -> dict[str, Any]:
    steps = sorted(row["step_ms"] for row in rows)
    return {
        "step_ms": median(steps),
        "step_ms_range": [steps[0], steps[-1]],
        "images_per_s": median(row["images_per_s"] for row in rows),
        "batch_size": rows[0]["batch_size"],
        "compile_s": rows[0]["compile_s"],
        "peak_memory_bytes": max(row["peak_memory_bytes"] for row in rows),
    }
