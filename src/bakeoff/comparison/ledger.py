"""The unfair ledger: a comparison that others published, and what each of its unfair choices does.

Both sides are trained as published, in their frameworks; then the other side with one choice at a time made fair, and
with all of them. What is left between that and the fair side is the frameworks' own. Differences of accuracy are of
the same test images; times of a step, divided by its images, are of all nets in turns.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bakeoff import frameworks as registered
from bakeoff.comparison import articles
from bakeoff.comparison.accuracies import correct as right_of
from bakeoff.comparison.articles import Side, Switch
from bakeoff.comparison.kept import begun, same_images
from bakeoff.comparison.statistics.holm import holm
from bakeoff.comparison.statistics.ratios import ALPHA, ratio_of
from bakeoff.data.reader import find_source
from bakeoff.drawing.card import Card
from bakeoff.errors import UsageError
from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.paired import paired
from bakeoff.files import remove
from bakeoff.given import held
from bakeoff.model import load
from bakeoff.preprocessing.normalize import normalize
from bakeoff.recipe import to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir.finished import Finished
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_predictions
from bakeoff.rundir.result import LEDGER, NAME, read_result
from bakeoff.schemas import SCHEMA, Array, Predictions
from bakeoff.texts.catalogue import LANGUAGES
from bakeoff.timing.load import Load
from bakeoff.timing.rounds import measured
from bakeoff.training.api import resolve, train
from bakeoff.training.job import Job
from bakeoff.training.options import Options
from bakeoff.training.rescue.resume import job_of, recipe_of
from bakeoff.training.work import read
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live
from bakeoff.workers.stopping import going_on

METHOD = "bakeoff.comparison.method:"
ROUNDS, SLOT_S = (
    15,
    0.25,
)  # and seconds of a net's turn in a round: with eight rounds 1.4 x the time wasn't told from none
NORMAL = 1.959963984540054  # the quantile of 97.5 %


@dataclass(frozen=True, repr=False)
class Ledger(Finished):
    """A published comparison, taken apart.

    Attributes:
        path: its folder; a run folder for each training lies in it.
        result: what `bakeoff compare --as-published --json` prints.
    """

    def _card(self) -> Card:
        rows = {row["key"]: f"{100 * row['effect']:+z.2f} points" for row in self.result["rows"]}
        return Card(str(self.path), {"verdict": self.result["verdict"], **rows})


@dataclass(frozen=True)
class _Net:
    """One training: a side, or a side with something switched."""

    framework: str
    recipe: Recipe


@held
@live()
def as_published(
    data: str | Path,
    article: str,
    *,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    seeds: int = 1,
    threads: int | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Ledger:
    """A comparison of one of the five articles as it stands, and what each unfair choice in it does.

    Args:
        data: images, as for `train`; article 002 has MNIST.
        article: 000 to 004.
        run: the folder, new or of the same ledger, stopped: trainings that are finished aren't done again.
        overrides: on all trainings alike, as `["phases.0.epochs=2"]`.
        seeds: trainings of each net, from 0 on.
        threads, listen, quiet: as for `train` and its `Options`.

    Raises:
        UsageError: another article, no test images, a framework that isn't installed.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    page = articles.load(article)
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: expected 1 or more.")
    for name in dict.fromkeys((page.FAIR.framework, page.OTHER.framework)):
        registered.require(name, f"--as-published {article}")
    find_source(Path(data).expanduser())
    path = Path(run) if run else Path("runs") / f"article-{article}-{time.strftime('%Y%m%d-%H%M%S')}"
    nets = _nets(page, overrides)
    begun(
        path,
        {"article": article, "data": str(data), "nets": {key: to_toml(one.recipe) for key, one in nets.items()}},
        "ledger of this article on these images as asked",
    )
    given: list[tuple[str, object]] = [("--as-published", article), *(("--set", one) for one in overrides)]
    given += [("--seeds", seeds), ("--threads", threads), ("--run", path)]
    with going_on("compare", data, page.RECIPE, given):
        result = _Ledger(data, page, article, nets, path, threads, Reporter(listen)).run(seeds)
    Run(path).json(LEDGER, result)
    return Ledger(path, {"schema": SCHEMA, **result})


def _nets(page: ModuleType, overrides: Sequence[str]) -> dict[str, _Net]:
    """By key: `fair`, `other`, `all` (the other with everything switched), and one a switch of training."""

    def net(side: Side, *switched: Switch) -> _Net:
        more = [one for switch in switched for one in switch.overrides]
        return _Net(side.framework, resolve(page.RECIPE, overrides=[*side.overrides, *more, *overrides]))

    trained = [switch for switch in page.SWITCHES if not switch.served]
    found = {"other": net(page.OTHER)}
    if not trained:  # one net, used in two ways
        return found
    found |= {"fair": net(page.FAIR), **{switch.key: net(page.OTHER, switch) for switch in trained}}
    return found | {"all": net(page.OTHER, *trained)} if len(trained) > 1 else found


class _Ledger:
    def __init__(
        self,
        data: str | Path,
        page: ModuleType,
        article: str,
        nets: Mapping[str, _Net],
        path: Path,
        threads: int | None,
        reporter: Reporter,
    ) -> None:
        self.data, self.page, self.article, self.nets = data, page, article, nets
        self.path, self.threads, self.reporter = path, threads, reporter

    def run(self, seeds: int) -> dict[str, Any]:
        """Everything; what `compare --as-published --json` prints."""
        of = len(self.nets) * seeds + (len(self.nets) > 1)
        correct: dict[str, list[Array]] = {key: [] for key in self.nets}
        for seed in range(seeds):
            for number, (key, net) in enumerate(self.nets.items(), 1 + seed * len(self.nets)):
                self.reporter.stage(number, of, f"{key}, seed {seed}" if seeds > 1 else key)
                correct[key].append(self._trained(key, net, seed))
        same_images(self.path, (self._run(key, seed) for key in self.nets for seed in range(seeds)))
        for switch in self.page.SWITCHES:
            if switch.served:
                correct[switch.key] = [self._served(switch, seed) for seed in range(seeds)]
        times: dict[str, dict[str, Any]] = {}
        if len(self.nets) > 1:
            self.reporter.stage(of, of, "time them, in turns")
            times = self._times()
        return self._result(correct, times, seeds)

    def _run(self, key: str, seed: int) -> Path:
        return self.path / f"{key}-{seed}"

    def _trained(self, key: str, net: _Net, seed: int) -> Array:
        folder = self._run(key, seed)
        if not (folder / NAME).is_file():
            remove(folder)
            quiet = Options(
                threads=self.threads,
                listen=lambda message: None if message["kind"] == "stage" else self.reporter.say(message),
                checkpoint_every=None,
            )
            train(self.data, net.recipe, framework=net.framework, run=folder, seed=seed, options=quiet)
        if read_predictions(folder, "test") is None:
            raise UsageError(f"{self.data}: no test images to compare on. Use --set data.split.test=0.1")
        return right_of(folder, "test")

    def _served(self, switch: Switch, seed: int) -> Array:
        """The net as trained, asked about test images that are prepared otherwise."""
        folder = self._run("other", seed)
        model, job = load(folder), job_of(folder)
        given = resolve(self.page.RECIPE, overrides=[*self.page.OTHER.overrides, *switch.overrides]).input
        changed = replace(model.signature, mean=given.mean or (0.0,), std=given.std or (1.0,))
        test = read(job, recipe_of(job), Reporter()).test
        assert test is not None  # its training was judged on it
        batches = test.batches(signature=model.signature, batch_size=64, shuffle=False)
        parts = [(batch, model.logits(normalize(batch.images, changed, model.dtype))) for batch in batches]
        records = np.concatenate([batch.records for batch, _ in parts])
        labels = np.concatenate([batch.labels for batch, _ in parts])
        found = Predictions(np.concatenate([logits for _, logits in parts]), labels, records)
        result: Array = right(found, read_result(folder).threshold)[np.argsort(records)]
        return result

    def _times(self) -> dict[str, dict[str, Any]]:
        """Milliseconds of a step an image, and its ratio to the other side as published; all nets in turns."""
        workers: dict[str, Worker] = {}
        with ExitStack() as stack:
            for key, net in self.nets.items():
                worker = workers[key] = stack.enter_context(Worker(net.framework, threads=self.threads))
                job = Job(str(self.data), to_toml(net.recipe), net.framework, str(self.path / key), net.recipe.seed)
                worker.call(f"{METHOD}prepare", self.reporter.say, job=replace(job, threads=self.threads).to_json())
                self._step(worker)  # compiles and warms up
            load = Load([worker.pid for worker in workers.values()])

            def told(found: Any) -> None:
                self.reporter.progress("timing", found.done, ROUNDS, unit="rounds")

            found = measured(list(self.nets), ROUNDS, lambda key: self._step(workers[key]), load, after=told)
        rows: dict[str, dict[str, Any]] = {
            key: {"ms_per_image": float(np.exp(np.mean(np.log(rounds)))), "disturbed": found.disturbed}
            for key, rounds in found.times.items()
        }
        changed = [
            ratio_of("other", key, found.times["other"], found.times[key]) for key in self.nets if key != "other"
        ]
        for one, p_value in zip(changed, holm([one.p_value for one in changed]), strict=True):
            more = {"time_ratio": one.ratio, "time_interval": list(one.interval), "told": p_value <= ALPHA}
            rows[one.b] |= more
        return rows

    def _step(self, worker: Worker) -> tuple[float, float]:
        began = time.perf_counter()
        row = worker.call(f"{METHOD}time_steps", self.reporter.say, seconds=SLOT_S)
        return row["step_ms"] / row["batch_size"], time.perf_counter() - began

    def _result(
        self, correct: Mapping[str, list[Array]], times: Mapping[str, Mapping[str, Any]], seeds: int
    ) -> dict[str, Any]:
        other = correct["other"]
        base = "other" if any(switch.served for switch in self.page.SWITCHES) else "fair"
        rows = []
        for switch in self.page.SWITCHES:
            # what the fair value does: of a net that is used wrongly, using it rightly
            pair = (other, correct[switch.key]) if switch.served else (correct[switch.key], other)
            rows.append({"key": switch.key, **effect(*pair), **times.get(switch.key, {})})
        wrong = correct[self.page.SWITCHES[0].key] if base == "other" else other
        last = correct["all" if "all" in correct else self.page.SWITCHES[0].key] if base == "fair" else other
        made = "all" if "all" in times else self.page.SWITCHES[0].key
        result = {
            "run": str(self.path),
            "article": self.article,
            "texts": {language: _texts(self.page, language) for language in LANGUAGES},
            "data": Path(self.data).name,
            "accuracy_split": "test",
            "num": len(other[0]),
            "seeds": seeds,
            "published": {
                "fair": {"accuracy": _mean(correct[base]), **times.get("fair", {})},
                "other": {"accuracy": _mean(wrong), **times.get("other", {})},
                "gap": effect(correct[base], wrong),
            },
            "rows": rows,
            "made_fair": {"accuracy": _mean(last), **effect(last, wrong), **times.get(made, {})},
            "remaining": effect(correct[base], last),
        }
        return {**result, "verdict": verdict(result)}


def _texts(page: ModuleType, language: str) -> dict[str, Any]:
    """What the page of an article says, for those who draw it."""
    return {
        "title": page.TITLE[language],
        "intro": page.INTRO[language],
        "choices": {switch.key: switch.text[language] for switch in page.SWITCHES},
        "notes": list(page.NOTES[language]),
    }


def effect(after: Sequence[Array], before: Sequence[Array]) -> dict[str, Any]:
    """What a change does to the accuracy on the same images: `effect`, its 95 % interval over images, the seeds' range.

    Of one seed the interval is Newcombe's for pairs. Of several, an image's difference is its mean over them, and the
    interval that of the mean over images (normal): it is about these nets, and the range shows how far others may be.
    """
    each = [float(a.mean() - b.mean()) for a, b in zip(after, before, strict=True)]
    if len(each) == 1:
        low, high = paired(after[0], before[0]).interval
    else:
        differences = np.mean([a.astype(float) - b.astype(float) for a, b in zip(after, before, strict=True)], axis=0)
        half = NORMAL * float(differences.std(ddof=1)) / math.sqrt(len(differences))
        low, high = float(differences.mean()) - half, float(differences.mean()) + half
    return {"effect": sum(each) / len(each), "effect_interval": [low, high], "effect_seeds": [min(each), max(each)]}


def verdict(found: Mapping[str, Any]) -> str:
    """One sentence: the gap as published, what it comes from, and what is left of it."""
    gap, left = found["published"]["gap"], found["remaining"]
    fair, other = (100 * found["published"][side]["accuracy"] for side in ("fair", "other"))
    told = [row for row in found["rows"] if row["effect_interval"][0] > 0 or row["effect_interval"][1] < 0]
    largest = max(told, key=lambda row: abs(row["effect"]), default=None)
    sentence = f"As published: {fair:.2f} % against {other:.2f} % of {found['num']:,} test images, {_points(gap)}."
    if largest is None:
        return f"{sentence} No single choice has an effect that these images show."
    sentence += f" The largest single effect: {found['texts']['en']['choices'][largest['key']]} ({_points(largest)})."
    return f"{sentence} With every choice fair: {_points(left)}" + (
        ", none that these images show." if left["effect_interval"][0] <= 0 <= left["effect_interval"][1] else "."
    )


def _points(row: Mapping[str, Any]) -> str:
    low, high = row["effect_interval"]
    return f"{100 * row['effect']:+z.2f} points ({100 * low:+z.2f} to {100 * high:+z.2f})"


def _mean(found: Sequence[Array]) -> float:
    return float(np.mean([one.mean() for one in found]))
