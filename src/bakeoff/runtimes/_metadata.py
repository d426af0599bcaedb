"""What an exported file says about itself: one JSON text that each format keeps in its own place.

ONNX          metadata_props["bakeoff"]
.pt2          extra file "bakeoff.json"
.keras, .pth  NAME.keras.bakeoff.json beside it
SavedModel    assets.extra/bakeoff.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.errors import CorruptError, DataError, UsageError, VersionError
from bakeoff.preprocessing.signature import Signature

KEY = "bakeoff"
FILE = "bakeoff.json"
SCHEMA = 1
LOSSES = ("softmax_cross_entropy", "binary_cross_entropy", "multi_label_cross_entropy")
OUTPUTS = ("logits", "probabilities")
SIMILARITY = "similarity"  # the output that tells images of no class


@dataclass(frozen=True)
class Metadata:
    """How images become inputs, and logits become names.

    Attributes:
        threshold: the probability from which one of several labels is given.
        output: what the file gives: logits, or probabilities where a sigmoid is part of it.
        unknown: the similarity below which an image is of no class; the file then has an output `similarity`, (N, 1).
    """

    signature: Signature
    classes: tuple[str, ...]
    loss: str
    threshold: float = 0.5
    output: str = "logits"
    unknown: float | None = None


def beside(path: Path) -> Path:
    """The file beside one that has no place for the text."""
    return path.with_name(f"{path.name}.{FILE}")


def encode(signature: Signature, classes: Sequence[str], loss: str, **more: Any) -> str:
    """The text; `more` travels along for people to read (scores, licence, hashes)."""
    value = {"signature": signature.to_json(), "classes": list(classes), "loss": loss}
    return json.dumps({"schema": SCHEMA, **value, **more}, ensure_ascii=False, sort_keys=True)


def decode(text: str | bytes | None, what: str) -> Metadata:
    """What `encode` wrote.

    Raises:
        DataError: there is none: the file was not exported by Bakeoff.
        VersionError: another schema.
        CorruptError: it was edited.
    """
    if not text:
        raise DataError(
            f"{what}: it doesn't say how images are prepared and what its classes are called.\n"
            "Export it with Bakeoff (bakeoff export RUN --to FORMAT), and keep the files together."
        )
    try:
        value = json.loads(text)
        if value["schema"] != SCHEMA:
            raise VersionError(
                f"{what}: schema {value['schema']!r}; this version of Bakeoff reads {SCHEMA}. Export it anew."
            )
        classes = tuple(value["classes"])
        if value["loss"] not in LOSSES or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"loss {value['loss']!r}, classes {classes!r}")
        threshold, output = float(value.get("threshold", 0.5)), value.get("output", "logits")
        if output not in OUTPUTS:
            raise ValueError(f"output {output!r}")
        unknown = None if value.get("unknown") is None else float(value["unknown"]["threshold"])
        if unknown is not None and not -1 <= unknown <= 1:
            raise ValueError(f"unknown below {unknown}")
        return Metadata(Signature.from_json(value["signature"]), classes, value["loss"], threshold, output, unknown)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise CorruptError(f"{what}: what it says about itself is damaged ({error}). Export it anew.") from None
