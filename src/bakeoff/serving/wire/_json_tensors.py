"""From the JSON of a request to tensors, and from tensors to JSON: rows, columns, and TensorFlow Serving's messages.

Numbers in lists are taken by NumPy at once; only where that can't be, each is looked at, to say which one is wrong.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bakeoff.schemas import Array
from bakeoff.serving.refused import Refused, invalid
from bakeoff.serving.tensors import KINDS, Info, Tensors, name_of, within
from bakeoff.serving.wire._json import encoded, is_base64, numbers, shown, type_of, unpacked

Wanted = Mapping[str, Info]
_WHOLE = {  # of what RapidJSON's IsInt, IsInt64 ... say yes to
    **dict.fromkeys(("DT_INT32", "DT_INT16", "DT_INT8", "DT_UINT8"), (-(1 << 31), (1 << 31) - 1)),
    "DT_INT64": (-(1 << 63), (1 << 63) - 1),
    "DT_UINT32": (0, (1 << 32) - 1),
    "DT_UINT64": (0, (1 << 64) - 1),
}
_DECIMAL = ("DT_FLOAT", "DT_DOUBLE")
DEEPEST = 32  # lists in lists; NumPy ends at 64 axes, and rows are stacked to one more


def inputs(request: dict[str, Any], wanted: Wanted, body: bytes, most: int) -> tuple[dict[str, Array], bool]:
    """The tensors of a predict request; whether it came in rows.

    Args:
        request: the JSON.
        wanted: the inputs of the signature.
        body: what the JSON was read from: whether NumPy may read lists of numbers depends on words in it.
        most: rows that the model takes; more are refused before millions of them are looked at.

    Raises:
        Refused: as TensorFlow Serving.
    """
    plain = b"true" not in body and b"false" not in body  # NumPy takes them for 1 and 0
    if "instances" in request:
        if "inputs" in request:
            only = "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
            raise invalid(f"JSON Value: {shown(request)} {only}")
        rows = request["instances"]
        if not isinstance(rows, list):
            raise invalid(f"JSON Value: {shown(request)} Expecting 'instances' to be an list/array")
        if not rows:
            raise invalid(f"JSON Value: {shown(request)} No values in 'instances' array")
        within(len(rows), most)
        return _rows(rows, wanted, plain), True
    if "inputs" not in request:
        raise invalid("Missing 'inputs' or 'instances' key")
    columns = request["inputs"]
    for column in columns.values() if _named(columns) else [columns]:
        within(len(column) if isinstance(column, list) else 0, most)
    return _columns(columns, wanted, plain), False


def _rows(rows: list[Any], wanted: Wanted, plain: bool) -> dict[str, Array]:
    if not isinstance(rows[0], dict) and len(wanted) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    if _named(rows[0]):
        return _named_rows(rows, wanted, plain)
    ((name, info),) = wanted.items()
    quick = _quick(rows, info.dtype) if plain else None
    if quick is not None:
        return {name: quick}
    items: list[Array] = []
    for place, row in enumerate(rows):
        if _named(row):
            raise invalid(f"Expecting value/list but got object at item {place} of input list")
        try:
            items.append(_like(_tensor(row, info.dtype, plain), items))
        except Refused as error:
            said = f"Failed to process element: {place} of 'instances' list. Error: {error.code}: {error.message}"
            raise invalid(said) from None
    return {name: np.stack(items)}


def _named_rows(rows: list[Any], wanted: Wanted, plain: bool) -> dict[str, Array]:
    items: dict[str, list[Array]] = {name: [] for name in wanted}
    for place, row in enumerate(rows):
        if not _named(row):
            raise invalid(f"Expecting object but got list at item {place} of input list")
        for key, value in row.items():
            try:
                if key not in wanted:
                    raise invalid(f"JSON object: does not have named input: {key}")
                items[key].append(_like(_tensor(value, wanted[key].dtype, plain), items[key]))
            except Refused as error:
                said = f"{place} key: {key} of 'instances' list. Error: {error.code}: {error.message}"
                raise invalid(f"Failed to process element: {said}") from None
        if row.keys() != wanted.keys():
            said = f"{place} of 'instances' list. JSON object: {shown(row)} keys must be equal to"
            raise invalid(f"Failed to process element: {said}: {','.join(sorted(wanted))}")
    return {name: np.stack(found) for name, found in items.items()}


def _columns(value: Any, wanted: Wanted, plain: bool) -> dict[str, Array]:
    if not _named(value):
        if len(wanted) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        ((name, info),) = wanted.items()
        return {name: _tensor(value, info.dtype, plain)}
    found = {}
    for name, info in wanted.items():
        if name not in value:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        found[name] = _tensor(value[name], info.dtype, plain)
    return found


def _named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _like(item: Array, before: list[Array]) -> Array:
    """The item, if it has the shape of the first."""
    first = before[0] if before else item
    if item.size != first.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {item.size}")
    if item.shape != first.shape:
        shapes = ["[" + ",".join(map(str, shape)) + "]" for shape in (first.shape, item.shape)]
        raise invalid(f"Expecting shape {shapes[0]} but got: {shapes[1]}")
    return item


def _quick(value: Any, dtype: str) -> Array | None:
    """A list of numbers as an array; None where it isn't plainly one."""
    kinds = "iuf" if dtype in _DECIMAL else "iu" if dtype in _WHOLE else ""
    if not kinds or not isinstance(value, list):
        return None
    try:
        found = np.array(value)
    except (ValueError, OverflowError):
        return None
    if found.dtype.kind not in kinds or not found.size or found.ndim > DEEPEST:
        return None
    if dtype in _WHOLE:
        low, high = _WHOLE[dtype]
        if int(found.min()) < low or int(found.max()) > high:
            return None
    with np.errstate(over="ignore"):
        return found.astype(KINDS[dtype].numpy)


def _tensor(value: Any, dtype: str, plain: bool) -> Array:
    quick = _quick(value, dtype) if plain else None
    if quick is not None:
        return quick
    shape, first = list[int](), value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > DEEPEST:
        raise invalid(f"Encountered list at unexpected level: {DEEPEST} expected < {DEEPEST}")
    found = list(_leaves(value, 0, shape, dtype))
    made = np.empty(len(found), object)
    made[:] = found
    if dtype in _WHOLE:  # beyond the type's own range they wrap
        made = made.astype("uint64" if dtype == "DT_UINT64" else "int64")
    try:
        with np.errstate(over="ignore"):
            return made.astype(KINDS[dtype].numpy).reshape(shape)
    except OverflowError:  # a whole number of hundreds of digits
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None


def _leaves(value: Any, level: int, shape: list[int], dtype: str) -> Iterator[Any]:
    if not isinstance(value, list):
        if level != len(shape):
            said = f"found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {len(shape)}"
            raise invalid(f"JSON Value: {shown(value)} {said}")
        yield _leaf(value, dtype)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        said = f"unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        raise invalid(f"Encountered list at {said}")
    for inner in value:
        yield from _leaves(inner, level + 1, shape, dtype)


def _leaf(value: Any, dtype: str) -> Any:
    word = KINDS[dtype].word
    if isinstance(value, dict) and dtype == "DT_STRING":
        if not is_base64(value):
            raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
        return unpacked(value["b64"])
    if dtype not in (*_WHOLE, *_DECIMAL, "DT_STRING", "DT_BOOL") and not isinstance(value, dict):
        raise Refused("UNIMPLEMENTED", f"Conversion of JSON Value: {shown(value)} to type: {word}")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "DT_STRING": isinstance(value, str),
        "DT_BOOL": isinstance(value, bool),
        "DT_FLOAT": number,
        "DT_DOUBLE": number,
    }
    whole = dtype in _WHOLE and isinstance(value, int) and number and _WHOLE[dtype][0] <= value <= _WHOLE[dtype][1]
    if not (fits.get(dtype, False) or whole):
        raise invalid(f"JSON Value: {shown(value)} Type: {type_of(value)} is not of expected type: {word}")
    return encoded(value) if isinstance(value, str) else value


def predictions(found: Tensors, rows: bool) -> bytes:
    """The answer to a predict request: `predictions`, a row an image, or `outputs`.

    Raises:
        Refused: a tensor that JSON has no form for.
    """
    texts = {name: _text(name, tensor) for name, tensor in found.items()}
    if not rows:
        parts = {name: _listed(text, found[name].shape) for name, text in texts.items()}
        return encoded(f'{{\n    "outputs": {_object(parts, " " * 4)}\n}}')
    sizes = {name: tensor.shape[:1] for name, tensor in found.items()}
    first = next(iter(sizes.values()))
    for name, size in sizes.items():
        if not size:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if size != first:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {size[0]} expecting: {first[0]}")
    items = []
    for place in range(first[0]):
        parts = {}
        for name, text in texts.items():
            width = len(text) // first[0]
            parts[name] = _listed(text[place * width : (place + 1) * width], found[name].shape[1:])
        items.append(_object(parts, " " * 8))
    inside = ", ".join(items) if len(texts) == 1 else ",\n        ".join(items)
    begin, end = ("[", "\n    ]") if len(texts) == 1 else ("[\n        ", "\n    ]")
    return encoded(f'{{\n    "predictions": {begin}{inside}{end}\n}}')


def _object(parts: dict[str, str], indent: str) -> str:
    """The value alone, or an object of several."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    inside = f",\n{indent}    ".join(f"{json.dumps(name)}: {text}" for name, text in parts.items())
    return f"{{\n{indent}    {inside}\n{indent}}}"


def _listed(texts: list[str], shape: tuple[int, ...]) -> str:
    if not shape:
        return texts[0]
    width = len(texts) // shape[0] if shape[0] else 0
    rows = (texts[n * width : (n + 1) * width] for n in range(shape[0]))
    return "[" + ", ".join(_listed(row, shape[1:]) for row in rows) + "]"


def _text(name: str, tensor: Array) -> list[str]:
    flat = tensor.ravel()
    if tensor.dtype == object and name.endswith("_bytes"):
        return [json.dumps({"b64": base64.b64encode(one).decode()}) for one in flat]
    if tensor.dtype == object:
        return [json.dumps(one.decode("utf-8", "surrogateescape"), ensure_ascii=False) for one in flat]
    if tensor.dtype.kind == "f" and tensor.dtype != np.float16:
        return numbers(flat)
    if tensor.dtype.kind in "iub":
        return [json.dumps(one) for one in flat.tolist()]
    raise invalid(f"Failed to write JSON value for tensor type: {KINDS[name_of(tensor)].word}")
