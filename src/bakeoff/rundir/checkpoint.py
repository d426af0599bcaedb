"""Checkpoints: everything that a training needs to go on, in a file of arrays and a JSON that vouches for it.

checkpoints/
  00000007.safetensors   "net/PATH", "slot/SLOT/PATH", "best/PATH", "average/PATH": canonical arrays
  00000007.json          schema, hash of the arrays, hash of itself, and where the training stood

The arrays are written first, whole and synced; then the JSON, whole and synced; then what is older goes. A kill between
any two instructions leaves the last complete pair. Nothing in it belongs to a framework.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np

from bakeoff.errors import CorruptError, NotWorthSavingError, VersionError
from bakeoff.files import atomic_write, named, read_json, regular, remove, space_for
from bakeoff.schemas import SCHEMA, Array

FOLDER = "checkpoints"
Found = TypeVar("Found")
ARRAYS, JSON = ".safetensors", ".json"


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _State(msgspec.Struct, frozen=True):
    """Where the loop was; phases keep more here."""

    step: _Count = 0
    epoch: _Count = 0


class _Stood(msgspec.Struct):
    """What every checkpoint says, as far as it is there."""

    arrays: Annotated[str, msgspec.Meta(pattern=r"^\d{8}\.safetensors$")]
    arrays_sha256: str
    recipe: str = ""
    logs: dict[str, _Count] = {}
    phase: _Count = 0
    phases: list[dict[str, Any]] = []
    wall_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    state: _State = _State()


@dataclass(frozen=True)
class Checkpoint:
    """What was saved.

    Attributes:
        meta: where the training stood: plain values.
        arrays: canonical arrays by "GROUP/NAME".
    """

    meta: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)

    def group(self, name: str) -> dict[str, Array]:
        """The arrays of a group, without its prefix."""
        return {key[len(name) + 1 :]: array for key, array in self.arrays.items() if key.startswith(f"{name}/")}

    def slots(self) -> dict[str, dict[str, Array]]:
        """The optimizer's state, by path and slot."""
        found: dict[str, dict[str, Array]] = {}
        for key, array in self.group("slot").items():
            slot, _, path = key.partition("/")
            found.setdefault(path, {})[slot] = array
        return found


def grouped(name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Arrays under the prefix of a group."""
    return {f"{name}/{key}": array for key, array in arrays.items()}


def slot_arrays(slots: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """An optimizer's state under its prefix."""
    return {f"slot/{slot}/{path}": array for path, held in slots.items() for slot, array in held.items()}


def finite(arrays: Mapping[str, Array]) -> bool:
    """Whether every number is one."""
    return all(np.isfinite(array).all() for array in arrays.values() if np.issubdtype(array.dtype, np.floating))


def save(run: Path, found: Checkpoint) -> Path:
    """Write a checkpoint whole or not at all; the one before goes once this one stands.

    Raises:
        NotWorthSavingError: an array that isn't finite: it would not be worth going on from.
        DataError: the disk is full; what was there before is whole.
    """
    from safetensors.numpy import save as to_bytes

    if not finite(found.arrays):
        raise NotWorthSavingError("some arrays hold numbers that are not finite: no checkpoint is made of them.")
    folder = run / FOLDER
    name = f"{max(_numbers(folder), default=0) + 1:08d}"
    content = to_bytes({key: np.ascontiguousarray(array) for key, array in found.arrays.items()})
    meta = {**found.meta, "arrays": name + ARRAYS, "arrays_sha256": hashlib.sha256(content).hexdigest()}
    value = {"schema": SCHEMA, "sha256": _digest(meta), **meta}
    with space_for(folder, len(content)):
        with atomic_write(folder / (name + ARRAYS), run) as stream:
            stream.write(content)
        with atomic_write(folder / (name + JSON), run) as stream:
            stream.write((json.dumps(value, indent=1) + "\n").encode())
    for path in _files(folder):
        if path.name.split(".")[0] != name:
            with suppress(OSError):
                remove(path, run)
    return folder / (name + JSON)


def load(run: Path) -> Checkpoint | None:
    """The last complete checkpoint of a run; None where none was made yet.

    Raises:
        CorruptError: there are some, and none is whole: cut short or edited.
        VersionError: of another schema.
    """
    return _newest(run, _read)


def last(run: Path) -> dict[str, Any] | None:
    """Where the last checkpoint of a run stood; its arrays aren't read."""
    return _newest(run, _meta)


def _newest(run: Path, read: Callable[[Path], Found]) -> Found | None:
    error: CorruptError | None = None
    for path in sorted((path for path in _files(run / FOLDER) if path.suffix == JSON), reverse=True):
        try:
            with named(path, "Train the run again."):
                return read(path)
        except CorruptError as found:
            error = error or found
    if error is not None:
        raise error
    return None


def _meta(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
        schema = value["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptError(f"{path}: can't be read ({error}). Train the run again.") from None
    if schema != SCHEMA:
        raise VersionError(
            f"{path}: schema {schema!r}; this version of Bakeoff reads {SCHEMA}.\nGo on with the version that wrote it."
        )
    meta = {key: inner for key, inner in value.items() if key not in ("schema", "sha256")}
    if value.get("sha256") != _digest(meta):
        raise CorruptError(f"{path}: its content doesn't match its hash: edited? Train the run again.")
    msgspec.convert(meta, _Stood)
    return meta


def _read(path: Path) -> Checkpoint:
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    meta = _meta(path)
    target = path.with_name(meta["arrays"])
    try:
        with regular(target) as file:
            content = file.read()
    except OSError as error:
        raise CorruptError(f"{target}: can't be read ({error.strerror}). Train the run again.") from None
    if hashlib.sha256(content).hexdigest() != meta["arrays_sha256"]:
        raise CorruptError(f"{target}: its hash is not the one in {path.name}: truncated or edited. Train again.")
    try:
        return Checkpoint(meta, from_bytes(content))
    except (SafetensorError, ValueError) as error:
        raise CorruptError(f"{target}: not readable as safetensors ({error}). Train the run again.") from None


def _digest(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    """Checkpoint files, and what a killed writer left under a temporary name."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix in (ARRAYS, JSON, ".tmp") and _owned(path.name)]


def _owned(name: str) -> bool:
    return name.lstrip(".")[:8].isdigit()


def _numbers(folder: Path) -> list[int]:
    return [int(path.name[:8]) for path in _files(folder) if path.suffix in (ARRAYS, JSON)]
