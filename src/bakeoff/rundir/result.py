"""run.json: what came out of a training, as a value; `bakeoff train --json` prints the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from bakeoff.files import named
from bakeoff.rundir import checkpoint
from bakeoff.rundir.readers import ANEW, read_json

NAME = "run.json"
BEGUN = "begun.json"
BACKBONES = "backbones.json"  # of a list of them, a run folder each
LEDGER = "ledger.json"  # of a published comparison, a run folder a training


_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Split(msgspec.Struct):
    """What is said of a split, as far as it is shown."""

    accuracy: _Share | None
    accuracy_interval: tuple[_Share, _Share] | None = None
    num: int | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Unknown(msgspec.Struct):
    """What is said of the threshold that tells images of no class: `bakeoff.bundle.layout.Unknown` has the words."""

    score: Literal["class_mean_cosine"]
    threshold: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    refused_validation: _Count
    num: _Count

    def __post_init__(self) -> None:
        if self.refused_validation > self.num:
            raise ValueError(f"{self.refused_validation} of {self.num} images were refused")


class Restart(msgspec.Struct):
    """All workers began again at a checkpoint, since one had ended: when (seconds since 1970), why, its step."""

    time: Annotated[float, msgspec.Meta(ge=0)]
    why: str
    step: _Count


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields in the order in which they are written; keys that a later version adds are left alone in reading.

    Attributes:
        run: the run folder.
        data: where the images were.
        framework: what computed it; onnxruntime for a probe alone.
        excluded: images that could not be read.
        validation: accuracy, its interval, num, loss, the other measures of the kind, tta; accuracy None without such a
            split.
        test: the same.
        phases: name, wall_s, images_per_s, and what each phase notes.
        best_epoch: of the last phase that has one, counted from 1.
        resumed_from: the step.
        loss: the page by which labels judged logits.
        threshold: the probability from which one of several labels is given; written of such alone.
        workers: how many processes trained; written where it was asked for.
        reduce: how their gradients were added; written with `workers`.
        restarts: each time that they began again.
        unknown: score, threshold, refused_validation and num, where images of no class can be told.
    """

    run: str
    data: str
    framework: str
    model: str | None
    backbone: str | None
    classes: list[str]
    num_train: int
    num_validation: int
    num_test: int
    excluded: list[str]
    validation: dict[str, Any]
    test: dict[str, Any]
    wall_s: float
    phases: list[dict[str, Any]]
    best_epoch: int | None
    resumed_from: int | None
    weights_sha256: str
    parameters: int
    loss: str
    threshold: float | None = None
    unknown: Unknown | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    device: str
    precision: str
    workers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    reduce: Literal["exact", "native"] | None = None
    restarts: list[Restart] = []

    def __post_init__(self) -> None:
        for found in (self.validation, self.test):
            msgspec.convert(found, _Split)

    @property
    def split(self) -> str:
        """What it is judged by: test, or validation where there is no test set."""
        return "test" if self.test["accuracy"] is not None else "validation"

    @property
    def judged(self) -> dict[str, Any]:
        """How it fares there."""
        return self.test if self.split == "test" else self.validation

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def result_of(value: dict[str, Any], path: Path) -> Result:
    """The value of a plain dict.

    Raises:
        CorruptError: a field is missing, or of another type; names it and the file.
    """
    with named(path, ANEW):
        return msgspec.convert(value, Result)


def read_begun(run: Path) -> dict[str, Any]:
    """What a run that hasn't ended began with: `bundle` and `result`, as far as they were known."""
    return read_json(run / BEGUN)


def read_result(run: Path) -> Result:
    """What a run came to; of one that was stopped, what its last checkpoint knows, without scores.

    Raises:
        DataError: it has no run.json, or that isn't JSON.
        VersionError: of another schema.
        CorruptError: a field is missing, or of another type.
    """
    if not (run / BEGUN).is_file():
        return result_of(read_json(run / NAME), run / NAME)
    known = {key: value for key, value in (checkpoint.last(run) or {}).items() if key in ("phases", "wall_s")}
    with named(run / BEGUN, ANEW):
        return result_of(read_begun(run)["result"] | known, run / BEGUN)
