"""`train`: what the command and the Python API both call."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bakeoff import frameworks
from bakeoff.bundle.stopped import kept as stopped_at
from bakeoff.data.reader import address, find_source
from bakeoff.drawing.card import Card, names
from bakeoff.errors import BakeoffError, Cancelled, NoSpaceError, UsageError, WorkerError
from bakeoff.files import named, own, remove, write_text
from bakeoff.given import held
from bakeoff.recipe import load, select_phases, to_toml, with_overrides
from bakeoff.recipe.schema import Finetune, Recipe, Widen
from bakeoff.registry import nearest
from bakeoff.rundir.checkpoint import FOLDER
from bakeoff.rundir.finished import Finished, accuracies, scored
from bakeoff.rundir.folder import JOB, Run
from bakeoff.rundir.lock import NAME as LOCK
from bakeoff.rundir.readers import ANEW, read_json
from bakeoff.rundir.result import BEGUN, NAME, Result, result_of
from bakeoff.shown import shell
from bakeoff.training.job import Job, check, shared
from bakeoff.training.loop.cadence import seconds_of
from bakeoff.training.options import Options, with_options
from bakeoff.training.places import cluster as placed
from bakeoff.training.places import env, local
from bakeoff.training.rescue.resume import job_of, recipe_of
from bakeoff.workers import profile
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.cluster import check as check_cluster
from bakeoff.workers.cluster import connected
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import bar, live
from bakeoff.workers.stopping import asked_politely, code_of

SHARDS = 4  # of a batch, where there are several workers


@dataclass(frozen=True, repr=False)
class Trained(Finished):
    """A finished training.

    Attributes:
        path: the run folder; `bakeoff.load(trained.path)` gives the model.
        result: what `bakeoff train --json` prints; empty where this is one of several workers and not the first.
    """

    @property
    def accuracy(self) -> float | None:
        """On the test set, or the validation set where there is none."""
        found: float | None = self.facts.judged["accuracy"]
        return found

    @property
    def facts(self) -> Result:
        """The same as a value with named fields."""
        return result_of(self.result, self.path / NAME)

    @property
    def profile(self) -> dict[str, float]:
        """Seconds of every stage of the training, as `bakeoff train --profile` prints them; of an old run none."""
        held = self.path / profile.FILE
        with named(held, ANEW):
            return msgspec.convert(read_json(held)["wall_s"], dict[str, float]) if held.is_file() else {}

    def _card(self) -> Card:
        found = self.facts
        net = found.model or f"{found.backbone} under a new head"
        figures = {
            "test": scored(found.test),
            "validation": scored(found.validation),
            "net": f"{net}, {found.parameters:,} parameters, {found.framework}",
            "trained on": f"{found.num_train:,} images of {len(found.classes):,} classes: {names(found.classes)}",
            "time": f"{found.wall_s:.1f} s",
        }
        return Card(str(self.path), figures, accuracies([(found.framework, self.path)]))


def resolve(
    recipe: str | Recipe,
    *,
    overrides: Sequence[str] = (),
    phases: Sequence[str] = (),
    backbone: str | None = None,
    until: str | None = None,
    seed: int | None = None,
) -> Recipe:
    """The recipe with everything that the command line says about it."""
    found = load(recipe) if isinstance(recipe, str) else recipe
    if phases:  # before the overrides: their indices count the chosen phases
        found = select_phases(found, list(phases))
    extra = [] if seed is None else [f"seed={seed}"]
    if backbone is not None:
        extra += ["model.name=", "model.arguments=", f'model.backbone="{spelled(backbone)}"']
    extra += [] if until is None else [f'model.until="{until}"']
    return with_overrides(found, [*overrides, *extra]) if overrides or extra else found


def spelled(backbone: str) -> str:
    """Our own nets may be written with hyphens; other libraries' names, and files, are as they are."""
    return "+".join(name if "/" in name else name.replace("-", "_") for name in backbone.split("+"))


def choose_framework(asked: str | None, recipe: Recipe) -> str:
    """The framework that was asked for, else the first installed one, else ONNX Runtime where a probe will do."""
    if asked:
        asked = frameworks.ALIASES.get(asked, asked)
        known = (*frameworks.names(), "onnxruntime")
        if asked not in known:
            hint = nearest(asked, known)
            raise UsageError(f"unknown framework {asked!r}{hint}\nKnown: {', '.join(known)} (for a probe alone)")
        return asked
    installed = frameworks.installed()
    if installed:
        return installed[0]
    if any(isinstance(phase, Finetune) for phase in without_optional(recipe).phases):
        raise UsageError(
            "no training framework is installed, and this recipe fine-tunes.\n"
            "Install one: pip install 'bakeoff[torch]' (or tensorflow, or jax); or probe alone: --phases probe"
        )
    return "onnxruntime"


def without_optional(recipe: Recipe) -> Recipe:
    """The recipe without the phases that it can do without: what is kept only if better, behind others."""
    first, *others = recipe.phases
    kept = [phase for phase in others if not isinstance(phase, Widen) and getattr(phase, "keep", "") != "if-better"]
    return msgspec.structs.replace(recipe, phases=(first, *kept))


@held
@with_options
def train(
    data: str | Path,
    recipe: str | Recipe = "photos",
    *,
    framework: str | None = None,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    phases: Sequence[str] = (),
    backbone: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    options: Options = Options(),  # noqa: B008  it is frozen
) -> Trained:
    """A classifier trained on the images of `data`.

    Ctrl-C and SIGTERM end the step and write a checkpoint; `resume` goes on from it.

    Args:
        data: a folder of class folders (with or without split folders), or an `mnist.npz`.
        recipe: a name of the library, a TOML file, or a Recipe.
        framework: torch, tensorflow, jax or onnxruntime (probe alone); None: the first that is installed.
        run: the run folder, new; None: `runs/DATA-RECIPE-TIME` here.
        overrides: as `["phases.0.epochs=1"]`.
        phases: strategies to keep, as `["probe"]`.
        backbone: a pretrained one.
        seed: of split, start weights and order; None: the recipe's.
        device: auto, cpu, or cuda (gpu).
        quiet: no bar.
        options: the rest, as `bakeoff.Options(precision="bfloat16", threads=4)`.

    Raises:
        UsageError, DataError, MissingDependencyError: as they say.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    began = time.time() if options.began is None else options.began
    with bar(options.listen, quiet=quiet) as listen:
        if options.budget is not None:
            recipe = _within(options.budget, data, recipe, backbone, listen)
        whole = resolve(recipe, overrides=overrides, phases=phases, backbone=backbone, until=options.until, seed=seed)
        name = choose_framework(framework, whole)
        chosen = without_optional(whole) if name == "onnxruntime" else whole
        if options.workers is not None:
            chosen = whole = in_shards(chosen) if options.reduce == "exact" else stepped(chosen)
        path = Path(run) if run else _fresh(data, recipe, began)
        trained = _begin(_job(data, chosen, name, path, device, options), chosen, listen, began)
        if chosen != whole:
            Reporter(listen).log(
                "fine-tuning was left out: it needs a training framework (pip install 'bakeoff[torch]')"
            )
    return trained


def _job(data: str | Path, recipe: Recipe, framework: str, run: Path, device: str, options: Options) -> Job:
    return Job(
        data=str(data),
        recipe=to_toml(recipe),
        framework=framework,
        run=str(run),
        seed=recipe.seed,
        device="cuda" if device == "gpu" else device,
        precision=options.precision,
        compile=options.compile,
        threads=options.threads,
        start=str(Path(options.start).resolve()) if options.start else None,
        checkpoint_every=options.checkpoint_every,
        loggers=tuple(options.loggers),
        workers=None if options.workers is None else _count(options),
        worker_timeout=options.worker_timeout,
        reduce=options.reduce,
        started_by="env" if options.workers == "env" else "local",
        cluster=options.cluster,
    )


def _count(options: Options) -> int:
    if options.workers == "env":
        return env.place(os.environ, options.worker_timeout).world
    assert isinstance(options.workers, int)
    return options.workers


def in_shards(recipe: Recipe) -> Recipe:
    """The recipe as several workers train it: batches in shards, SHARDS where it doesn't say how many.

    Raises:
        UsageError: nothing in it is trained step by step.
    """
    phases = tuple(
        msgspec.structs.replace(phase, shards=phase.shards or SHARDS) if isinstance(phase, Finetune) else phase
        for phase in stepped(recipe).phases
    )
    return msgspec.structs.replace(recipe, phases=phases)


def stepped(recipe: Recipe) -> Recipe:
    """The recipe, where something in it is trained step by step.

    Raises:
        UsageError: nothing is.
    """
    if not any(isinstance(phase, Finetune) for phase in recipe.phases):
        raise UsageError("--workers: this recipe only probes, which one process does. Leave it out, or fine-tune.")
    return recipe


def _begin(job: Job, recipe: Recipe, listen: Listener | None, began: float) -> Trained:
    """The training, in a new run folder, which goes away again where nothing was trained."""
    check(job, recipe)
    _present(job.data)
    path = Path(job.run)
    if job.started_by == "env" and env.here(job).rank:  # the first worker's is the run
        return Trained(path, _work(job, recipe, listen, began))
    if job.started_by == "env" and _same_job(path, job):  # whoever started it, starts it again
        return Trained(path, _work(job, recipe, listen, began, resume=True))
    Run(path).create()
    try:
        Run(path).json(JOB, {**job.to_json(), "data": address(job.data)})
        return Trained(path, _work(job, recipe, listen, began))
    except Cancelled as stopped:
        raise _resumable(path, stopped) from None
    except BaseException as error:
        _discard(path)
        raise _resumable(path, error) from None


def _same_job(path: Path, job: Job) -> bool:
    """Whether the folder holds this very training, unfinished."""
    if not (path / JOB).is_file() or (path / NAME).is_file():
        return False
    return replace(job_of(path), data=job.data, workers=job.workers, run=job.run) == job


def _within(
    budget: str, data: str | Path, recipe: str | Recipe, backbone: str | None, listen: Listener | None
) -> Recipe:
    """The recipe that fits in the time; why goes to the log."""
    from bakeoff.training.budget import plan

    seconds = seconds_of(budget)
    if recipe != "photos" or backbone is not None:
        raise UsageError("--budget chooses recipe and backbone: leave --recipe and --backbone out.")
    _present(data)
    found = plan(data, seconds)
    for line in found.lines(seconds):
        Reporter(listen).log(line)
    return found.recipe


@held
@live()
def resume(
    run: str | Path,
    *,
    data: str | Path | None = None,
    framework: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    checkpoint_every: str | None = None,
    listen: Listener | None = None,
    quiet: bool = False,
    began: float | None = None,
) -> Trained:
    """The run, gone on with from its last checkpoint to its end; of a finished run what it came to.

    In the same framework, weights, optimizer state, metrics and order are those of an uninterrupted run, bit for bit.

    Args:
        run: the run folder.
        data: where the same images lie now, if they were moved.
        framework: another one to go on in.
        device, threads, workers, checkpoint_every: instead of what the run was asked for.
        cluster: as in `Options`; None: this machine, wherever the run was before.
        listen, quiet: gets progress and log messages, as dicts; no bar.

    Raises:
        UsageError: not a run, or another process works on it.
        DataError: the images are others than those it began with.
        CorruptError, VersionError: its checkpoint can't be used.
    """
    began, path = time.time() if began is None else began, Path(run)
    if (path / NAME).is_file():
        result = read_json(path / NAME)
        result_of(result, path / NAME)
        return Trained(path, {key: value for key, value in result.items() if key != "schema"})
    asked = job_of(path)
    changes: dict[str, Any] = {
        "framework": frameworks.ALIASES.get(framework or "", framework),
        "device": "cuda" if device == "gpu" else device,
        "threads": threads,
        "workers": workers,
        "checkpoint_every": checkpoint_every,
        "data": address(data) if data else None,
    }
    job = replace(asked, **{key: value for key, value in changes.items() if value is not None}, cluster=cluster)
    check_cluster(cluster)
    own(path)
    chosen = recipe_of(job)
    _present(job.data)
    try:
        if job != asked:
            Run(path).json(JOB, job.to_json())
        return Trained(path, _work(job, chosen, listen, began, resume=True))
    except BaseException as error:
        raise _resumable(path, error) from None


def _present(data: str | Path) -> None:
    find_source(Path(data).expanduser())


def _work(job: Job, recipe: Recipe, listen: Listener | None, began: float, *, resume: bool = False) -> dict[str, Any]:
    arguments: dict[str, Any] = {"job": job.to_json(), "began": began, "resume": resume}
    if job.started_by == "local" or env.here(job).rank == 0:
        write_text(Path(job.run) / "recipe.toml", job.recipe)
    if not any(isinstance(phase, Finetune) for phase in recipe.phases):  # no framework runs: no process of its own
        from bakeoff.training.work import work

        reporter = Reporter(listen)
        with connected(job.cluster, listen), asked_politely(reporter.cancel):
            return work({}, reporter, **arguments)
    if job.cluster is not None:
        return placed.run(job, listen, arguments)
    if any(isinstance(phase, Finetune) and phase.shards for phase in shared(job, recipe).phases):
        place = env if job.started_by == "env" else local
        found: dict[str, Any] = place.run(job if job.workers else replace(job, workers=1), listen, arguments)
        return found
    with Worker(job.framework, device=job.device, threads=job.threads, precision=job.precision) as worker:
        with asked_politely(worker.cancel):
            result: dict[str, Any] = worker.call("bakeoff.training.work:work", listen, **arguments)
        return result


def _fresh(data: str | Path, recipe: str | Recipe, began: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(began))
    name = Path(recipe).stem if isinstance(recipe, str) else "recipe"
    words = re.split(r"[?\[]|:(?!//?)", str(data))[0]  # of tfds/NAME:train[:80%]?data_dir=PLACE the name
    base = Path("runs") / f"{Path(words).stem or 'data'}-{name}-{stamp}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _resumable(path: Path, error: BaseException) -> BaseException:
    """The error, with the line that goes on where the run can go on after it."""
    stopped = isinstance(error, KeyboardInterrupt | SystemExit)
    if not (path / JOB).is_file() or not (stopped or isinstance(error, Cancelled | WorkerError | NoSpaceError)):
        return error
    line = f"Go on: bakeoff train --resume {shell(path)}"
    if isinstance(error, Cancelled):
        return Cancelled(f"{error}{_kept(path)}\n{line}", error.exit_code)
    if stopped:
        return Cancelled(f"stopped at once{_kept(path)}\n{line}", code_of(error))
    error.args = (f"{error}\n{line}", *error.args[1:])
    return error


def _kept(path: Path) -> str:
    """What of a run that was stopped is there still, in words."""
    if (path / NAME).is_file():
        return "; the training itself was finished"
    with suppress(BakeoffError):
        return f"; kept: {place}" if (place := stopped_at(path)) else "; nothing is kept yet, it begins anew"
    return ""


def _discard(path: Path) -> None:
    """Take away a run folder in which nothing was trained yet; one with metrics stays."""
    if (path / "metrics.jsonl").exists() or (path / FOLDER).exists():
        return
    ours = ("recipe.toml", "manifest.json", "split.npz", "audit.json", "engine.json", profile.FILE, BEGUN, JOB, LOCK)
    for name in ours:
        remove(path / name)
    for folder in (path / "predictions", path):
        try:
            folder.rmdir()
        except OSError:
            return
