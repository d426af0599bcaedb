"""What a report is made of: a run folder, or a comparison with a run folder for each framework, as one value."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count, takewhile
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bakeoff.data.assignment import FROZEN, contents
from bakeoff.errors import CorruptError, DataError
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.evaluation.scores import score
from bakeoff.files import content, named
from bakeoff.rundir.readers import ANEW, read_json, read_lines, read_paths, read_predictions
from bakeoff.rundir.result import BACKBONES, BEGUN, Result, read_result
from bakeoff.schemas import Predictions, Score

SPLITS = ("test", "validation")  # the first that a run has is the one that the report is about


@dataclass(frozen=True)
class RunView:
    """One training.

    Attributes:
        name: the framework.
        facts: run.json.
        environment: versions and machine, in the order in which they were written.
        manifest: manifest.json.
        recipe: the resolved recipe, TOML.
        steps: rows of metrics.jsonl.
        epochs: rows of epochs.jsonl.
        split: what `predictions` are of.
        unfinished: whether it was stopped, or is still at work.
        path: its folder.
        others: rows of epochs.jsonl of the same framework's trainings from other seeds.
        paths: (N,), names of its images, relative to the data; None where they weren't kept.
        contents: SHA-256 of each image of the run, by name; of an older run none.
    """

    name: str
    facts: Result
    environment: dict[str, str]
    manifest: dict[str, Any]
    recipe: str
    steps: tuple[dict[str, Any], ...]
    epochs: tuple[dict[str, Any], ...]
    split: str
    predictions: Predictions | None
    paths: NDArray[np.str_] | None
    contents: Mapping[str, bytes]
    score: Score | None
    unfinished: bool = False
    path: Path = Path()
    others: tuple[tuple[dict[str, Any], ...], ...] = ()

    @property
    def classes(self) -> list[str]:
        """Names, in the order of the logits."""
        return self.facts.classes


@dataclass(frozen=True)
class Report:
    """What the sections draw.

    Attributes:
        runs: one, or one a framework.
        comparison: compare.json; None for a single run.
        language: en or zh.
        title: the name of the folder.
        leaderboard: backbones.json, of a list of backbones; the run is then that of the one that was chosen, so that
            the test set is looked at once.
    """

    runs: tuple[RunView, ...]
    comparison: dict[str, Any] | None
    language: str
    title: str = ""
    leaderboard: dict[str, Any] | None = None

    @property
    def first(self) -> RunView:
        """The run that speaks for what all runs share: data, classes, recipe."""
        return self.runs[0]

    @property
    def scored(self) -> tuple[tuple[RunView, Score], ...]:
        """The runs that have predictions, with their scores."""
        return tuple((run, run.score) for run in self.runs if run.score is not None)

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels."""
        return any(run.predictions is not None and of_predictions(run.predictions).multilabel for run in self.runs)


_Share = Annotated[float, msgspec.Meta(ge=-1, le=1)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Row(msgspec.Struct):
    """What the page shows of a backbone."""

    run: str
    accuracy: _Share
    accuracy_interval: tuple[_Share, _Share]
    num: int
    behind_best: _Share
    behind_best_interval: tuple[_Share, _Share]
    not_worse: bool
    ms_per_image: _Positive
    decode_ms: _Positive
    net_ms: _Positive
    parameters: int
    bytes: int
    licence: str | None


class _Leaderboard(msgspec.Struct):
    backbones: dict[str, _Row]
    best: str
    front: list[str]
    choice: str
    verdict: str
    margin: _Share


def read(path: Path, language: str) -> Report:
    """The report's material in a run folder, or in a comparison's.

    Raises:
        DataError: it is neither.
        VersionError: it is of another schema.
        CorruptError: a file in it is truncated or was edited.
    """
    if (path / BACKBONES).is_file():
        return _leaderboard(path, language)
    if not (path / "compare.json").is_file():
        if not any((path / name).is_file() for name in ("run.json", BEGUN)):
            raise DataError(
                f"{path}: neither a run nor a comparison (run.json and compare.json are missing).\n"
                "Make one: bakeoff train DATA, or bakeoff compare DATA"
            )
        return Report((_view(path),), None, language, path.resolve().name)
    comparison = read_json(path / "compare.json")
    names = comparison.get("frameworks")
    if not isinstance(names, dict) or not names or any(Path(name).name != name or name == ".." for name in names):
        raise CorruptError(f"{path / 'compare.json'}: `frameworks` must name the frameworks. Compare again.")
    if missing := [name for name in names if not (path / name).is_dir()]:
        raise DataError(f"{path / 'compare.json'}: names {missing[0]!r}, which isn't there. Compare again.")
    views = (replace(_view(path / name), others=_seeds(path, name)) for name in names)
    return Report(tuple(views), comparison, language, path.resolve().name)


def _seeds(path: Path, name: str) -> tuple[tuple[dict[str, Any], ...], ...]:
    """The epochs of the trainings from further seeds, which lie beside a framework's first."""
    folders = takewhile(Path.is_dir, (path / f"{name}-seed{number}" for number in count(2)))
    return tuple(tuple(read_lines(folder / "epochs.jsonl")) for folder in folders)


def _leaderboard(path: Path, language: str) -> Report:
    found = read_json(path / BACKBONES)
    with named(path / BACKBONES, "Compare again."):
        told = msgspec.convert(found, _Leaderboard)
        chosen = path / Path(told.backbones[told.choice].run).name
        if not all(name in told.backbones for name in told.front):
            raise ValueError("a front of other backbones")
    return Report((_view(chosen),), None, language, path.resolve().name, leaderboard=found)


def _view(path: Path) -> RunView:
    facts = read_result(path)
    try:
        with named(path / "manifest.json", ANEW):
            manifest = _optional(path / "manifest.json")
            msgspec.convert(manifest, _Manifest)
        with named(path / "recipe.toml", ANEW):
            recipe = content(path / "recipe.toml").decode() if (path / "recipe.toml").is_file() else ""
        split = next((name for name in SPLITS if (path / "predictions" / f"{name}.npz").is_file()), "test")
        predictions, threshold = read_predictions(path, split), 0.5 if facts.threshold is None else facts.threshold
        return RunView(
            name=facts.framework,
            facts=facts,
            environment={k: str(v) for k, v in _optional(path / "environment.json").items() if k != "schema"},
            manifest=manifest,
            recipe=recipe,
            steps=tuple(read_lines(path / "metrics.jsonl")),
            epochs=tuple(read_lines(path / "epochs.jsonl")),
            split=split,
            predictions=predictions,
            paths=read_paths(path, split),
            contents=contents(path / FROZEN) if (path / FROZEN).is_file() else {},
            score=_score(path / "predictions" / f"{split}.npz", predictions, facts.classes, threshold),
            unfinished=(path / BEGUN).is_file(),
            path=path,
        )
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise CorruptError(
            f"{path}: a file of this run is truncated or was edited ({type(error).__name__}: {str(error)[:80]}).\n"
            "Train it again."
        ) from None


def _score(path: Path, predictions: Predictions | None, classes: list[str], threshold: float) -> Score | None:
    try:
        return None if predictions is None else score(predictions, classes, threshold)
    except DataError as error:
        raise CorruptError(f"{path}: {error}\nIt, or run.json, was edited. {ANEW}") from None


class _Manifest(msgspec.Struct):
    """What a report shows of manifest.json."""

    data: str = ""
    fingerprint: str = ""


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}
