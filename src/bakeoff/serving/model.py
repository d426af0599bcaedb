"""A model that is served, and the three ways to ask it: `serving_default`, `serve_tensor` and `classify`.

They are those of the SavedModel that `export --to savedmodel` writes, and the answers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import DataError
from bakeoff.evaluation.kinds import of, of_loss
from bakeoff.preprocessing import normalize, prepare
from bakeoff.runtimes import Opened
from bakeoff.schemas import Array
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import Info, Signature, Tensors, name_of, strings

DEFAULT, TENSOR, CLASSIFY = "serving_default", "serve_tensor", "classify"
BYTES, IMAGES, EXAMPLES = "bytes", "images", "inputs"
ENCODED = "image/encoded"  # the feature of a tf.Example that holds the image
BETWEEN = "|"  # labels of one image, where it may have several
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
        classes = len(self.opened.classes)
        signature, logits = self.opened.signature, 1 if self.kind.name == "binary" else classes
        outputs = {
            "labels": Info("DT_STRING", (-1,), "labels:0"),
            "probabilities": Info("DT_FLOAT", (-1, classes), "probabilities:0"),
            **({"logits": Info("DT_FLOAT", (-1, logits), "logits:0")} if self.opened.output == "logits" else {}),
        }
        images = Info("DT_UINT8", (-1, *signature.size, signature.channels), f"{IMAGES}:0")
        classified = {
            "classes": Info("DT_STRING", (-1, classes), "classes:0"),
            "scores": Info("DT_FLOAT", (-1, classes), "scores:0"),
        }
        examples = {EXAMPLES: Info("DT_STRING", (-1,), f"{EXAMPLES}:0")}
        return {
            DEFAULT: Signature({BYTES: Info("DT_STRING", (-1,), f"{BYTES}:0")}, outputs),
            TENSOR: Signature({IMAGES: images}, outputs),
            CLASSIFY: Signature(examples, classified, "tensorflow/serving/classify"),
        }

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
        if len(given) > self.rows:
            raise invalid(f"Task size {len(given)} is larger than maximum batch size {self.rows}")
        if signature == TENSOR:
            return self.answers(self._of_arrays(given, share))
        images = [_encoded(place, one) for place, one in enumerate(given)] if signature == CLASSIFY else list(given)
        logits = self._of_images(images, share)
        return self.answers(logits) if signature == DEFAULT else self.ranked(logits)

    def answers(self, logits: Array) -> dict[str, Array]:
        """Labels, probabilities and logits (N, classes) of what the runtime gave."""
        shares = self.probabilities(logits)
        found = {"labels": strings([self.label(row).encode() for row in shares]), "probabilities": shares}
        return {**found, "logits": logits} if self.opened.output == "logits" else found

    def ranked(self, logits: Array) -> dict[str, Array]:
        """Classes and scores (N, classes) of what the runtime gave, the most probable first."""
        shares = self.probabilities(logits)
        order = np.argsort(-shares, axis=1, kind="stable")
        names = strings([name.encode() for name in self.opened.classes])
        return {"classes": names[order], "scores": np.take_along_axis(shares, order, 1)}

    def probabilities(self, logits: Array) -> Array:
        """(N, classes), float32."""
        if self.opened.output == "probabilities":
            return logits.astype(np.float32)
        found: Array = of(multilabel=self.kind.multilabel, outputs=logits.shape[1]).probabilities(logits)
        return found.astype(np.float32)

    def label(self, shares: Array) -> str:
        """The most probable class; of several labels all from the threshold on, with `|` between them."""
        row = self.kind.row(shares, self.opened.classes, np.float32(self.opened.threshold), 1)
        return BETWEEN.join(name for name, _ in row["labels"]) if "labels" in row else str(row["label"])

    def _of_images(self, images: list[bytes], share: Share) -> Array:
        def one(numbered: tuple[int, bytes]) -> Array:
            place, content = numbered
            try:
                pixels = prepare(content, self.opened.signature)
            except DataError as error:
                raise invalid(f"image {place} can't be read: {error}") from None
            return self._logits(pixels[None])

        return self._joined(share(one, list(enumerate(images))) if images else [])

    def _of_arrays(self, images: Array, share: Share) -> Array:
        parts = np.array_split(images, max(1, len(images) // 4)) if len(images) else []
        return self._joined(share(self._logits, parts) if parts else [])

    def _joined(self, parts: list[Array]) -> Array:
        outputs = self.signatures[DEFAULT].outputs
        width = outputs["logits" if "logits" in outputs else "probabilities"].shape[1]
        return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)

    def _logits(self, images: NDArray[np.uint8]) -> Array:
        found = np.asarray(self.opened.runtime.predict(normalize(images, self.opened.signature)))
        count, known = len(images), len(self.opened.classes)
        if found.dtype.kind != "f" or found.shape not in ((count, known), (count, 1 if known == 2 else known)):
            raise Refused("INTERNAL", f"The model gives {found.dtype} {found.shape} for {count} images.")
        return found.astype(np.float32)


def _word(dtype: str) -> str:
    from bakeoff.serving.tensors import KINDS

    return KINDS[dtype].word


def _encoded(place: int, example: bytes) -> bytes:
    """The image in a serialized tf.Example."""
    from bakeoff.serving.messages import message, parsed

    found = parsed(message("tensorflow.Example"), example, f"Could not parse example input, value: {place}")
    features = found.features.feature
    values: list[bytes] = list(features[ENCODED].bytes_list.value) if ENCODED in features else []
    if len(values) != 1:
        raise invalid(
            f"example {place}: feature {ENCODED} (data type: string) is required, and has {len(values)} values."
        )
    return values[0]
