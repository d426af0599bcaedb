"""What goes in and out of a model: arrays by name, as TensorFlow's signatures say it; strings are objects of bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bakeoff.schemas import Array
from bakeoff.serving.refused import invalid

Tensors = Mapping[str, Array]


@dataclass(frozen=True)
class Kind:
    """A type of numbers by all its names: TensorFlow's enum, its word in messages, NumPy's, and KServe's."""

    enum: int
    word: str
    numpy: str
    kserve: str = ""


KINDS: dict[str, Kind] = {
    "DT_FLOAT": Kind(1, "float", "float32", "FP32"),
    "DT_DOUBLE": Kind(2, "double", "float64", "FP64"),
    "DT_INT32": Kind(3, "int32", "int32", "INT32"),
    "DT_UINT8": Kind(4, "uint8", "uint8", "UINT8"),
    "DT_INT16": Kind(5, "int16", "int16", "INT16"),
    "DT_INT8": Kind(6, "int8", "int8", "INT8"),
    "DT_STRING": Kind(7, "string", "object", "BYTES"),
    "DT_INT64": Kind(9, "int64", "int64", "INT64"),
    "DT_BOOL": Kind(10, "bool", "bool", "BOOL"),
    "DT_UINT16": Kind(17, "uint16", "uint16", "UINT16"),
    "DT_HALF": Kind(19, "half", "float16", "FP16"),
    "DT_UINT32": Kind(22, "uint32", "uint32", "UINT32"),
    "DT_UINT64": Kind(23, "uint64", "uint64", "UINT64"),
}
BY_ENUM = {kind.enum: name for name, kind in KINDS.items()}
BY_NUMPY = {kind.numpy: name for name, kind in KINDS.items()}
BY_KSERVE = {kind.kserve: name for name, kind in KINDS.items()}


def name_of(array: Array) -> str:
    """The TensorFlow name of an array's type."""
    return BY_NUMPY[array.dtype.name]


def within(rows: int, most: int) -> None:
    """Refuse more rows than a model takes.

    Raises:
        Refused: there are more.
    """
    if rows > most:
        raise invalid(f"Task size {rows} is larger than maximum batch size {most}")


def strings(values: list[bytes]) -> Array:
    """(N,) of bytes; NumPy's own type of bytes would lose zeros at their ends."""
    made = np.empty(len(values), object)
    made[:] = values
    return made


@dataclass(frozen=True)
class Info:
    """A tensor of a signature; -1 in the shape is any size."""

    dtype: str
    shape: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class Signature:
    """A way to ask a model."""

    inputs: Mapping[str, Info]
    outputs: Mapping[str, Info]
    method: str = "tensorflow/serving/predict"
    defaults: Mapping[str, Any] = field(default_factory=dict)
