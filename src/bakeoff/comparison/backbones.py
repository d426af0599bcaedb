"""Which backbone for these images: each under a head of its own, judged on the same validation images, and timed.

Features are computed once a backbone and cached, so that a longer list costs only what is new. Judged are the images of
the validation set and those of the training set, these by cross-validation; the test set has no part in it. The one
that is named is the quickest of those that are not worse than the best by more than the margin, as far as these
images can tell.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from bakeoff import bundle as bundles
from bakeoff.comparison.accuracies import correct as right_of
from bakeoff.comparison.kept import begun, same_images
from bakeoff.data.reader import find_source
from bakeoff.drawing.card import Card
from bakeoff.errors import DataError, UsageError
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.statistics.paired import Paired, paired
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.files import remove
from bakeoff.given import held
from bakeoff.preprocessing.normalize import normalize
from bakeoff.preprocessing.pixels import prepare
from bakeoff.recipe.schema import Probe, Recipe
from bakeoff.rundir.finished import Finished, scored
from bakeoff.rundir.folder import Run
from bakeoff.rundir.readers import read_predictions
from bakeoff.rundir.result import BACKBONES, NAME, Result, read_result, result_of
from bakeoff.schemas import SCHEMA, Array
from bakeoff.shown import shell
from bakeoff.training.api import resolve, spelled, train
from bakeoff.training.options import Options
from bakeoff.training.probe.strategy import FOLDS
from bakeoff.training.rescue.resume import job_of, recipe_of
from bakeoff.training.setup import check_backbone
from bakeoff.training.work import read
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.progress import live
from bakeoff.workers.stopping import going_on

ENTRY = "bakeoff.comparison.backbones:"
ROUNDS, IMAGES = 10, 8  # each round asks every net for so many images, one by one
ALPHA = 0.05  # for the whole list: that a worse backbone passes for one that isn't


@dataclass(frozen=True, repr=False)
class Leaderboard(Finished):
    """Backbones beside each other.

    Attributes:
        path: its folder; a run folder for each backbone lies in it.
        result: what `bakeoff compare --backbones --json` prints.
    """

    def _card(self) -> Card:
        rows = self.result["backbones"].items()
        shown = {name: f"{scored(row)}, {row['ms_per_image']:.1f} ms an image" for name, row in rows}
        return Card(str(self.path), {"verdict": self.result["verdict"], **shown})


@held
@live()
def compare_backbones(
    data: str | Path,
    backbones: Sequence[str],
    recipe: str | Recipe = "photos",
    *,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    threads: int | None = None,
    margin: float = 0.02,
    listen: Listener | None = None,
    quiet: bool = False,
) -> Leaderboard:
    """Backbones under a head each, on the same images: accuracy, time, size; the cheapest that is good enough.

    Args:
        data: images, as for `train`.
        backbones: two or more, as `bakeoff models` names them; other libraries' as `timm/NAME`; files.
        recipe: its probe is what is trained; other phases are left out.
        run: the folder, new or of the same list, stopped or shorter: what is finished isn't done again.
        overrides, seed, threads: as for `train`.
        margin: by how much, as a share of 1, one may be less accurate than the best.
        listen, quiet: gets progress and log messages, as dicts; no bar.

    Raises:
        UsageError: fewer than two, one twice, a recipe without a probe, no validation set.
        Cancelled: somebody asked to stop; the message has the line that goes on.
    """
    names = [spelled(name) for name in backbones]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UsageError(
            f"--backbones {','.join(names)}: expected two or more, each once. "
            "As: --backbones efficientnet_lite0,efficientnet_lite1 (all: bakeoff models)"
        )
    if not 0 < margin < 1:
        raise UsageError(f"margin {margin:g}: expected a share between 0 and 1, as 0.02 for two points.")
    for name in names:
        check_backbone(name)
    path = Path(run) if run else Path("runs") / f"backbones-{Path(data).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    reporter, folders = Reporter(listen), _folders(path, names)
    chosen = {name: resolve(recipe, overrides=overrides, phases=["probe"], backbone=name, seed=seed) for name in names}
    find_source(Path(data).expanduser())
    asked = {"backbones": True, "data": str(data), "recipe": repr(_without_backbone(chosen[names[0]]))}
    begun(path, asked, "list of backbones on these images with these settings")
    options = Options(threads=threads, listen=_inner(reporter), checkpoint_every=None)
    facts: dict[str, Result] = {}
    given: list[tuple[str, object]] = [("--backbones", ",".join(names)), *(("--set", one) for one in overrides)]
    given += [("--seed", seed), ("--threads", threads), ("--margin", f"{margin:g}"), ("--run", path)]
    with going_on("compare", data, recipe if isinstance(recipe, str) else chosen[names[0]].title, given):
        for number, name in enumerate(names, 1):
            reporter.stage(number, len(names) + 1, f"features of {name}")
            facts[name] = _trained(data, chosen[name], folders[name], options)
        same_images(path, folders.values())
        reporter.stage(len(names) + 1, len(names) + 1, "time them, in turns")
        with Worker("onnxruntime", threads=threads) as worker:
            runs = {name: str(folder) for name, folder in folders.items()}
            times = worker.call(f"{ENTRY}timed", reporter.say, runs=runs)
    result = _result(path, folders, facts, times, margin)
    Run(path).json(BACKBONES, result)
    return Leaderboard(path, {"schema": SCHEMA, **result})


def _inner(reporter: Reporter) -> Listener:
    """What one training says; its stages are none of the whole."""
    return lambda message: None if message["kind"] == "stage" else reporter.say(message)


def _folders(path: Path, names: Sequence[str]) -> dict[str, Path]:
    """A run folder each, called after the backbone as far as a file's name may be."""
    called = [re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "backbone" for name in names]
    if len(set(called)) < len(called):
        called = [f"{number}-{name}" for number, name in enumerate(called, 1)]
    return {name: path / folder for name, folder in zip(names, called, strict=True)}


def _without_backbone(recipe: Recipe) -> Recipe:
    """The recipe without the one thing in which the rows differ."""
    return msgspec.structs.replace(recipe, model=msgspec.structs.replace(recipe.model, backbone="any"))


def _trained(data: str | Path, recipe: Recipe, folder: Path, options: Options) -> Result:
    assert isinstance(recipe.phases[0], Probe)
    if (folder / NAME).is_file():
        return read_result(folder)
    remove(folder)  # of one that was stopped: seconds of work, most of which the cache has
    trained = train(data, recipe, framework="onnxruntime", run=folder, options=options)
    return result_of(trained.result, folder / NAME)


def timed(session: dict[str, Any], reporter: Reporter, *, runs: dict[str, str]) -> dict[str, dict[str, float]]:
    """Called in a process of its own: milliseconds an image, from its bytes to logits, one image at a time, one thread.

    The nets take turns, forth and back, in each round: what else the machine does meets all of them.

    Returns:
        by name: `ms_per_image`, and of it `decode_ms` (decode, resize, normalise) and `net_ms`; medians.
    """
    opened = {name: open_model(Path(run), threads=1) for name, run in runs.items()}
    first = job_of(Path(next(iter(runs.values()))))
    data = read(first, recipe_of(first), Reporter())
    split = data.validation or data.train
    images = [data.images.source(int(record)) for record in split.indices[:IMAGES]]
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for turn in range(ROUNDS + 1):
        reporter.progress("timing", turn, ROUNDS + 1, unit="rounds")
        for name in list(runs)[:: -1 if turn % 2 else 1]:
            one = opened[name]
            for image in images:
                begun = time.perf_counter()
                pixels = normalize(prepare(image, one.signature)[None], one.signature)
                prepared = time.perf_counter()
                one.runtime.predict(pixels)
                if turn:  # the first one warms up
                    spent[name].append((prepared - begun, time.perf_counter() - prepared))
    return {
        name: {
            "ms_per_image": 1000 * median(decode + net for decode, net in rows),
            "decode_ms": 1000 * median(decode for decode, _ in rows),
            "net_ms": 1000 * median(net for _, net in rows),
        }
        for name, rows in spent.items()
    }


def _result(
    path: Path,
    folders: Mapping[str, Path],
    facts: Mapping[str, Result],
    times: Mapping[str, Mapping[str, float]],
    margin: float,
) -> dict[str, Any]:
    correct = {name: _correct(folder, facts[name]) for name, folder in folders.items()}
    # Of equals the quicker is the best: it is named for less time, not for luck.
    best = max(folders, key=lambda name: (correct[name].mean(), -times[name]["ms_per_image"]))
    rows: dict[str, dict[str, Any]] = {}
    for name, folder in folders.items():
        one, pair = facts[name], against(correct[best], correct[name], len(folders))
        rows[name] = {
            "run": str(folder),
            "accuracy": float(correct[name].mean()),
            "accuracy_interval": list(wilson(int(correct[name].sum()), len(correct[name]))),
            "num": len(correct[name]),
            "validation": one.validation.get("accuracy"),
            "behind_best": pair.difference,
            "behind_best_interval": list(pair.interval),
            "not_worse": name == best or pair.interval[1] <= margin,
            **times[name],
            "parameters": one.parameters,
            "bytes": sum(each.stat().st_size for each in folder.glob("bundle/*") if each.is_file()),
            "licence": bundles.read(folder).extra.get("licence"),
        }
    front = front_of({name: (row["ms_per_image"], row["accuracy"]) for name, row in rows.items()})
    choice = min((name for name in rows if rows[name]["not_worse"]), key=lambda name: rows[name]["ms_per_image"])
    return {
        "run": str(path),
        "data": Path(facts[best].data).name,
        "accuracy_split": "validation and cross-validation",
        "margin": margin,
        "backbones": rows,
        "best": best,
        "front": front,
        "choice": choice,
        "test": {"backbone": choice, **facts[choice].test},
        "verdict": verdict(rows, best, choice, margin),
        "next": f"bakeoff train {shell(facts[choice].data)} --backbone {choice}",
    }


def against(best: Array, other: Array, rows: int) -> Paired:
    """The best against another on the same images; its interval's upper end is what the other is behind at most.

    A one-sided claim at `ALPHA` for all rows together (Bonferroni): that other rows were looked at, too, is paid for.
    """
    return paired(best, other, confidence=1 - 2 * ALPHA / max(rows - 1, 1))


def front_of(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Of (time, accuracy): those that no other beats in one without being behind in the other, quickest first."""
    found: list[str] = []
    highest = -1.0
    for name, (_, accuracy) in sorted(points.items(), key=lambda one: (one[1][0], -one[1][1])):
        if accuracy > highest:
            found.append(name)
            highest = accuracy
    return found


def verdict(rows: Mapping[str, Mapping[str, Any]], best: str, choice: str, margin: float) -> str:
    """One sentence: which one, why, and how sure that is."""
    top, taken, points = rows[best], rows[choice], f"{100 * margin:g} points"
    head = f"{best} is the most accurate on held-out images ({100 * top['accuracy']:.1f} % of {top['num']:,})"
    if choice == best:
        behind = [name for name, row in rows.items() if not row["not_worse"] and row["behind_best_interval"][0] <= 0]
        unsure = f" (the images are too few to tell of {', '.join(behind)})" if behind else ""
        return f"{head}, and no quicker one is shown to be within {points} of it{unsure}: {best}."
    low, high = (100 * side for side in taken["behind_best_interval"])
    ratio = top["ms_per_image"] / taken["ms_per_image"]
    return (
        f"{head}; {choice} is {100 * taken['behind_best']:.1f} points behind ({low:.1f} to {high:.1f}), "
        f"not worse by more than {points}, and takes {ratio:.1f} x less time an image: {choice}."
    )


def _correct(folder: Path, facts: Result) -> Array:
    """bool, (N,): the validation images, then those of the training set, each judged by a head made without it.

    Both are held out, so that far fewer images need be labelled to tell two backbones apart than a validation set has.
    """
    kept = [split for split in (FOLDS, "validation") if read_predictions(folder, split) is not None]
    if not kept:
        raise DataError(
            f"{facts.data}: no validation set to choose by, and too few images of a class for cross-validation; a list "
            "made on the test set would use it up.\nUse --set data.split.validation=0.1"
        )
    return np.concatenate([right_of(folder, split) for split in kept])
