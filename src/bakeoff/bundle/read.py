"""Reading a bundle; nothing in it is executed, and its weights are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import stopped
from bakeoff.bundle.layout import JSON_NAME, WEIGHTS_NAME, Bundle
from bakeoff.errors import CorruptError, DataError, VersionError
from bakeoff.files import read_json
from bakeoff.graph import serialize
from bakeoff.graph.graph import weights_sha256
from bakeoff.preprocessing.signature import Signature
from bakeoff.rundir.result import BEGUN
from bakeoff.schemas import SCHEMA


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
        raise DataError(f"{path}: neither a run nor a bundle ({JSON_NAME} is missing). Train one: bakeoff train DATA")
    if not (folder / JSON_NAME).is_file():
        return _bundle(*stopped.content(folder), folder / BEGUN)
    value = _json(folder / JSON_NAME)
    if value.get("schema") != SCHEMA:
        raise VersionError(
            f"{folder / JSON_NAME}: schema {value.get('schema')!r}; this version of Bakeoff reads {SCHEMA}.\n"
            "Use the version that wrote it, or train it again."
        )
    arrays = _arrays(folder / WEIGHTS_NAME)
    if weights_sha256(arrays) != value.get("weights_sha256"):
        raise CorruptError(
            f"{folder / WEIGHTS_NAME}: its hash is not the one in {JSON_NAME}: truncated or edited. Copy it anew."
        )
    return _bundle(value, arrays, folder / JSON_NAME)


def _bundle(value: dict[str, Any], arrays: dict[str, Any], origin: Path) -> Bundle:
    try:
        return Bundle(
            graph=serialize.from_json(value["graph"], arrays),
            signature=Signature.from_json(value["signature"]),
            classes=tuple(value["classes"]),
            recipe_toml=value["recipe"],
            scores=value["scores"],
            framework=value["framework"],
            loss=value["loss"],
            threshold=float(value.get("threshold", 0.5)),
            extra=value["extra"],
        )
    except (KeyError, TypeError) as error:
        raise CorruptError(f"{origin}: {error!r} is missing or of the wrong kind: edited? Copy it anew.") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (ValueError, OSError) as error:
        raise CorruptError(f"{path}: not readable as JSON ({error}). Copy the bundle anew.") from None
    if not isinstance(value, dict):
        raise CorruptError(f"{path}: expected an object. Copy the bundle anew.")
    return value


def _arrays(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found: dict[str, Any] = load_file(str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptError(f"{path}: not readable as safetensors ({error}). Copy the bundle anew.") from None
    return found
