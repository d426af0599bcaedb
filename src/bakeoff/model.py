"""A finished classifier in the user's hands: predict with it, or take it as a native net."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from bakeoff.bundle import Bundle, folder_of
from bakeoff.bundle import read as read_bundle
from bakeoff.data import Data, Split
from bakeoff.data.assignment import FROZEN, BadFiles, changes
from bakeoff.data.labels import arranged, counts
from bakeoff.data.recipes import read_for
from bakeoff.data.sources._names import difference
from bakeoff.drawing.card import Card, Shown, names
from bakeoff.errors import CorruptError, DataError, UsageError
from bakeoff.evaluation import unknown
from bakeoff.evaluation.details import details
from bakeoff.evaluation.given import InMemory, Rows, images_of
from bakeoff.evaluation.heatmaps import HeatMap, heatmap
from bakeoff.evaluation.kinds import of_loss
from bakeoff.evaluation.predict import TOP, predict
from bakeoff.evaluation.scores import score
from bakeoff.evaluation.shared import Asked, predict_on
from bakeoff.evaluation.splits import predictions_of
from bakeoff.evaluation.tta import check as check_tta
from bakeoff.evaluation.tta import compared, mirrored
from bakeoff.files import named
from bakeoff.given import held
from bakeoff.graph.graph import Graph
from bakeoff.preprocessing import Signature, decode, normalize
from bakeoff.protocols import LabelRule, Progress
from bakeoff.recipe import loads
from bakeoff.rundir.finished import scored
from bakeoff.rundir.readers import read_json, read_predictions
from bakeoff.rundir.result import NAME
from bakeoff.runtimes import Opened
from bakeoff.runtimes._runtime import Mapped
from bakeoff.schemas import SCHEMA, Array, Batch, Figures, MultilabelScore, Predictions, Score
from bakeoff.shown import shell
from bakeoff.workers.progress import counter, live

SPLITS = ("train", "validation", "test", "all")


@dataclass(frozen=True, repr=False)
class Model(Shown):
    """What `load` gives.

    Attributes:
        bundle: everything that was saved.
        path: where it lies.
    """

    bundle: Bundle
    path: Path

    def _card(self) -> Card:
        size, channels = self.signature.size, "grey" if self.signature.channels == 1 else "RGB"
        scores = {split: scored(found) for split, found in self.bundle.scores.items() if "accuracy" in (found or {})}
        parameters = sum(one.array.size for one in self.graph.parameters.values() if one.role == "weight")
        figures = {
            **scores,
            f"{len(self.classes):,} classes": names(self.classes),
            "input": f"{size[0]} x {size[1]}, {channels}",
            "net": f"{parameters:,} parameters, {self.dtype}",
            **({"threshold": self.bundle.threshold} if self.multilabel else {}),
        }
        return Card(str(self.path), figures)

    @property
    def graph(self) -> Graph:
        """The net, with its weights."""
        return self.bundle.graph

    @property
    def signature(self) -> Signature:
        """How an image becomes an input."""
        return self.bundle.signature

    @property
    def classes(self) -> tuple[str, ...]:
        """Names, in the order of the logits (two names for one binary logit)."""
        return self.bundle.classes

    @property
    def loss(self) -> str:
        """softmax_, binary_ or multi_label_cross_entropy: how logits become probabilities."""
        return self.bundle.loss

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels."""
        return of_loss(self.loss).multilabel

    @property
    def dtype(self) -> str:
        """Of the weights: float32 or float64."""
        return self.graph.dtype

    @cached_property
    def opened(self) -> Opened:
        """The net in ONNX Runtime, which predicts unless another is asked for."""
        from bakeoff.evaluation.opening import of_bundle

        return of_bundle(self.bundle, self.path)

    def to_torch(self) -> Any:
        """A new torch.fx.GraphModule of torch's own modules, (N, C, H, W) to logits; in eval mode, trainable.

        Input is normalised by `signature`: `bakeoff.preprocessing.normalize`, then channels first.

        Raises:
            MissingDependencyError: PyTorch is not installed.
            BakeoffError: TensorFlow came into this process first.
        """
        from bakeoff import frameworks

        return frameworks.load("torch").native(self.graph, precision=self.dtype).native

    def to_keras(self, batch_norm: Literal["stock", "exact"] = "stock") -> Any:
        """A new keras.Model, (N, H, W, C) to logits; trainable. On TensorFlow, or where Keras already runs.

        Args:
            batch_norm: `stock` is Keras's own layer, which keeps the biased running variance; `exact` is a registered
                layer that trains as PyTorch's. In prediction they are the same.

        Raises:
            UsageError: another `batch_norm`.
            MissingDependencyError: neither TensorFlow nor JAX is installed.
            BakeoffError: Keras runs on PyTorch in this process.
        """
        from bakeoff import frameworks

        if batch_norm not in ("stock", "exact"):
            raise UsageError(f"batch_norm is {batch_norm!r}; expected 'stock' or 'exact'.")
        adapter = frameworks.load(_keras_framework())
        return adapter.native(self.graph, precision=self.dtype, batch_norm=batch_norm).native

    def to_onnx(self, path: str | os.PathLike[str]) -> Path:
        """Write an ONNX file: float32 `input` (N, C, H, W) to `logits`, with signature and class names inside.

        Raises:
            DataError: the file can't be written.
        """
        from bakeoff.files import atomic_write
        from bakeoff.runtimes._metadata import KEY, encode
        from bakeoff.runtimes._onnx_build import to_onnx

        target = Path(path)
        more = {"threshold": self.bundle.threshold} if self.bundle.multilabel else {}
        says = encode(self.signature, self.classes, self.loss, framework=self.bundle.framework, **more)
        data = to_onnx(self.graph, {KEY: says}).SerializeToString()
        try:
            with atomic_write(target) as file:
                file.write(data)
        except OSError as error:
            raise DataError(f"{target}: {error.strerror or error}. Choose another file, or make room.") from None
        return target

    @held
    def predict(self, images: Any, *, top: int = TOP, tta: str = "none", cluster: str | None = None) -> Rows:
        """A row for each image, in the order given: `path`, `label`, `probability`, `top`, or `path` and `error`; of a
        model that tells images of no class also `unknown` and `similarity`.

        Args:
            images: one or many of: a path of a file, or of a folder of any depth; the bytes of a file; an open binary
                file; a Pillow image; a uint8 array, (H, W) or (H, W, 1, 3 or 4), or (N, H, W, C) for many. `path` of
                what is no path is its name, or `image 3`, counted from 0.
            top: how many [label, probability] pairs `top` lists.
            tta: `flip` averages over each image and its mirror image.
            cluster: of Ray, whose CPUs share the images: `local`, `auto` or `ray://HOST:PORT`; None: this process.

        Raises:
            UsageError: something that is no image; says which, and what may be given. Or there is no such cluster.
            DataError: a folder without images.
        """
        given = images_of(images)
        if cluster is None:
            rows = predict(self.opened, given, top=top, dtype=self.dtype, tta=tta)
        else:
            rows = predict_on(cluster, self.opened, given, Asked(top=top, dtype=self.dtype, tta=tta))
        return Rows(rows, (one for one in given if isinstance(one, InMemory)))

    def heatmap(self, image: Any, label: str | None = None) -> HeatMap:
        """Where in an image a label comes from: how far its log-odds fall when one place says nothing.

        Args:
            image: one, as for `predict`.
            label: a class; None: the most probable one.

        Raises:
            UsageError: more than one image, nothing that is an image, or no such class.
            DataError: the image can't be read.
        """
        given = images_of(image)
        if len(given) != 1:
            raise UsageError(f"heatmap: {len(given)} images; expected one.")
        memory = given[0].source if isinstance(given[0], InMemory) else None
        source = given[0] if memory is None else memory if isinstance(memory, bytes) else decode(memory)
        try:
            return heatmap(self.opened, source, label)
        except DataError as error:
            raise DataError(f"{given[0]}: {error}") from None

    def logits(self, images: Array) -> Array:
        """(N, classes), or (N, 1) for one binary logit.

        Args:
            images: (N, H, W, C): uint8 as `bakeoff.preprocessing.prepare` gives, or floats that are normalised already.
        """
        ready = normalize(images, self.signature, self.dtype) if images.dtype.name == "uint8" else images
        return self.opened.runtime.predict(ready)


@held
def load(path: str | os.PathLike[str]) -> Model:
    """The model of a run folder or a bundle.

    Raises:
        DataError: it is neither.
        VersionError: of another schema.
        CorruptError: it is truncated or was edited.
    """
    where = Path(path)
    if (where / NAME).is_file():
        read_json(where / NAME)  # refuses a run of another version by its own name
    return Model(read_bundle(where), where)


@held
@live("progress", lambda listen: counter(listen, "evaluate"))
def evaluate(
    run: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    split: str = "test",
    abstain: float | None = None,
    labels: LabelRule | None = None,
    bad_files: BadFiles | None = None,
    follow_links: bool | None = None,
    tta: str = "none",
    progress: Progress | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """How a model fares on a split: `accuracy`, `accuracy_interval` (Wilson, 95 %), `num`, `loss`, `per_class`,
    `confusion` (row: true class), `unused` (a line for all that was given and isn't used, or isn't there), what
    `bakeoff.evaluation.details` adds, and `unknown` (how many images were called so, among right and wrong ones; where
    the model tells such), as `bakeoff evaluate --json` prints it.

    Args:
        run: a run folder or a bundle.
        data: images, split as in training (same shares, same seed); None: the predictions that the run kept.
        split: train, validation, test, or all (every image of `data`).
        abstain: a probability; `coverage` has a row for a model that keeps quiet below it.
        labels: how the list `data` says several labels of an image; None: as in training.
        bad_files: `fail` stops and names what can't be read, `exclude` counts it; None: as in training.
        follow_links: symbolic links are the files that they lead to; None: as in training.
        tta: `flip` asks about each image and its mirror image; `tta` says how their mean fares.
        progress: called with (done, total); None: a bar, where a terminal or a notebook shows it.
        quiet: no bar.

    Raises:
        UsageError: the split isn't there, the classes of model and data differ, or `abstain` is no probability.
        DataError: run or data can't be read.
    """
    if split not in SPLITS:
        raise UsageError(f"--split {split!r}: expected one of {', '.join(SPLITS)}.")
    if abstain is not None and not 0 <= abstain <= 1:
        raise UsageError(f"--abstain {abstain}: expected a probability from 0 to 1.")
    model = load(run)
    if abstain is not None and model.multilabel:
        raise UsageError("--abstain: is for models that name one class an image; this one may give none. Leave it out.")
    check_tta(tta)
    other, unused, files = None, list[str](), dict[str, int]()
    if data is None:
        found = _kept(model, split)
        other = _kept_mirrored(model, split) if tta == "flip" else None
    else:
        given = {"labels": labels, "follow_links": follow_links, "bad_files": bad_files}
        read = _read(model, Path(data), split, given)
        files = {**{name: len(part) for name, part in read.splits.items()}, "excluded": len(read.excluded)}
        found, other, unused = _predicted(model, read, split, progress, mirror=tta == "flip")
    kept = model.path / "predictions" / f"{split}.npz"
    with named(kept, "It isn't that of this model. Train it again.") if data is None else nullcontext():
        plain = _plain(score(found, model.classes, model.bundle.threshold), model)
        more = details(found, model.classes, _tuning(model, split), abstain)
        if model.bundle.unknown is not None and found.similarity is not None:
            more["unknown"] = unknown.figures(found, model.bundle.unknown.threshold)
    gained = {} if other is None else {"tta": compared(found, other, model.classes, tta, model.bundle.threshold)}
    given_as = {"data": None if data is None else str(data), "split": split, "files": files, "unused": unused}
    return Figures({**plain, **more, **gained, **given_as})


def _tuning(model: Model, split: str) -> Predictions | None:
    """The validation predictions that a run kept, unless they are what is scored."""
    if split in ("validation", "all") or folder_of(model.path) == model.path:
        return None
    return read_predictions(model.path, "validation")


def _kept(model: Model, split: str) -> Predictions:
    found = read_predictions(model.path, split) if folder_of(model.path) != model.path else None
    if found is None:
        raise UsageError(
            f"{model.path}: no predictions on {split!r} were kept with it.\n"
            f"Give the images too: bakeoff evaluate {shell(model.path)} DATA --split {split}"
        )
    kept, known = found.logits.shape[-1], len(model.classes)
    if kept not in (known, 1 if known == 2 else known):
        raise CorruptError(
            f"{model.path}: bundle.json has {known} classes, its predictions {kept}: edited? Train again."
        )
    return found


def _kept_mirrored(model: Model, split: str) -> Predictions:
    found = read_predictions(model.path, f"{split}-flip")
    if found is None:
        raise UsageError(
            f"{model.path}: it kept no predictions of mirrored images (evaluation.tta in the recipe does).\n"
            f"Give the images too: bakeoff evaluate {shell(model.path)} DATA --split {split} --tta flip"
        )
    return found


def _read(model: Model, data: Path, split: str, given: dict[str, Any]) -> Data:
    """Images to be judged, split as in training; the bad ones are left out where they may be."""
    recipe = loads(model.bundle.recipe_toml)
    found = read_for(recipe, data, recipe.seed, judged=True, frozen=_frozen(model, split), **given)
    return found.verify(model.signature) if found.rules.bad_files == "exclude" else found


def _predicted(
    model: Model, data: Data, split: str, progress: Progress | None, *, mirror: bool
) -> tuple[Predictions, Predictions | None, list[str]]:
    """Logits of the images, and of their mirror images where asked for; and what of them isn't used."""
    chosen = _chosen(data, split)
    places = _places(model, data, chosen)
    total = sum(len(part) for part in chosen)
    batches = (part.batches(signature=model.signature, batch_size=32, shuffle=False) for part in chosen)

    def images(batch: Batch) -> Array:
        return normalize(batch.images, model.signature, model.dtype)

    def seen(done: int) -> None:
        if progress:
            progress(done, total)

    def both(images: Array) -> Array:
        found, *_, near = cast(Mapped, model.opened.runtime).values(images)
        return np.concatenate([found, near], axis=1)

    near = model.bundle.unknown is not None
    asks = [both if near else model.logits, *([lambda images: model.logits(mirrored(images))] if mirror else [])]
    found = predictions_of(chain.from_iterable(batches), images, asks, seen)
    if near:
        found[0] = replace(found[0], logits=found[0].logits[:, :-1], similarity=found[0].logits[:, -1])
    if model.multilabel:
        found = [replace(one, labels=arranged(one.labels, data.classes, model.classes)) for one in found]
    else:
        found = [replace(one, labels=places[one.labels]) for one in found]
    return found[0], found[1] if mirror else None, _unused(model, data, found[0], split)


def _frozen(model: Model, split: str = "all") -> Path | None:
    """The run folder that keeps which images were in which split; None of a model that is no run.

    Raises:
        UsageError: it is a run, and lacks that: images it was trained on might be scored as its test set.
    """
    if (model.path / FROZEN).is_file():
        return model.path
    if split != "all" and folder_of(model.path) not in (None, model.path):
        raise UsageError(
            f"{model.path / FROZEN}: is missing, so which images it was trained on isn't known.\n"
            "Bring it back; or give images that it hasn't seen, with --split all."
        )
    return None


def _chosen(data: Data, split: str) -> Sequence[Split]:
    if split == "all":
        return tuple(data.splits.values())
    if split not in data.splits:
        raise UsageError(
            f"--split {split}: {data.path} has no such split. It has: {', '.join(data.splits)}; or use all."
        )
    return (data.splits[split],)


def _places(model: Model, data: Data, chosen: Sequence[Split]) -> NDArray[np.int64]:
    """For each class of the data its position among the model's: classes are known by name. -1 for one without images.

    Raises:
        UsageError: images of a class that the model doesn't know, or of several labels for a model that gives one.
    """
    if data.multilabel and not model.multilabel:
        raise UsageError(f"{data.path}: its images have several labels, and the model gives one. Train it on such.")
    places = {name: place for place, name in enumerate(model.classes)}
    there = np.sum([counts(part.labels, len(data.classes)) for part in chosen], axis=0)
    foreign = [name for name, num in zip(data.classes, there, strict=True) if num and name not in places]
    if foreign:
        near = [(a, b, difference(a, b)) for a in foreign for b in places]
        same = next((f"; {a!r} and {b!r} differ only by {word}" for a, b, word in near if word), "")
        only = [name for name in model.classes if name not in data.classes]
        raise UsageError(
            f"{data.path}: its classes are not the model's. Only in the data: {_some(foreign)}; "
            f"only in the model: {_some(only)}{same}.\n"
            "Classes must be named as in training; to label images without classes, use bakeoff predict."
        )
    return np.array([places.get(name, -1) for name in data.classes], np.int64)


def _unused(model: Model, data: Data, found: Predictions, split: str) -> list[str]:
    """What the user gave and isn't used; classes of the model that no image shows."""
    notes, kept = list(data.unused), _frozen(model)
    bad = [path for path, _ in data.excluded]
    if changed := changes(kept / FROZEN, data.manifest, bad, apart=True) if kept and _is_its_own(data) else "":
        notes.append(f"images of {data.path} since the training: {changed}; what is not known is not in its test set")
    if kept is None and split != "all" and (data.manifest.split < 0).any():
        notes.append(
            f"{model.path} doesn't say what it was trained on: the split was drawn anew, and may hold some of it"
        )
    if bad:
        notes.append(f"{len(bad):,} of {len(data) + len(bad):,} files can't be read and aren't scored: {_some(bad)}")
    empty = [name for name, num in zip(model.classes, counts(found.labels, len(model.classes)), strict=True) if not num]
    if empty and not model.multilabel:
        notes.append(f"{len(empty)} of {len(model.classes)} classes have no image in {split}: {_some(empty)}")
    return notes


def _is_its_own(data: Data) -> bool:
    """Whether most of the images that the model was trained on are there."""
    known = data.rules.frozen or {}
    return 2 * len(known.keys() & {row.tobytes() for row in data.manifest.sha256}) > len(known) > 0


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:5])) or "none"
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _plain(found: Score, model: Model) -> dict[str, Any]:
    plain = found.to_json()
    common = {key: plain.pop(key) for key in ("accuracy", "accuracy_interval", "num", "loss")}
    return {
        "schema": SCHEMA,
        "run": str(model.path),
        "classes": list(model.classes),
        **common,
        "per_class": [asdict(row) for row in found.per_class],
        "confusion": [list(row) for row in found.confusion] or None,
        **({"threshold": found.threshold} if isinstance(found, MultilabelScore) else {}),
        **plain,
    }


def _keras_framework() -> str:
    """jax where Keras runs on it already, or where TensorFlow is missing; else tensorflow."""
    from bakeoff import frameworks

    loaded = sys.modules.get("keras")
    if loaded is not None and loaded.backend.backend() == "jax":
        return "jax"
    missing = frameworks.version("tensorflow") is None and frameworks.version("jax") is not None
    return "jax" if missing else "tensorflow"
