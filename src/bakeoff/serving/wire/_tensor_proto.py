"""TensorProto: read as TensorFlow's C++ reads it, written as TensorFlow Serving writes it (typed fields)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bakeoff.schemas import Array
from bakeoff.serving.messages import message
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import BY_ENUM, KINDS, name_of, strings

DEEPEST = 64  # axes that NumPy has; TensorFlow has 254, and no model here takes more than 4
FIELDS = {
    **dict.fromkeys(("DT_INT32", "DT_UINT8", "DT_INT16", "DT_INT8", "DT_UINT16"), "int_val"),
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_STRING": "string_val",
    "DT_INT64": "int64_val",
    "DT_BOOL": "bool_val",
    "DT_HALF": "half_val",
    "DT_UINT32": "uint32_val",
    "DT_UINT64": "uint64_val",
}


def read(alias: str, given: Any, most: int) -> Array:
    """The array of a TensorProto: of too few values the last is repeated, and whole numbers wrap.

    Args:
        alias: of the input, for the message.
        given: the message.
        most: bytes that the array may have, which a small message can make large.

    Raises:
        Refused: what it holds doesn't fit its shape or type.
    """
    wrong, dtype = invalid(f"tensor parsing error: {alias}"), BY_ENUM.get(given.dtype)
    shape = [one.size for one in given.tensor_shape.dim]
    if dtype is None or given.tensor_shape.unknown_rank or min(shape, default=0) < 0 or len(shape) > DEEPEST:
        raise wrong
    count, kind = math.prod(shape), np.dtype(KINDS[dtype].numpy)
    if math.prod(size or 1 for size in shape) * kind.itemsize > most:
        raise wrong
    content = given.tensor_content
    if content and dtype == "DT_STRING":
        return _listed(content, count, wrong).reshape(shape)
    if content:
        if len(content) != count * kind.itemsize:
            raise wrong
        return np.frombuffer(content, kind.newbyteorder("<")).reshape(shape)
    values = getattr(given, FIELDS[dtype])[:count]
    if dtype == "DT_STRING":
        listed = [*values]
        return strings((listed + [listed[-1] if listed else b""] * count)[:count]).reshape(shape)
    if dtype == "DT_HALF":
        found = np.array(values, np.int64).astype(np.uint16).view(np.float16)
    else:
        found = np.array(values, kind if kind.kind in "fb" else "uint64" if dtype == "DT_UINT64" else "int64")
        found = found.astype(kind)
    fill = found[-1] if len(found) else kind.type(0)
    return np.concatenate([found, np.full(count - len(found), fill, kind)]).reshape(shape)


def write(array: Array, made: Any = None) -> Any:
    """A TensorProto with the values of an array, in the field of its type."""
    made = message("tensorflow.TensorProto")() if made is None else made
    dtype = name_of(array)
    made.dtype = KINDS[dtype].enum
    for size in array.shape:
        made.tensor_shape.dim.add(size=size)
    values = array.view(np.uint16) if dtype == "DT_HALF" else array
    getattr(made, FIELDS[dtype]).extend(values.ravel().tolist())
    return made


def _listed(content: bytes, count: int, wrong: Refused) -> Array:
    """Strings as tensor_content has them: all lengths as varints, then all bytes."""
    at, lengths = 0, list[int]()
    for _ in range(count):
        size = shift = 0
        while True:
            if at >= len(content) or shift > 28:
                raise wrong
            byte, at = content[at], at + 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        lengths.append(size)
    if at + sum(lengths) != len(content):
        raise wrong
    found = []
    for size in lengths:
        found.append(content[at : at + size])
        at += size
    return strings(found)
