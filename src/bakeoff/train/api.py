"""`train`: what the command and the Python API both call."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff import frameworks
from bakeoff.errors import DataError, UsageError
from bakeoff.recipe import load, select_phases, to_toml, with_overrides
from bakeoff.recipe.schema import Finetune, Recipe
from bakeoff.train.channel import Listener, Reporter
from bakeoff.train.job import Job, check
from bakeoff.train.launch import Worker
from bakeoff.train.run import Run


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        path: the run folder; `bakeoff.load(trained.path)` gives the model.
        result: what `bakeoff train --json` prints.
    """

    path: Path
    result: dict[str, Any]

    @property
    def accuracy(self) -> float | None:
        """On the test split, or the validation split where there is none."""
        test: float | None = self.result["test"]["accuracy"]
        validation: float | None = self.result["validation"]["accuracy"]
        return validation if test is None else test


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
        extra += ["model.name=", "model.arguments=", f'model.backbone="{backbone.replace("-", "_")}"']
    extra += [] if until is None else [f'model.until="{until}"']
    return with_overrides(found, [*overrides, *extra]) if overrides or extra else found


def choose_framework(asked: str | None, recipe: Recipe) -> str:
    """The framework that was asked for, else the first installed one, else ONNX Runtime for a probe alone."""
    if asked:
        if asked not in (*frameworks.names(), "onnxruntime"):
            frameworks.require(asked)
        return asked
    installed = frameworks.installed()
    if installed:
        return installed[0]
    if any(isinstance(phase, Finetune) for phase in recipe.phases):
        raise UsageError(
            "no training framework is installed, and this recipe fine-tunes.\n"
            "Install one: pip install 'bakeoff[torch]' (or tensorflow, or jax); or probe alone: --phases probe"
        )
    return "onnxruntime"


def train(
    data: str | Path,
    recipe: str | Recipe = "photos",
    *,
    framework: str | None = None,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    phases: Sequence[str] = (),
    backbone: str | None = None,
    until: str | None = None,
    seed: int | None = None,
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    start: str | Path | None = None,
    listen: Listener | None = None,
    began: float | None = None,
) -> Trained:
    """A classifier trained on the pictures of `data`.

    Args:
        data: a folder of class folders (with or without split folders), or an `mnist.npz`.
        recipe: a name of the library, a TOML file, or a Recipe.
        framework: torch, tensorflow, jax or onnxruntime (probe alone); None: the first that is installed.
        run: the run folder, new; None: `runs/DATA-RECIPE-TIME` here.
        overrides: as `"phases.0.epochs=1"`.
        phases: strategies to keep, as `["probe"]`.
        backbone, until: a pretrained backbone, and the stage to cut it at.
        device: auto, cpu or cuda.
        precision: float32 or float64.
        start: a run or bundle of the same net, whose weights to start from.
        listen: gets progress and log messages, as dicts.
        began: when the user's process started, seconds since 1970; None: now.

    Raises:
        UsageError, DataError, MissingDependencyError: as they say.
    """
    began = time.time() if began is None else began
    chosen = resolve(recipe, overrides=overrides, phases=phases, backbone=backbone, until=until, seed=seed)
    name = choose_framework(framework, chosen)
    path = Path(run) if run else _fresh(data, recipe, began)
    weights = str(start) if start else None
    job = Job(str(data), to_toml(chosen), name, str(path), chosen.seed, device, precision, threads, weights)
    check(job, chosen)
    _present(data)
    Run(path).create()
    try:
        result = _work(job, chosen, listen, began)
    except BaseException:
        _discard(path)
        raise
    return Trained(path, result)


def _present(data: str | Path) -> None:
    if not Path(data).exists():
        raise DataError(f"{data}: no such file or folder. Expected a folder of class folders, or an .npz file.")


def _work(job: Job, recipe: Recipe, listen: Listener | None, began: float) -> dict[str, Any]:
    from bakeoff.train.run import atomic

    atomic(Path(job.run) / "recipe.toml", job.recipe)
    if not any(isinstance(phase, Finetune) for phase in recipe.phases):  # no framework runs: no process of its own
        from bakeoff.train.work import work

        return work({}, Reporter(listen), job=job.to_json(), began=began)
    with Worker(job.framework, device=job.device, threads=job.threads, precision=job.precision) as worker:
        result: dict[str, Any] = worker.call("bakeoff.train.work:work", listen, job=job.to_json(), began=began)
        return result


def _fresh(data: str | Path, recipe: str | Recipe, began: float) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(began))
    name = Path(recipe).stem if isinstance(recipe, str) else "recipe"
    base = Path("runs") / f"{Path(data).stem or 'data'}-{name}-{stamp}"
    path, number = base, 2
    while path.exists():
        path, number = base.with_name(f"{base.name}-{number}"), number + 1
    return path


def _discard(path: Path) -> None:
    """Take away a run folder in which nothing was trained yet; one with metrics stays."""
    if (path / "metrics.jsonl").exists():
        return
    for name in ("recipe.toml", "manifest.json"):
        (path / name).unlink(missing_ok=True)
    for folder in (path / "predictions", path):
        try:
            folder.rmdir()
        except OSError:
            return
