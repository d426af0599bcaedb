"""KServe V2, apart from how it travels: which signature is asked, what the model is like, BYTES and base64."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.schemas import Array
from bakeoff.serving.model import DEFAULT, IMAGES, TENSOR, Served
from bakeoff.serving.models import Models, version_number
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import BY_KSERVE, KINDS, Signature, name_of, strings

EXTENSIONS = ["binary_tensor_data"]
PLATFORM = "bakeoff_onnxruntime"
ASKED = (DEFAULT, IMAGES, TENSOR)


def found(models: Models, name: str, version: str) -> Served:
    """The version of a model.

    Raises:
        Refused: as KServe says it.
    """
    if name not in models.given:
        raise Refused("NOT_FOUND", f"Model with name {name} does not exist.")
    if version and not (version.isascii() and version.isdecimal()):
        raise invalid(f"version {version!r}: expected a number.")
    try:
        return models.find(name, version_number(version) if version else None)
    except Refused:
        if version:
            raise Refused("NOT_FOUND", f"Model with name {name} and version {version} does not exist.") from None
        raise Refused("UNAVAILABLE", f"Model with name {name} is not ready.") from None


def ready(models: Models, name: str, version: str) -> bool:
    """Whether it answers.

    Raises:
        Refused: there is no such model.
    """
    try:
        found(models, name, version)
    except Refused as error:
        if name not in models.given:
            raise
        return error.code not in ("UNAVAILABLE", "NOT_FOUND")
    return True


def tensors(infos: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name, datatype and shape of each."""
    return [
        {"name": alias, "datatype": KINDS[info.dtype].kserve, "shape": list(info.shape)}
        for alias, info in infos.items()
    ]


def metadata(models: Models, served: Served) -> dict[str, Any]:
    """What the model is like: its usual signature, and what makes labels of probabilities."""
    signature, opened = served.signatures[DEFAULT], served.opened
    return {
        "name": served.name,
        "versions": [str(version) for version in models.available(served.name)],
        "platform": PLATFORM,
        "inputs": tensors(signature.inputs),
        "outputs": tensors(signature.outputs),
        "parameters": {"classes": list(opened.classes), "loss": opened.loss, "threshold": opened.threshold},
    }


def asked(served: Served, inputs: Mapping[str, Array], outputs: list[str]) -> tuple[str, Signature]:
    """The signature whose inputs these are.

    Raises:
        Refused: of none; or an output is asked for that it doesn't have.
    """
    for name in ASKED:
        signature = served.signatures[name]
        if inputs.keys() == signature.inputs.keys():
            for output in outputs:
                if output not in signature.outputs:
                    raise invalid(f"unexpected inference output '{output}' for model '{served.name}'")
            return name, signature
    known = " or ".join(repr(one) for name in ASKED for one in served.signatures[name].inputs)
    raise invalid(f"inputs {', '.join(sorted(map(repr, inputs))) or 'missing'}; model '{served.name}' takes {known}.")


def run(served: Served, inputs: Mapping[str, Array], outputs: list[str], share: Any) -> dict[str, Array]:
    """The outputs that were asked for, all if none was named.

    Raises:
        Refused: see `asked`, and `Served.run`.
    """
    name, _ = asked(served, inputs, outputs)
    answers = served.run(name, inputs, share)
    return {alias: answers[alias] for alias in outputs or answers}


def kind_of(name: str, datatype: str) -> np.dtype[Any]:
    """NumPy's type for one of KServe's.

    Raises:
        Refused: it isn't one.
    """
    if datatype not in BY_KSERVE or not datatype:
        raise invalid(f"input '{name}': unknown datatype {datatype!r}.")
    return np.dtype(KINDS[BY_KSERVE[datatype]].numpy)


def sized(name: str, shape: list[int], most: int, kind: np.dtype[Any]) -> int:
    """How many elements a shape has.

    Raises:
        Refused: it is none, or has too many.
    """
    if any(not isinstance(size, int) or isinstance(size, bool) or size < 0 for size in shape) or len(shape) > 32:
        raise invalid(f"input '{name}': shape {shape} is none.")
    if math.prod(size or 1 for size in shape) * kind.itemsize > most:  # none of 0 hides others: NumPy multiplies them
        raise invalid(f"input '{name}': shape {shape} is too large.")
    return math.prod(shape)


def from_raw(name: str, content: bytes, datatype: str, shape: list[int], most: int) -> Array:
    """An array of bytes as they travel: little-endian; each of BYTES has its length before it.

    Raises:
        Refused: they don't fit.
    """
    kind = kind_of(name, datatype)
    count = sized(name, shape, most, kind)
    if datatype != "BYTES":
        if len(content) != count * kind.itemsize:
            raise invalid(f"unexpected size for input '{name}': {len(content)} bytes for {datatype} {shape}.")
        return np.frombuffer(content, kind.newbyteorder("<")).reshape(shape)
    parts, at = list[bytes](), 0
    while at < len(content) and len(parts) <= count:
        (size,) = struct.unpack_from("<I", content, at) if at + 4 <= len(content) else (len(content),)
        if at + 4 + size > len(content):
            raise invalid(f"input '{name}': element {len(parts)} is longer than its bytes.")
        parts.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    if len(parts) != count:
        raise invalid(f"unexpected number of elements for input '{name}': {len(parts)} for {shape}.")
    return strings(parts).reshape(shape)


def to_raw(array: Array) -> bytes:
    """The same, the other way."""
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(one)) + one for one in array.ravel())
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def datatype(array: Array) -> str:
    """KServe's name of an array's type."""
    return KINDS[name_of(array)].kserve
