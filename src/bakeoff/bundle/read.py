"""Reading a bundle; nothing in it is executed, and its weights are checked."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from bakeoff.bundle import stopped
from bakeoff.bundle.layout import JSON_NAME, UNKNOWN_NAME, WEIGHTS_NAME, Bundle, Unknown
from bakeoff.checkpoints import safetensors
from bakeoff.errors import CorruptError, DataError, VersionError
from bakeoff.files import absent, named, read_json
from bakeoff.graph import serialize
from bakeoff.graph.graph import Graph, weights_sha256
from bakeoff.graph.passes import features as width
from bakeoff.graph.similarity import features_of
from bakeoff.preprocessing.signature import Signature
from bakeoff.rundir import result as said_of
from bakeoff.rundir.result import BEGUN
from bakeoff.schemas import SCHEMA

WIDEST, NAMES = 8, 4096  # bytes: of a number; of what a header says of an array
COPY = "Copy the bundle anew."


def folder_of(path: str | Path) -> Path | None:
    """The bundle at a path, or inside the run folder at that path; a stopped run itself; None where there is none."""
    for candidate in (Path(path), Path(path) / "bundle"):
        if (candidate / JSON_NAME).is_file():
            return candidate
    return Path(path) if stopped.is_stopped(Path(path)) else None


def read(path: str | Path) -> Bundle:
    """The bundle in a folder, or in a run folder; of a stopped run that of its last checkpoint.

    Raises:
        DataError: there is none.
        VersionError: it is of another schema.
        CorruptError: it is truncated or was edited.
    """
    folder = folder_of(path)
    if folder is None:
        what = f"neither a run nor a bundle ({JSON_NAME} is missing)." if Path(path).exists() else absent(path)
        raise DataError(f"{path}: {what} Train one: bakeoff train DATA")
    stands = (folder / JSON_NAME).is_file()
    with named(folder / (JSON_NAME if stands else BEGUN), COPY):
        return _finished(folder) if stands else _bundle(*stopped.content(folder))


def _finished(folder: Path) -> Bundle:
    value = _json(folder / JSON_NAME)
    if value.get("schema") != SCHEMA:
        raise VersionError(
            f"{folder / JSON_NAME}: schema {value.get('schema')!r}; this version of Bakeoff reads {SCHEMA}.\n"
            "Use the version that wrote it, or train it again."
        )
    arrays = _arrays(folder / WEIGHTS_NAME, _most(value["graph"]["parameters"]))
    if weights_sha256(arrays) != value.get("weights_sha256"):
        raise CorruptError(
            f"{folder / WEIGHTS_NAME}: its hash is not the one in {JSON_NAME}: truncated or edited. Copy it anew."
        )
    found = _bundle(value, arrays)
    return found if value.get("unknown") is None else replace(found, unknown=_unknown(folder, value["unknown"], found))


def _unknown(folder: Path, value: Any, bundle: Bundle) -> Unknown:
    """What tells images of no class, as far as it fits the net."""
    said, body = msgspec.convert(value, _Unknown), features_of(bundle.graph)
    shape = (len(bundle.classes), 0 if body is None else width(body))
    means = _arrays(folder / UNKNOWN_NAME, 2 * NAMES + WIDEST * math.prod(shape)).get("means")
    if means is None or means.shape != shape or not means.size or means.dtype != np.float32:
        got = "none" if means is None else f"{means.dtype} {means.shape}"
        raise CorruptError(f"{folder / UNKNOWN_NAME}: class means {got}; expected float32 {shape}. {COPY}")
    if not np.isfinite(means).all() or weights_sha256({"means": means}) != said.sha256:
        raise CorruptError(
            f"{folder / UNKNOWN_NAME}: its hash is not the one in {JSON_NAME}, or it isn't finite. {COPY}"
        )
    return Unknown(said.threshold, said.refused_validation, said.num, means, said.score)


def _most(parameters: dict[str, Any]) -> int:
    """Bytes of a file of weights that has these, with their names: the file may claim anything."""
    return NAMES * (len(parameters) + 1) + sum(WIDEST * int(math.prod(row["shape"])) for row in parameters.values())


class _Said(msgspec.Struct):
    """The plain part of a bundle's JSON."""

    classes: tuple[str, ...]
    recipe: str
    scores: dict[str, Any]
    framework: str
    loss: str
    extra: dict[str, Any]
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class _Unknown(said_of.Unknown):
    """What is said of the threshold, and the hash of its means."""

    sha256: str


def _bundle(value: dict[str, Any], arrays: dict[str, Any]) -> Bundle:
    said = msgspec.convert(value, _Said)
    graph, signature = serialize.from_json(value["graph"], arrays), Signature.from_json(value["signature"])
    _fit(graph, signature, len(said.classes))
    return Bundle(
        graph=graph,
        signature=signature,
        classes=said.classes,
        recipe_toml=said.recipe,
        scores=said.scores,
        framework=said.framework,
        loss=said.loss,
        threshold=said.threshold,
        extra=said.extra,
    )


def _fit(graph: Graph, signature: Signature, classes: int) -> None:
    """Nothing else is asked of a net than what it takes and gives."""
    taken, image = graph.input_shape[1:], (*signature.size, signature.channels)
    fits = len(taken) == 3 and all(not isinstance(a, int) or a == b for a, b in zip(taken, image, strict=True))
    wrong = classes and graph.output_shape[1:] not in ((classes,), (1 if classes == 2 else classes,))
    if len(graph.inputs) != 1 or not fits or wrong:
        raise CorruptError(
            f"the net takes {', '.join(graph.inputs)} {taken} and gives {graph.output_shape[1:]}; the signature says "
            f"{image}, and there are {classes} classes. {COPY}"
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (ValueError, OSError) as error:
        raise CorruptError(f"{path}: not readable as JSON ({error}). Copy the bundle anew.") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{path}: expected an object. Copy the bundle anew.")
    return value


def _arrays(path: Path, most: int) -> dict[str, Any]:
    try:
        return safetensors.read(path, most)
    except (DataError, CorruptError) as error:
        raise CorruptError(f"{error}\n{COPY}") from None
