"""The gate of exports: what was written is loaded by its own library in a fresh process, and answers as its source.

Pictures go in as bytes, and every stage is compared up to the label; `parity` says what the same is. Golden pictures
are asked of every artefact, and travel with it; where the run's own images are still there, those that it wasn't
trained on are asked, too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from bakeoff import runtimes
from bakeoff.bundle import Bundle
from bakeoff.bundle.read import folder_of
from bakeoff.data import Data
from bakeoff.errors import BakeoffError, Cancelled, DataError, MissingDependencyError, WorkerError
from bakeoff.evaluation.statistics.paired import newcombe, paired
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.exports import _golden
from bakeoff.exports._answers import Answers, answers, packed, unpacked
from bakeoff.exports._held_out import HeldOut, held_out
from bakeoff.exports._in_numpy import InNumpy, in_turn, long_sums
from bakeoff.exports._text import telling
from bakeoff.files import atomic_write, named, read_arrays, workspace
from bakeoff.graph.graph import Graph
from bakeoff.parity import deployed, golden_arrays, to_json
from bakeoff.parity.difference import relative
from bakeoff.runtimes import Opened, onnxruntime, savedmodel
from bakeoff.schemas import SCHEMA, Array, Certificate, Check
from bakeoff.workers.launch import Worker

MAX_LOSS = 2.0  # points of accuracy, of what is no float32
EXACT = 128  # held-out images, where every answer has to be the same
COUNTED = 1000  # where those that are, are counted
RAN, ACCURACY = "opens and answers", "accuracy."
SPLITS = ("validation", "test")  # the first that has images decides

Say = Callable[[str, int], None]
"""Told a stage in words, and how many there are."""


@dataclass(frozen=True)
class Gate:
    """What came out.

    Attributes:
        checks: in the order of the stages.
        passed: None where it could not be run, and that was accepted.
        runtime: the library that ran the artefact.
        pictures: that were asked.
        splits: of each split of held-out images `num`, `agreement`, `accuracy`, each with its interval,
            `source_accuracy`, `difference_interval`.
        note: what could not be done, and why.
    """

    checks: tuple[Check, ...]
    passed: bool | None
    runtime: str = ""
    pictures: int = 0
    splits: dict[str, dict[str, Any]] = field(default_factory=dict)
    note: str = ""

    @property
    def first(self) -> Check | None:
        """The first stage that differs."""
        return deployed.first(self.checks)

    @property
    def judged(self) -> dict[str, Any]:
        """The figures of the split that decided, or of none."""
        return next(iter(self.splits.values()), {})

    def to_json(self) -> dict[str, Any]:
        """A plain dict."""
        first = self.first
        return {
            "schema": SCHEMA,
            "passed": self.passed,
            "first_difference": first.name if first else None,
            "runtime": self.runtime,
            "pictures": self.pictures,
            "agreement": self.judged.get("agreement"),
            "accuracy": self.judged.get("accuracy"),
            "splits": self.splits,
            "note": self.note,
            "checks": to_json(Certificate(self.checks, {}))["checks"],
        }


@dataclass(frozen=True)
class Golden:
    """Golden pictures with the source's answers, as they lie beside an artefact.

    Attributes:
        files: by name.
        truth: the source's answers, its output in float64.
        noisy: its output in float32, by the worse of two orders of long sums; of an artefact of 16 bits, with weights
            that were rounded to them.
        near: its similarities, as `noisy`, (N,); (0,) where images of no class aren't told.
        margins: how far probabilities have to move to change a picture's label.
        precision: of the artefact.
    """

    files: dict[str, bytes]
    truth: Answers
    noisy: Array
    near: Array
    margins: Array
    precision: str

    def logits(self, found: Array) -> Check:
        """Of an artefact, for the golden pictures."""
        return deployed.logits(found, self.truth.output, self.noisy, self.precision)

    def probabilities(self, found: Array, expected: Answers) -> Check:
        """Of an artefact, for any pictures: they may move as far as their logits may."""
        far = deployed.reach(expected.output, self.logits(self.truth.output))
        independent = expected.output.shape[1] == 1 or not np.allclose(expected.probabilities.sum(1), 1)
        slope = deployed.SIGMOID if independent else deployed.SOFTMAX
        return deployed.probabilities(found, expected.probabilities, far, slope)

    def unknown(self, found: Answers) -> list[Check]:
        """Of an artefact that tells images of no class: how similar they are to classes, and which are of none."""
        truth = self.truth
        if found.similarity.shape != truth.similarity.shape:
            return [deployed.same(deployed.SIMILARITY, np.ones(1, bool), more=": it gives none, or of other pictures")]
        if not len(truth.similarity):
            return []
        check = deployed.similarity(found.similarity, truth.similarity, self.near, self.precision)
        sure = np.abs(truth.similarity - truth.threshold) > deployed.reach(truth.similarity, check)
        wrong = [*((found.unknown != truth.unknown) & sure), found.threshold != truth.threshold]
        return [check, deployed.same(deployed.UNKNOWN, np.array(wrong), [*self.files, "threshold"])]

    def save(self, path: Path) -> None:
        """Write it."""
        names, precision = np.array(list(self.files)), np.array(self.precision)
        more = {"names": names, "noisy": self.noisy, "near": self.near, "margins": self.margins, "precision": precision}
        self.truth.save(path, **more, **packed(list(self.files.values())))

    @classmethod
    def load(cls, path: Path) -> Golden:
        """What `save` wrote.

        Raises:
            DataError: it isn't there.
            CorruptError: it is damaged.
        """
        if not path.is_file():
            raise DataError(f"{path}: there are no golden pictures. Export it anew; they lie beside what was written.")
        with named(path, "Export it anew."):
            found = read_arrays(path)
            golden_arrays.hold(found)
            files = dict(zip(found["names"].tolist(), unpacked(found), strict=True))
            return cls(
                files,
                Answers.of(found),
                found["noisy"],
                found.get("near", np.zeros(0)),
                found["margins"],
                str(found["precision"]),
            )


def golden_of(bundle: Bundle, precision: str = "float32") -> Golden:
    """Golden pictures, with the answers of a bundle."""
    files = _golden.pictures(bundle.signature)
    contents, exact = list(files.values()), _opened(bundle, InNumpy(telling(bundle)))
    truth = answers(exact, contents)
    rounded = _rounded(telling(bundle), precision)
    noisy = answers(_opened(bundle, onnxruntime.from_graph(rounded)), contents)
    if long_sums(rounded):  # libraries take them in other orders, and that is no fault
        other = answers(_opened(bundle, in_turn(rounded)), contents)
        noisy = max(noisy, other, key=lambda one: relative(one.output, truth.output))
    return Golden(files, truth, noisy.output, noisy.similarity, _margins(bundle, truth.probabilities), precision)


def _opened(bundle: Bundle, runtime: Any) -> Opened:
    given = (bundle.signature, bundle.classes, bundle.loss, Path("source"), bundle.threshold)
    return Opened(runtime, *given, unknown=None if bundle.unknown is None else bundle.unknown.threshold)


def _rounded(graph: Graph, precision: str) -> Graph:
    """The net in float32, its weights rounded once to 16 bits where those are asked for."""
    graph = graph.astype("float32")
    if precision == "float16":
        return graph.astype("float16").astype("float32")
    if precision == "bfloat16":
        floats = {path: one for path, one in graph.arrays().items() if one.dtype == np.float32}
        return graph.with_arrays({path: _to_bfloat16(one) for path, one in floats.items()})
    return graph


def _to_bfloat16(array: Array) -> Array:
    """Rounded to the nearest number of 8 bits, to even where two are as near."""
    bits = np.ascontiguousarray(array).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).astype(np.uint32).view(np.float32)


def _margins(bundle: Bundle, shares: Array) -> Array:
    if bundle.multilabel:
        return np.asarray(np.abs(shares - bundle.threshold).min(axis=1))
    best = np.sort(shares, axis=1)[:, -2:]
    return np.asarray((best[:, 1] - best[:, 0]) / 2)


def stages(golden: Golden, found: Answers) -> list[Check]:
    """The checks of what an artefact answered to golden pictures."""
    truth, names = golden.truth, list(golden.files)
    of_logits = golden.logits(truth.output)
    if shares := str(found.form) == "probabilities":
        net = golden.probabilities(found.tensor, truth)
    else:
        net = golden.logits(found.tensor)
    checks = [] if shares else [net]
    if len(found.decoded):
        parts = zip(deployed.STAGES, ("decoded", "prepared", "normalised"), strict=False)
        checks += [deployed.same(stage, getattr(found, part) != getattr(truth, part), names) for stage, part in parts]
    elif net.passed:
        checks += _by_bytes(names, found.output, truth.output, deployed.reach(truth.output, of_logits))
    checks.append(golden.probabilities(found.probabilities, truth))
    if golden.precision != "int8":
        checks.append(deployed.labels(found.labels, truth.labels, golden.margins, checks[-1].tolerance, names))
    checks += golden.unknown(found)
    return sorted([*checks, _classes(found.classes, truth.classes)], key=deployed.order)


def _classes(found: Array, expected: Array) -> Check:
    wrong = np.ones(1, bool) if found.shape != expected.shape else found != expected
    check = deployed.same(deployed.NAMES, wrong, [f"{a} for {b}" for a, b in zip(found, expected, strict=False)])
    return replace(check, detail=check.detail.replace("pictures", "class names"))


def _by_bytes(names: Sequence[str], found: Array, expected: Array, far: float) -> list[Check]:
    """The stages before the net, of an artefact that shows none of them: by the pictures that it gets wrong."""
    if found.shape != expected.shape:
        return [deployed.same("logits", np.ones(1, bool), more=f": {found.shape} for {expected.shape}")]
    wrong, checks = ~(np.abs(found - expected).max(axis=1) <= far), list[Check]()
    groups = (_golden.FLAT, _golden.UNTOUCHED, _golden.DECODED)
    kinds = np.array([next((kind for kind, group in enumerate(groups) if name in group), 3) for name in names])
    for kind, stage in enumerate(("normalised input", "prepared pixels", "decoded pixels", "prepared pixels")):
        chosen = [name for name, one in zip(names, kinds, strict=True) if one == kind]
        checks.append(deployed.same(stage, wrong[kinds == kind], chosen, ", by their logits"))
        if not checks[-1].passed:  # of what comes of wrong pixels nothing more can be told
            break
    return checks


class Asked:
    """An artefact in a process of its own."""

    def __init__(self, artefact: Path, folder: Path, threads: int = 1) -> None:
        self.artefact, self.folder, self.threads, self.name = artefact, folder, threads, ""
        self.worker = Worker(runtimes.recognise(artefact) or "onnxruntime", threads=threads)

    def answers(self, contents: Sequence[bytes], *, pixels: bool = False) -> Answers:
        """What it says of files.

        Raises:
            BakeoffError: it can't be opened, or run.
        """
        given, found = self.folder / "pictures.npz", self.folder / "answers.npz"
        with atomic_write(given) as file:
            np.savez(file, **cast(dict[str, Any], packed(contents)))
        what = {"artefact": str(self.artefact), "pictures": str(given), "output": str(found), "threads": self.threads}
        self.name = self.worker.call("bakeoff.exports._answers:ask", **what, pixels=pixels)
        return Answers.of(read_arrays(found))


def check(
    artefact: Path,
    golden: Golden,
    *,
    bundle: Bundle | None = None,
    data: Data | None = None,
    max_loss: float = MAX_LOSS,
    exact: int = EXACT,
    say: Say | None = None,
) -> Gate:
    """Ask an artefact; nothing is raised for what it gets wrong.

    Args:
        artefact: the file or folder.
        golden: what it is asked, and the answers.
        bundle, data: the source, and images of which it knows splits; None: golden pictures are all.
        max_loss: points of accuracy that an artefact of int8 or 16 bits may lose.
        exact: images of a split that one of float32 is asked, each of which has to get the same label.
        say: told what is being done.

    Raises:
        MissingDependencyError: the library that runs it is not installed.
    """
    say, of = say or (lambda text, of: None), 2 + len(asked_splits(data, golden.precision)) - (bundle is None)
    with workspace("gate") as folder:
        asked = Asked(artefact, folder)
        with asked.worker:
            try:
                say(f"golden pictures in {asked.worker.framework}", of)
                checks = stages(golden, asked.answers(list(golden.files.values()), pixels=True))
                gate = Gate(tuple(checks), all(one.passed for one in checks), asked.name, len(golden.files))
                if gate.passed and bundle is not None and data is not None:
                    gate = _with_held_out(
                        gate, asked, golden, bundle, data, max_loss, exact, lambda text: say(text, of)
                    )
            except (MissingDependencyError, Cancelled):
                raise
            except (BakeoffError, WorkerError) as error:
                text = str(error).replace(str(artefact), artefact.name).splitlines()[0]
                return Gate((Check(RAN, math.inf, 0.0, False, text),), False)
    if golden.precision == "int8" and not gate.splits and gate.passed:
        none = Check("accuracy", math.inf, max_loss / 100, False, "there are no held-out images to tell by", False)
        gate = replace(gate, checks=(*gate.checks, none), passed=bundle is None)
    return gate


def asked_splits(data: Data | None, precision: str) -> tuple[str, ...]:
    """The splits whose images an artefact is asked: of float32, whose answers have to be the same, the first."""
    found = tuple(split for split in SPLITS if data is not None and len(data.splits.get(split) or ()))
    return found[:1] if precision == "float32" else found


def too_few(bundle: Bundle, data: Data, max_loss: float) -> str:
    """Why these images can't tell what int8 loses, not even of the source itself; nothing where they may."""
    split = asked_splits(data, "float32")
    held = held_out(data, split[0], bundle, COUNTED) if split else None
    if held is None or (num := len(held.labels)) == COUNTED:
        return ""
    if max(-newcombe(k, 0, 0, num - k)[0] for k in range(num + 1)) <= max_loss / 100:  # however many are right
        return ""
    source = _opened(replace(bundle, unknown=None), onnxruntime.from_graph(bundle.graph.astype("float32")))
    truth = answers(source, held.contents, pixels=False)
    alike = _alike(truth.labels == held.labels)
    return f"{_few(max_loss / 100, alike)}; {num} images of {split[0]}" if alike > max_loss / 100 else ""


def _alike(right: Array) -> float:
    """What the interval can't rule out that an artefact loses which answers as its source does.

    Args:
        right: bool, (N,): which images the source gets right.
    """
    return -paired(right, right).interval[0]


def _few(most: float, loss: float) -> str:
    needed = math.ceil(100 * loss)
    return f"too few images to tell {round(100 * most, 6):g} points; more of them would, or --max-loss {needed}"


def _with_held_out(
    gate: Gate,
    asked: Asked,
    golden: Golden,
    bundle: Bundle,
    data: Data,
    max_loss: float,
    exact: int,
    say: Callable[[str], None],
) -> Gate:
    """The first split that has images decides; the test set, where that is another one, is told."""
    plain = golden.precision == "float32"
    source = _opened(bundle, onnxruntime.from_graph(telling(bundle).astype("float32"), asked.threads))
    checks, splits, pictures = list(gate.checks), dict[str, dict[str, Any]](), gate.pictures
    for split in asked_splits(data, golden.precision):
        held = held_out(data, split, bundle, exact if plain else COUNTED)
        if held is None:
            continue
        say(f"{len(held.contents)} images of {split}")
        found, truth = asked.answers(held.contents), answers(source, held.contents, pixels=False)
        row = _figures(found, truth, held)
        if not splits:
            checks += _judged(split, found, truth, held.labels, row, golden, bundle, max_loss)
        splits[split], pictures = row, pictures + len(held.contents)
    passed = all(one.passed for one in checks)
    return replace(gate, checks=tuple(checks), passed=passed, splits=splits, pictures=pictures)


def _figures(found: Answers, truth: Answers, held: HeldOut) -> dict[str, Any]:
    same, num = int((found.labels == truth.labels).sum()), len(held.labels)
    beside = paired(found.labels == held.labels, truth.labels == held.labels)
    return {
        "num": num,
        "agreement": same / num,
        "agreement_interval": wilson(same, num),
        "accuracy": float(np.mean(found.labels == held.labels)),
        "accuracy_interval": wilson(int((found.labels == held.labels).sum()), num),
        "source_accuracy": float(np.mean(truth.labels == held.labels)),
        "difference_interval": beside.interval,
    }


def _judged(
    split: str,
    found: Answers,
    truth: Answers,
    held: Array,
    row: dict[str, Any],
    golden: Golden,
    bundle: Bundle,
    max_loss: float,
) -> list[Check]:
    low, high = (100 * side for side in row["difference_interval"])
    says = (
        f"accuracy {100 * row['source_accuracy']:.1f} -> {100 * row['accuracy']:.1f} % of {row['num']} images, "
        f"95 % interval of the difference {low:+z.1f} to {high:+z.1f} points; "
        f"{100 * row['agreement']:.1f} % labels agree"
    )
    if golden.precision == "int8":
        right = truth.labels == held
        least = min(low / 100, -_alike(right))  # a lucky draw of few images proves nothing
        return [_told(deployed.accuracy(split, least, max_loss / 100, says), right, high)]
    far = 2 * golden.probabilities(truth.probabilities, truth).tolerance  # both were computed in float32
    wrong = (found.labels != truth.labels) & (_margins(bundle, truth.probabilities) > far)
    checks = [deployed.same(f"labels.{split}", wrong)]
    if golden.precision != "float32":  # what was lost, by these images; their number needs no interval: labels agree
        loss = row["source_accuracy"] - row["accuracy"]
        checks.append(deployed.accuracy(split, -loss, max_loss / 100, says))
    return checks


def _told(check: Check, right: Array, high: float) -> Check:
    """Not decided where so few images would stop the source itself, and no loss is shown.

    Args:
        right: bool, (N,): which of them the source gets right.
        high: the upper end of the interval of what was lost or won.
    """
    if check.passed or high < 0 or _alike(right) <= check.tolerance:
        return check
    return replace(check, decided=False, detail=f"{_few(check.tolerance, check.difference)}; {check.detail}")


def verify(artefact: str | os.PathLike[str], *, say: Say | None = None) -> Gate:
    """Ask an artefact about the golden pictures that lie beside it, here.

    Raises:
        DataError: there are none.
        MissingDependencyError: the library that runs it is not installed.
    """
    path = savedmodel.version_of(Path(artefact))
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder.")
    if folder_of(path) is not None and not _golden.beside(path).is_file():
        raise DataError(f"{path}: a run, not what was exported of it. As: bakeoff export FILE --verify")
    return check(path, Golden.load(_golden.beside(path)), say=say)
