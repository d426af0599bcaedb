"""`tune`: trainings of one recipe with other settings, chosen by what came out so far, judged on validation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec

from bakeoff.data.reader import find_source
from bakeoff.drawing.card import Card
from bakeoff.errors import BakeoffError, Cancelled, CorruptError, MissingDependencyError, UsageError
from bakeoff.evaluation.kinds import choice_of
from bakeoff.files import make_folder, named, opened, own, put, remove, write_text
from bakeoff.given import held
from bakeoff.recipe import to_toml, with_overrides
from bakeoff.recipe.schema import Finetune, Recipe
from bakeoff.rundir.finished import Finished, scored
from bakeoff.rundir.readers import read_lines
from bakeoff.rundir.result import Result
from bakeoff.schemas import SCHEMA
from bakeoff.seeds import key
from bakeoff.training.api import choose_framework, resolve, train
from bakeoff.training.options import Options
from bakeoff.tuning.ranges import Range, parse
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.cluster import connected, free
from bakeoff.workers.progress import live
from bakeoff.workers.stopping import asked_politely, going_on

STUDY, NAME = "study.db", "bakeoff"  # a file, and the study in it
REMEDY = "Choose another folder, or remove it."
ASKED = "asked"  # what a study was begun with, beside its trials


@dataclass(frozen=True, repr=False)
class Tuned(Finished):
    """A finished search.

    Attributes:
        path: its folder: `study.db`, `best.toml` (the recipe that won), `best/` (its run).
        result: what `bakeoff tune --json` prints.
    """

    def _card(self) -> Card:
        found = self.result["settings"].items()
        settings = {key: f"{value:.4g}" if isinstance(value, float) else value for key, value in found}
        best = {"validation": scored(self.result["validation"]), "test": scored(self.result["test"])}
        return Card(str(self.path), {**best, **settings, "trials": len(self.result["trials"])})


class _Row(msgspec.Struct):
    """A trial, as a study has it."""

    number: int
    state: str
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    settings: dict[str, str | float]


class _HopelessError(BakeoffError):
    """A training that is stopped early: others were better at this epoch."""


@held
@live()
def tune(
    data: str | Path,
    recipe: str | Recipe = "photos",
    *,
    search: Mapping[str, str] | None = None,
    trials: int = 20,
    framework: str | None = None,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    backbone: str | None = None,
    seed: int | None = None,
    threads: int | None = None,
    cluster: str | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Tuned:
    """The settings with the best validation accuracy (of several labels, mean average precision) that a number of
    trainings finds; the test set has no part.

    Optuna's sampler (tree-structured Parzen estimator, J. Bergstra et al. 2011) chooses the settings; a training that
    is below the median of the others at the same epoch is stopped. A search with the same folder goes on with its
    study, until it has so many trials in all.

    Args:
        data: images, as for `train`.
        recipe: a name, a file or a Recipe; its `[tune]` table declares ranges.
        search: {key: range} besides; see `bakeoff.tuning.ranges`.
        trials: how many trainings in all, stopped ones included.
        run: the folder; None: `runs/tune-DATA-RECIPE`.
        framework, overrides, backbone, seed, quiet: as for `train`; threads, listen: as for its `Options`.
        cluster: of Ray, as in its `Options`: as many trials at a time as it has free CPUs, one on each, all of one
            study. Which settings are tried then depends on which trials end first.

    Raises:
        UsageError: no range, a key that the recipe doesn't have, a folder of another search, or no such cluster.
        MissingDependencyError: Optuna isn't installed.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    options = Options(threads=threads, listen=listen, checkpoint_every=None, cluster=cluster)
    if find_spec("optuna") is None:
        raise MissingDependencyError("optuna", "tune", "bakeoff tune")
    chosen = resolve(recipe, overrides=overrides, backbone=backbone, seed=seed)
    ranges = {name: parse(name, text) for name, text in {**chosen.tune, **(search or {})}.items()}
    if not ranges:
        raise UsageError(
            "no range to search: the recipe has no [tune] table.\n"
            "Give one or more: --search 'phases.0.schedule.peak=0.0001..0.1 log'"
        )
    if trials < 1:
        raise UsageError(f"--trials {trials}: expected 1 or more.")
    find_source(Path(data).expanduser())  # nothing there: said before a folder is made
    title = recipe if isinstance(recipe, str) else chosen.title
    path = Path(run) if run else Path("runs") / f"tune-{Path(data).stem}-{Path(title).stem}"
    name = choose_framework(framework, chosen)
    given: list[tuple[str, object]] = [("--search", f"{name}={text}") for name, text in (search or {}).items()]
    given += [*(("--set", one) for one in overrides), ("--framework", framework), ("--backbone", backbone)]
    given += [("--seed", seed), ("--threads", threads), ("--cluster", cluster), ("--trials", trials), ("--run", path)]
    with connected(cluster, listen), going_on("tune", data, recipe if isinstance(recipe, str) else chosen.title, given):
        return _Search(data, chosen, ranges, path, name, options).run(trials)


@dataclass(frozen=True)
class _Search:
    data: str | Path
    recipe: Recipe
    ranges: Mapping[str, Range]
    path: Path
    framework: str
    options: Options
    stopped: list[int] = field(default_factory=list)  # the exit code, once somebody asked to stop

    def run(self, trials: int) -> Tuned:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study, states = self._study(optuna), optuna.trial.TrialState
        with self._named():
            for trial in study.get_trials(deepcopy=False, states=[states.RUNNING]):  # cut off by a kill: it won't go on
                study.tell(trial.number, state=states.FAIL)
            done = len(study.get_trials(deepcopy=False)) - len(study.get_trials(deepcopy=False, states=[states.FAIL]))

        def asked(number: int) -> tuple[Any, list[str]]:
            self._say(f"trial {number + 1} of {trials}")
            with self._named():
                # keyed by the trial, so that a search that was stopped goes on as if it had not been
                seed = key(self.recipe.seed, "tune", record=number) % 2**32
                study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=self.options.cluster is not None)
                trial = study.ask()
                return trial, [f"{name}={found.draw(trial, name)}" for name, found in self.ranges.items()]

        for trial, overrides, facts in self._results(map(asked, range(done, trials))):
            accuracy = None if facts is None else self._judged(trial, facts, overrides)
            with self._named():
                study.tell(trial, accuracy, states.PRUNED if accuracy is None else None)
        with self._named():
            return self._finish(study)

    def _results(self, asked: Iterator[tuple[Any, list[str]]]) -> Iterator[tuple[Any, list[str], Result | None]]:
        """What comes of each trial: one after the other, or as they end, as many at a time as the cluster has CPUs."""
        alone = not any(isinstance(phase, Finetune) for phase in self.recipe.phases)  # its features are shared out
        if self.options.cluster is None or alone:
            yield from ((trial, overrides, self._trained(trial, overrides)) for trial, overrides in asked)
            return
        width, running = free(1, self.options.listen), dict[Future[Result | None], tuple[Any, list[str]]]()
        with ThreadPoolExecutor(width, "bakeoff-trial") as pool, asked_politely(self._stop):
            try:
                while True:
                    for one in islice(asked, width - len(running)):
                        running[pool.submit(self._trained, *one)] = one
                    if not running:
                        return
                    for done in wait(running, return_when="FIRST_COMPLETED").done:
                        yield *running.pop(done), done.result()
            except BaseException:
                self._stop(130)
                raise

    def _stop(self, code: int) -> None:
        """Trials that run beside each other end when they next say something."""
        self.stopped.append(code)

    def _named(self) -> AbstractContextManager[None]:
        """Wherever the study is asked: SQLite reads what is damaged as late as it can."""
        return named(self.path / STUDY, REMEDY)

    def _study(self, optuna: Any) -> Any:
        """The study of this folder, new or gone on with."""
        own(self.path)
        make_folder(self.path)
        if any(self.path.iterdir()) and not (self.path / STUDY).is_file():
            raise UsageError(f"--run {self.path}: it is there already, and no search. Choose another folder.")
        if (self.path / STUDY).exists():
            os.close(opened(self.path / STUDY, os.O_RDWR))  # SQLite would write through a hard link
        asked = {"recipe": to_toml(self.recipe), "ranges": repr(dict(self.ranges)), "data": str(Path(self.data).name)}
        with self._named():
            study = self._opened(optuna)
            if [one.name for one in study.directions] != ["MAXIMIZE"]:
                raise CorruptError(f"{self.path / STUDY}: no search for the highest accuracy. {REMEDY}")
            trials, states = study.get_trials(deepcopy=False), optuna.trial.TrialState
            before = study.user_attrs.get(ASKED)
            if before not in (None, asked) and all(trial.state in (states.FAIL, states.RUNNING) for trial in trials):
                study, before = self._opened(optuna, anew=True), None  # it stopped, as at bad files: it holds nothing
            if before not in (None, asked):
                raise UsageError(
                    f"--run {self.path}: study.db is of a search with another recipe, ranges or images.\n{REMEDY}"
                )
            study.set_user_attr(ASKED, asked)
        return study

    def _opened(self, optuna: Any, *, anew: bool = False) -> Any:
        storage = f"sqlite:///{(self.path / STUDY).as_posix()}"
        if anew:
            optuna.delete_study(study_name=NAME, storage=storage)
        return optuna.create_study(
            study_name=NAME,
            storage=storage,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
            load_if_exists=True,
        )

    def _trained(self, trial: Any, overrides: list[str]) -> Result | None:
        """What came of a training; None where it was stopped, below the median of the others."""
        folder = self._folder(trial)
        remove(folder)
        seen = 0

        def watch(message: dict[str, Any]) -> None:
            nonlocal seen
            if self.stopped:
                raise Cancelled("stopped", self.stopped[0])
            with self._named():
                seen = _report(trial, folder, seen)
                hopeless = seen and trial.should_prune()
            listen, beside = self.options.listen, self.options.cluster is not None
            if listen and not (beside and message["kind"] == "progress"):
                text = message.get("text")
                listen({**message, "text": f"trial {trial.number + 1}: {text}"} if beside and text else message)
            if hopeless:
                raise _HopelessError("below the median")

        try:
            options = replace(self.options, listen=watch)
            changed = with_overrides(self.recipe, overrides)
            facts = train(self.data, changed, framework=self.framework, run=folder, options=options).facts
        except _HopelessError:
            remove(folder)
            self._say(f"trial {trial.number + 1}: stopped, below the median of the others")
            return None
        except (Cancelled, KeyboardInterrupt, SystemExit):
            remove(folder)
            raise
        return facts

    def _judged(self, trial: Any, facts: Result, overrides: list[str]) -> float:
        """The accuracy; the best run so far stays, as `best`; of equals, the first."""
        accuracy = facts.validation[choice_of(facts.validation)]
        if accuracy is None:
            raise UsageError(f"{self.data}: no validation set to judge by. Use --set data.split.validation=0.1")
        with self._named():
            trial.set_user_attr("test", facts.test["accuracy"])
            trial.set_user_attr("wall_s", facts.wall_s)
            others = [t.value for t in trial.study.get_trials(deepcopy=False) if t.value is not None]
            beaten = bool(others) and max(others) >= accuracy
        if beaten and (self.path / "best").is_dir():
            remove(self._folder(trial))
        else:
            put(self._folder(trial), self.path / "best")
        self._say(f"trial {trial.number + 1}: validation accuracy {accuracy:.4f}  " + "  ".join(overrides))
        return float(accuracy)

    def _folder(self, trial: Any) -> Path:
        return self.path / f"trial-{trial.number}"

    def _finish(self, study: Any) -> Tuned:
        try:
            best = study.best_trial
        except ValueError:
            raise CorruptError(f"{self.path / STUDY}: no trial was finished. Allow more: --trials N") from None
        overrides = [f"{name}={value}" for name, value in best.params.items()]
        write_text(self.path / "best.toml", to_toml(with_overrides(self.recipe, overrides)))
        rows = [
            {"number": t.number, "state": t.state.name.lower(), "accuracy": t.value, "settings": t.params}
            for t in study.get_trials(deepcopy=False)
        ]
        test = msgspec.convert(best.user_attrs.get("test"), float | None)
        msgspec.convert(rows, list[_Row])
        return Tuned(
            self.path,
            {
                "schema": SCHEMA,
                "run": str(self.path / "best"),
                "recipe": str(self.path / "best.toml"),
                "settings": best.params,
                "validation": {"accuracy": best.value},
                "test": {"accuracy": test},
                "trials": rows,
            },
        )

    def _say(self, text: str) -> None:
        Reporter(self.options.listen).log(text)


def _report(trial: Any, folder: Path, seen: int) -> int:
    """Tell the study of the epochs that are new; how many it knows then."""
    try:
        rows = [row for row in read_lines(folder / "epochs.jsonl") if "validation_accuracy" in row]
    except CorruptError:  # its last line is being written
        return seen
    for index, row in enumerate(rows[seen:], seen):
        trial.report(row[f"validation_{choice_of(row, 'validation_')}"], index)
    return len(rows)
