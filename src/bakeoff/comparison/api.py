"""`compare`: one recipe in several frameworks: proved the same, then trained and timed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bakeoff.comparison import contestants as entered
from bakeoff.comparison.accuracies import accuracies, correct
from bakeoff.comparison.deadline import Deadline
from bakeoff.comparison.kept import compared
from bakeoff.comparison.method import check_phase, context_of, parity_batches, phase_of, truth
from bakeoff.comparison.needs import call_overhead, needs
from bakeoff.comparison.planning import EXPORTS_S, Plan, comparable, plan, shortened
from bakeoff.comparison.predictions import Predictions
from bakeoff.comparison.proof import Proof
from bakeoff.comparison.statistics.accuracy import MARGIN
from bakeoff.comparison.tracks import NATIVE, SAME, Tracks
from bakeoff.comparison.verdict import verdict
from bakeoff.comparison.wanted import Wanted, check_numbers, entrants_of
from bakeoff.data.reader import address, find_source
from bakeoff.drawing.card import Card
from bakeoff.errors import CorruptError, UsageError
from bakeoff.evaluation.kinds import choice_of
from bakeoff.evaluation.statistics.paired import Paired, paired
from bakeoff.files import make_folder, remove, write_text
from bakeoff.given import held
from bakeoff.parity import to_json as certificate_json
from bakeoff.parity.certificate import from_json
from bakeoff.recipe import narrow, to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir import checkpoint
from bakeoff.rundir.finished import Finished, scored
from bakeoff.rundir.finished import accuracies as plotted
from bakeoff.rundir.folder import JOB, Run
from bakeoff.rundir.lock import RunLock
from bakeoff.rundir.readers import read_json
from bakeoff.rundir.result import NAME, result_of
from bakeoff.schemas import SCHEMA, Array, Certificate
from bakeoff.training.api import resolve
from bakeoff.training.job import Job
from bakeoff.training.job import check as check_job
from bakeoff.training.loop.cadence import DEFAULT, seconds_of
from bakeoff.training.loop.threads import threads_for
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live, seconds
from bakeoff.workers.stopping import asked_politely, going_on

PARITY, PLAN = "parity.json", "plan.json"  # what was found, what is meant


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
        return Card(str(self.path), figures, plotted((name, self.path / name) for name in runs))


@held
@live()
def compare(
    data: str | Path,
    recipe: str | Recipe = "photos",
    frameworks: Sequence[str] | None = None,
    *,
    contestants: Sequence[str] | None = None,
    budget: str | None = None,
    seeds: int = 1,
    predict: bool = False,
    margin: float = MARGIN,
    price: float | None = None,
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
        frameworks: the first is the reference of the float64 checks; None: those of the contestants, or torch and
            tensorflow as far as they are installed. Of one alone its modes are compared.
        contestants: who is timed (`docs/how-to/compare.md` lists them), the same may be given twice; None: each
            framework as `train` runs it.
        budget: as `15m`: what doesn't fit is left out, by name.
        seeds: trainings of each framework; from 5 on a claim is about the frameworks.
        predict: time predictions, too: each framework's own and every export that runs here.
        margin: accuracies closer than this are as good as equal.
        price: of an hour of this machine, for what a million predictions cost.
        run: the folder to write, new, or that of the same comparison, stopped: what is finished in it isn't done again
            (parity, each training, rounds), and a training goes on from its checkpoint. None: a new one.
        overrides: as `"phases.0.epochs=1"`.
        seed: of split, start weights and order.
        precision: of training and timing. The mathematics is judged in float32 and float64 all the same; where 16 bits
            are mixed in, those steps are judged besides, against their own noise.
        listen, quiet: gets progress and log messages, as dicts; no bar.

    Raises:
        UsageError, DataError, MissingDependencyError: as they say.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    chosen, changes = comparable(narrow(resolve(recipe, overrides=overrides, seed=seed)))
    names, entrants = entrants_of(frameworks, contestants)
    check_numbers(seeds, margin, price)
    wanted = Wanted(tuple(entrants), seeds, predict, seconds_of(budget) if budget else None, margin, price)
    path = Path(run) if run else Path("runs") / f"compare-{Path(data).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    jobs = {
        name: Job(str(data), to_toml(chosen), name, str(path / name), chosen.seed, device, precision, threads)
        for name in names
    }
    for job in jobs.values():
        check_job(job, chosen)
    find_source(Path(data).expanduser())  # nothing there: said before a process starts
    kinds = ",".join(map(entered.kind, contestants)) if contestants else None
    given: list[tuple[str, object]] = [("--frameworks", ",".join(names)), ("--contestants", kinds)]
    given += [("--set", one) for one in overrides]
    once: dict[str, object] = {
        "seed": seed,
        "seeds": seeds,
        "budget": budget,
        "predict": predict,
        "margin": margin,
        "price": price,
    }
    once |= {"threads": threads, "precision": precision, "run": path}
    usual = {"seeds": 1, "predict": False, "margin": MARGIN}
    given += [(f"--{name}", value) for name, value in once.items() if value != usual.get(name)]
    comparison = Comparison(jobs, chosen, path, Reporter(listen), wanted)
    for line in changes:
        comparison.reporter.log(line)
    line_of = recipe if isinstance(recipe, str) else chosen.title
    with going_on("compare", data, line_of, given), asked_politely(comparison.stop):
        return Compared(path, comparison.run())


class Comparison(Proof):
    """The steps of a comparison, in order."""

    def __init__(
        self, jobs: dict[str, Job], recipe: Recipe, path: Path, reporter: Reporter, wanted: Wanted | None = None
    ) -> None:
        super().__init__()
        self.jobs, self.recipe, self.path, self.reporter = jobs, recipe, path, reporter
        self.names = list(jobs)
        self.wanted = wanted or Wanted(())
        self.draws = path / "traces" / "draws.npz"
        self.workers: dict[str, Worker] = {}
        self.measuring: Tracks | Predictions | None = None
        self.stages, self.began = [0, 0], time.monotonic()
        end = None if self.wanted.budget is None else self.began + self.wanted.budget
        self.deadline = Deadline(end, reporter, self.stop)

    def stop(self, code: int) -> None:
        """Ask whatever runs to stop at its next step boundary."""
        self.reporter.cancel(code)
        for worker in self.workers.values():
            worker.cancel(code)
        if self.measuring is not None:
            self.measuring.cancel(code)

    def run(self) -> dict[str, Any]:
        """Everything; the object that `compare --json` prints."""
        context = context_of(self.jobs[self.names[0]], self.reporter)
        check_phase(context)
        batches = parity_batches(context)
        folder, finished = self._begin(context.data.fingerprint)
        if finished:
            return finished
        with RunLock(self.path):
            with ExitStack() as stack:
                for name in self.names:
                    self.workers[name] = stack.enter_context(self._worker(name))
                remove(self.path / "traces")
                make_folder(self.path / "traces", self.path)
                prepared = {name: self._call(name, "prepare", job=self.jobs[name].to_json()) for name in self.names}
                self.stages[1] = 1 + len(self.names) * self.wanted.seeds + 3 + self.wanted.predict
                self._stage("parity")
                with self.deadline.within("parity"):
                    certificate = self._certificate(folder, prepared, lambda: truth(context, batches))
                self._proved()
                meant = self._plan(folder, context.data, time.monotonic() - self.began)
                trained = self._trainings(meant)
            self.workers.clear()
            threads = self._threads(context.start.graph)
            timed = self._tracks(meant, threads)
            served = self._predictions(meant, threads)
        result = self._result(certificate, trained, timed, served, meant, prepared, context.data)
        folder.json("compare.json", result)
        remove(self.path / "traces")
        return {"schema": SCHEMA, **result}

    def _proved(self) -> None:
        """Without parity nothing is compared.

        Raises:
            UsageError: the budget was over before it was judged.
        """
        if "parity" in self.deadline.ended:
            raise UsageError(
                f"--budget {seconds(self.wanted.budget or 0)}: it was over before parity was judged, and nothing is "
                "compared before that. Give it longer (with the same --run), compare fewer frameworks, or choose a "
                "smaller net."
            )

    def _stage(self, text: str) -> None:
        self.stages[0] += 1
        self.reporter.stage(self.stages[0], max(self.stages), text)

    def _threads(self, graph: Any) -> int:
        """The same for every contestant: as many as the net is worth to the framework that can use the fewest."""
        job, batch = self.jobs[self.names[0]], phase_of(self.recipe).batch_size
        return job.threads or min(threads_for(graph, batch, name) for name in self.names)

    def _plan(self, folder: Run, data: Any, spent: float) -> Plan:
        """What is done from here on; said, and kept for when it goes on."""
        kept = self.path / PLAN
        if kept.is_file():
            meant = Plan(**{key: value for key, value in read_json(kept).items() if key != "schema"})
        else:
            few = [{n: self._call(n, "time_steps", seconds=0.1)["step_ms"] for n in self.names} for _ in range(3)]
            step_s = {name: min(row[name] for row in few) / 1000 for name in self.names}  # others work here, too
            train = len(data.train)
            meant = plan(
                self.recipe,
                step_s,
                (train, len(data) - train),
                contestants=len(self.wanted.contestants),
                seeds=self.wanted.seeds,
                predict=self.wanted.predict,
                budget=self.wanted.budget,
                spent=spent,
                tracks=(SAME, NATIVE),
            )
            folder.json(PLAN, vars(meant))
        for line in meant.lines(self.wanted.budget):
            self.reporter.log(line)
        trainings = len(self.names) * meant.seeds * meant.trains
        self.stages[1] = 2 + trainings + len(meant.rounds) + meant.predict
        return meant

    # accuracy and speed

    def _trainings(self, meant: Plan) -> dict[str, list[dict[str, Any]]]:
        """The result of each training: by framework, a row a seed."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in self.names}
        what = "the trainings"
        with self.deadline.within(what, meant.later_s):
            for number in range(meant.seeds * meant.trains):
                for name in self.names:
                    seeded = f", seed {number + 1} of {meant.seeds}" if meant.seeds > 1 else ""
                    self._stage(f"train in {name}{seeded}")
                    found[name].append(self._train(name, number, meant.epochs))
        if what in self.deadline.ended:
            whole = min(map(len, found.values()))
            meant.trains, meant.seeds = whole > 0, max(whole, 1)
            meant.left_out.append({"what": f"{what} (stopped)", "seconds": meant.training_s})
            found = {name: rows[:whole] for name, rows in found.items()}  # the same seeds in all
        return found

    def _run(self, name: str, number: int = 0) -> Path:
        """The run folder of a training: the first seed's is the framework's."""
        return self.path / (name if not number else f"{name}-seed{number + 1}")

    def _job(self, name: str, number: int, epochs: int | None) -> Job:
        """A further seed draws start weights and order anew, and keeps the split."""
        recipe = shortened(self.recipe, epochs)
        job = replace(self.jobs[name], recipe=to_toml(recipe), checkpoint_every=DEFAULT)
        if not number:
            return job
        frozen = to_toml(recipe_with_split(recipe, self._run(self.names[0])))
        return replace(job, recipe=frozen, seed=job.seed + number, run=str(self._run(name, number)))

    def _train(self, name: str, number: int = 0, epochs: int | None = None) -> dict[str, Any]:
        path = self._run(name, number)
        done = path / NAME
        if done.is_file():
            return {key: value for key, value in read_json(done).items() if key != "schema"}
        job = self._job(name, number, epochs)
        again = False
        with suppress(CorruptError):  # of damaged checkpoints it is begun anew
            again = checkpoint.load(path) is not None
        self.reporter.check(f"before training in {name}")
        self.reporter.log(f"training in {name}" + (", from its checkpoint" if again else ""))
        if not again:
            remove(path)
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

    def _tracks(self, meant: Plan, threads: int) -> dict[str, Any]:
        """The contestants' times; nothing of them where there are none."""
        if not self.wanted.contestants:
            return {}
        names, rounds = list(self.wanted.contestants), meant.rounds
        end = self.deadline.at
        self.measuring = Tracks(self.jobs, names, self.path, self.reporter, threads, rounds, self._stage, end)
        return self.measuring.run()

    def _predictions(self, meant: Plan, threads: int) -> dict[str, Any]:
        """The times of predictions, of the first framework's first training."""
        if not (meant.predict and meant.trains):
            return {}
        self._stage("predictions")
        run, data = self._run(self.names[0]), self.jobs[self.names[0]].data
        self.measuring = Predictions(run, Path(data), self.names, self.path, self.reporter, threads)
        with self.deadline.within("prediction"):
            return self.measuring.run()
        meant.left_out.append({"what": "prediction", "seconds": EXPORTS_S})
        return {}

    def _begin(self, fingerprint: str) -> tuple[Run, dict[str, Any]]:
        """The folder, new or gone on with, and the result where it is finished.

        Raises:
            UsageError: of another comparison.
        """
        jobs = {name: {**job.to_json(), "run": name} for name, job in self.jobs.items()}
        asked = {"schema": SCHEMA, "images": fingerprint, "jobs": jobs, "wanted": asdict(self.wanted)}
        folder = compared(self.path, json.loads(json.dumps(asked)), planned=(self.path / PLAN).is_file())
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

    def _measured(self, name: str, trained: list[dict[str, Any]], timed: dict[str, Any]) -> dict[str, Any]:
        """A framework's row: what its first training came to, and its step as `train` takes it."""
        rows = timed.get("tracks", {}).get(SAME, {})
        usual = entered.USUAL[name]
        failed = usual in self.wanted.contestants  # then no other one stands for the framework
        others = [] if failed else [n for n in rows if name == entered.load(n).FRAMEWORK]
        own = usual if usual in rows else next(iter(others), "")
        times = [time for pair in timed["rounds"][SAME]["times"][own] for time in pair] if own else []
        row: dict[str, Any] = {"accuracy": None, "accuracy_interval": None, "accuracy_split": None}
        if trained:
            facts = result_of(trained[0], self.path / name)
            choice = choice_of(facts.judged)
            row = {
                "accuracy": facts.judged["accuracy"],
                "accuracy_interval": facts.judged.get("accuracy_interval"),
                "accuracy_split": facts.split,
                choice: facts.judged[choice],
                "train_wall_s": sum(max(p["wall_s"], sum(p.get("epoch_wall_s", ()))) for p in facts.phases),
                "weights_sha256": facts.weights_sha256,
                "run": str(self._run(name)),
            }
        keys = ("step_ms", "images_per_s", "batch_size", "compile_s", "peak_memory_bytes")
        steps = {key: rows[own][key] if own else None for key in keys}
        return row | steps | {"step_ms_range": [min(times), max(times)] if times else None, "contestant": own or None}

    def _result(
        self,
        certificate: Certificate,
        trained: dict[str, list[dict[str, Any]]],
        timed: dict[str, Any],
        served: dict[str, Any],
        meant: Plan,
        prepared: dict[str, Any],
        data: Any,
    ) -> dict[str, Any]:
        measured = {name: self._measured(name, trained[name], timed) for name in self.names}
        split = next((row["accuracy_split"] for row in measured.values()), None)
        parity = certificate_json(certificate)
        checks = [*parity["checks"], *timed.get("checks", [])]
        passed = bool(parity["passed"]) and all(one["passed"] for one in checks)
        ratios = [*timed.get("ratios", []), *served.get("ratios", [])]
        scored = bool(split) and all(row["accuracy"] is not None for row in measured.values())
        runs = {name: [self._run(name, k) for k in range(len(trained[name]))] for name in self.names}
        accuracy = accuracies(runs, split, self.wanted.margin) if scored and split else {"margin": self.wanted.margin}
        differences = self._paired(measured) if scored and len(self.names) > 1 else {}
        environment = certificate.environment | {
            k: v for row in prepared.values() for k, v in row["environment"].items()
        }
        result: dict[str, Any] = {
            "run": str(self.path),
            "recipe": self.recipe.title,
            "data": Path(data.path).name,
            "classes": list(data.classes),
            "num_train": len(data.train),
            "num_test": len(data.test) if data.test is not None else 0,
            "precision": self.jobs[self.names[0]].precision,
            "parity": {"passed": passed, "checks": checks, "held": self.held},
            "frameworks": measured,
            "differences": {
                name: {"difference": p.difference, "interval": list(p.interval), "p_value": p.p_value, "num": p.num}
                for name, p in differences.items()
            },
            "accuracy": {"equivalent": None} | accuracy,
            "accuracy_split": split,
            "tracks": timed.get("tracks", {}),
            "ratios": ratios,
            "disturbed": timed.get("disturbed", 0) + served.get("disturbed", 0),
            "rounds": timed.get("rounds", {}),
            "overhead": timed.get("overhead"),
            "predictions": served.get("rows", {}),
            "left_out": [*meant.left_out, *_failed(timed.get("failed", {})), *_failed(served.get("failed", {}))],
            "plan": vars(meant),
            "price": self.wanted.price,
            "environment": environment,
        }
        return result | self._concluded(result, differences, certificate, self._untrained(meant))

    def _concluded(
        self, result: dict[str, Any], differences: dict[str, Any], certificate: Certificate, untrained: str
    ) -> dict[str, Any]:
        """What is chosen for each need, in two languages, and the verdict."""
        rows, chinese = result["frameworks"], needs(result, "zh")
        found = {"needs": needs(result), "needs_zh": [{key: row[key] for key in ("need", "why")} for row in chinese]}
        usual = [entered.USUAL[name] for name in self.names if rows[name]["contestant"] == entered.USUAL[name]]
        quick = min(usual, key=lambda name: result["tracks"][SAME][name]["step_ms"], default="")
        passed, num = result["parity"]["passed"], len(result["parity"]["checks"])
        note = _same_net(result["accuracy"]) or untrained
        overhead = call_overhead(quick, result)
        said = verdict(passed, num, rows, differences, self._blind(certificate), result["ratios"], note, overhead)
        return {**found, "verdict": said}

    @staticmethod
    def _untrained(meant: Plan) -> str:
        return "" if meant.trains else "nothing was trained in the time given, so that accuracy isn't known"

    @staticmethod
    def _blind(certificate: Certificate) -> str:
        return next((one.detail for one in certificate.checks if one.name == "telling" and not one.passed), "")

    def _paired(self, measured: dict[str, dict[str, Any]]) -> dict[str, Paired]:
        """Each framework against the most accurate one, on the same images."""
        best = max(self.names, key=lambda name: measured[name]["accuracy"])
        right = {name: correct(self.path / name, measured[name]["accuracy_split"]) for name in self.names}
        return {name: paired(right[best], right[name]) for name in self.names if name != best}


def recipe_with_split(recipe: Recipe, run: Path) -> Recipe:
    """The recipe with the split of a run."""
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, frozen=str(run)))


def _failed(reasons: dict[str, str]) -> list[dict[str, Any]]:
    return [{"what": name, "seconds": None, "why": why} for name, why in reasons.items()]


def _same_net(accuracy: dict[str, Any]) -> str:
    """Why accuracies aren't compared, where the very same net lies on both sides."""
    pairs = accuracy.get("pairs", [])
    if not pairs or not all(pair["same_net"] for pair in pairs):
        return ""
    return "accuracy isn't compared: one engine made the very same net for all"
