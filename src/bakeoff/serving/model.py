"""A model that is served, and the ways to ask it: those of the SavedModel that is exported, with the same answers.

serving_default  bytes, strings (N,): image files            -> labels, probabilities, logits
serve_images     images, uint8 (N, H, W, C): of its size     -> labels, probabilities, logits
serve_tensor     input, float32 (N, H, W, C): normalised     -> logits, or probabilities of several labels
classify         inputs, strings (N,): tf.Example's          -> classes, scores: the most probable first

Where the model tells images of no class, all but the last (of which TensorFlow Serving takes two outputs) also give
`unknown`, bool (N,), and `similarity`, float32 (N,).
Of several labels an image, `labels` has a column a class: its name from the threshold on, else "".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from bakeoff.errors import DataError
from bakeoff.evaluation.kinds import of, of_loss
from bakeoff.preprocessing import normalize, prepare
from bakeoff.runtimes import Opened
from bakeoff.runtimes._runtime import Mapped
from bakeoff.schemas import Array
from bakeoff.serving.messages import message, parsed
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import KINDS, Info, Signature, Tensors, name_of, strings, within

DEFAULT, IMAGES, TENSOR, CLASSIFY = "serving_default", "serve_images", "serve_tensor", "classify"
EXAMPLES = "inputs"
ENCODED = "image/encoded"  # the feature of a tf.Example that holds the image
AT_ONCE = 4  # images of an array that one thread takes
Share = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


def one_by_one(work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """As `Workers.share`, alone."""
    return [work(item) for item in items]


@dataclass(frozen=True)
class Served:
    """A version of a model, ready.

    Attributes:
        name: of the model.
        version: of it.
        opened: the model.
        rows: the most images a request may have.
    """

    name: str
    version: int
    opened: Opened
    rows: int = 1024

    @cached_property
    def signatures(self) -> dict[str, Signature]:
        """By name."""
        classes, several = len(self.opened.classes), self.kind.multilabel
        image = (-1, *self.opened.signature.size, self.opened.signature.channels)
        shares = {"probabilities": Info("DT_FLOAT", (-1, classes), "probabilities:0")}
        logits = {"logits": Info("DT_FLOAT", (-1, 1 if self.kind.name == "binary" else classes), "logits:0")}
        labels = {"labels": Info("DT_STRING", (-1, classes) if several else (-1,), "labels:0")}
        known = {"unknown": Info("DT_BOOL", (-1,), "unknown:0"), "similarity": Info("DT_FLOAT", (-1,), "similarity:0")}
        outputs = {**labels, **shares, **(logits if self.opened.output == "logits" else {})}
        known = known if self._tells else {}
        ranked = {
            "classes": Info("DT_STRING", (-1, classes), "classes:0"),
            "scores": Info("DT_FLOAT", (-1, classes), "scores:0"),
        }
        examples = {EXAMPLES: Info("DT_STRING", (-1,), f"{EXAMPLES}:0")}
        return {
            DEFAULT: Signature({"bytes": Info("DT_STRING", (-1,), "bytes:0")}, {**outputs, **known}),
            IMAGES: Signature({"images": Info("DT_UINT8", image, "images:0")}, {**outputs, **known}),
            TENSOR: Signature(
                {"input": Info("DT_FLOAT", image, "input:0")}, {**(shares if several else logits), **known}
            ),
            CLASSIFY: Signature(examples, ranked, "tensorflow/serving/classify"),
        }

    @property
    def _tells(self) -> bool:
        """Whether the runtime gives similarities: they are then one column more of what goes between threads."""
        return self.opened.unknown is not None

    @cached_property
    def kind(self) -> Any:
        """The kind of classification."""
        return of_loss(self.opened.loss)

    def run(self, signature: str, inputs: Tensors, share: Share = one_by_one) -> dict[str, Array]:
        """The outputs of a signature.

        Args:
            signature: one of `signatures`.
            inputs: as it says.
            share: how images are given to threads.

        Raises:
            Refused: a wrong type or shape, more rows than are taken, or an image that can't be read, by its place.
        """
        ((alias, info),) = self.signatures[signature].inputs.items()
        given = inputs[alias]
        if name_of(given) != info.dtype:
            raise invalid(f"Expects arg[0] to be {_word(info.dtype)} but {_word(name_of(given))} is provided")
        given = given.reshape(1) if info.dtype == "DT_STRING" and given.ndim == 0 else given
        if given.ndim != len(info.shape) or any(w not in (-1, g) for w, g in zip(info.shape, given.shape, strict=True)):
            raise invalid(f"{alias} has shape {list(given.shape)}; expected {list(info.shape)}, where -1 is any size.")
        within(len(given), self.rows)
        if info.dtype != "DT_STRING":
            found = self._of_arrays(given, share)
        elif signature == DEFAULT:
            found = self._of_files(list(given), share)
        else:
            found = self._of_files([_encoded(place, one) for place, one in enumerate(given)], share)
        if signature != TENSOR and not (fine := np.isfinite(found).all(axis=1)).all():
            place = int(np.argmin(fine))
            raise Refused("FAILED_PRECONDITION", f"The model gives no finite numbers for image {place}.")
        answers = self.ranked(found) if signature == CLASSIFY else self.answers(found)
        return {name: answers[name] for name in self.signatures[signature].outputs}

    def answers(self, found: Array) -> dict[str, Array]:
        """Labels, probabilities and logits of what the runtime gave, and what is of no class."""
        known: dict[str, Array] = {}
        if self.opened.unknown is not None:
            found, near = (np.ascontiguousarray(part) for part in (found[:, :-1], found[:, -1]))
            known = {"unknown": near < self.opened.unknown, "similarity": near}
        shares, classes = self.probabilities(found), self.opened.classes
        names = strings([name.encode() for name in (*classes, "")])
        if self.kind.multilabel:
            places = np.where(shares >= self.opened.threshold, np.arange(len(classes)), len(classes))
        else:
            places = shares.argmax(1)
        answers = {"labels": names[places], "probabilities": shares.astype(np.float32)}
        return {**answers, **known, **({"logits": found} if self.opened.output == "logits" else {})}

    def ranked(self, found: Array) -> dict[str, Array]:
        """Classes and scores (N, classes) of what the runtime gave, the most probable first."""
        shares = self.probabilities(found[:, :-1] if self._tells else found).astype(np.float32)
        order = np.argsort(-shares, axis=1, kind="stable")
        names = strings([name.encode() for name in self.opened.classes])
        return {"classes": names[order], "scores": np.take_along_axis(shares, order, 1)}

    def probabilities(self, found: Array) -> Array:
        """(N, classes), float64."""
        if self.opened.output == "probabilities":
            return found.astype(np.float64)
        shares: Array = of(multilabel=self.kind.multilabel, outputs=found.shape[1]).probabilities(found)
        return shares

    def _of_files(self, files: list[bytes], share: Share) -> Array:
        def one(numbered: tuple[int, bytes]) -> Array:
            place, content = numbered
            try:
                pixels = prepare(content, self.opened.signature)
            except DataError as error:
                raise invalid(f"image {place} can't be read: {error}") from None
            return self._computed(normalize(pixels[None], self.opened.signature))

        return self._joined(share(one, list(enumerate(files))) if files else [])

    def _of_arrays(self, images: Array, share: Share) -> Array:
        def some(part: Array) -> Array:
            return self._computed(part if part.dtype != np.uint8 else normalize(part, self.opened.signature))

        parts = [images[start : start + AT_ONCE] for start in range(0, len(images), AT_ONCE)]
        return self._joined(share(some, parts) if parts else [])

    def _joined(self, parts: list[Array]) -> Array:
        info = next(iter(self.signatures[TENSOR].outputs.values()))
        return np.concatenate(parts) if parts else np.zeros((0, info.shape[1] + self._tells), np.float32)

    def _computed(self, images: Array) -> Array:
        found, *more = (
            cast(Mapped, self.opened.runtime).values(images) if self._tells else [self.opened.runtime.predict(images)]
        )
        found, count, known = np.asarray(found), len(images), len(self.opened.classes)
        if found.dtype.kind != "f" or found.shape not in ((count, known), (count, 1 if known == 2 else known)):
            raise Refused("INTERNAL", f"The model gives {found.dtype} {found.shape} for {count} images.")
        return np.concatenate([found, more[-1]], axis=1, dtype=np.float32) if self._tells else found.astype(np.float32)


def _word(dtype: str) -> str:
    return KINDS[dtype].word


def _encoded(place: int, example: bytes) -> bytes:
    """The image in a serialized tf.Example."""
    found = parsed(message("tensorflow.Example"), example, f"Could not parse example input, value: {place}")
    features = found.features.feature
    values: list[bytes] = list(features[ENCODED].bytes_list.value) if ENCODED in features else []
    if len(values) != 1:
        raise invalid(
            f"example {place}: feature {ENCODED} (data type: string) is required, and has {len(values)} values."
        )
    return values[0]
