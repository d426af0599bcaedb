"""NumPy's `.npz` in the layout of Keras's data sets: x_train, y_train and, where there are, x_test, y_test.

Images are uint8, (n, H, W) or (n, H, W, 1 or 3); labels whole numbers or names, (n,) or (n, 1). Classes are the labels
of y_train as text, in the order of all sources, or the array `classes` of names. x_val and y_val (or x_validation,
y_validation) are taken for validation. Nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.data.sources._cells import class_name
from bakeoff.data.sources._names import in_order
from bakeoff.errors import DataError
from bakeoff.files import read_arrays
from bakeoff.protocols import Table

PRIORITY = 10

_PARTS = (("train", 0), ("val", 1), ("validation", 1), ("test", 2))


def accepts(path: Path) -> bool:
    """Any file named .npz."""
    return path.suffix.lower() == ".npz" and path.is_file()


def read(path: Path) -> Table:
    """The table of an archive.

    Raises:
        DataError: not an archive, arrays missing, of another shape or type.
    """
    arrays = _load(path)
    parts = [(name, code) for name, code in _PARTS if f"x_{name}" in arrays and f"y_{name}" in arrays]
    if not parts or parts[0][1] != 0:
        raise DataError(f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}.\nExpected x_train and y_train.")
    pixels = [_pixels(path, f"x_{name}", arrays) for name, _ in parts]
    shapes = sorted({part.shape[1:] for part in pixels})
    if len(shapes) > 1:
        raise DataError(f"{path}: images of shapes {shapes}.\nAll splits need the same.")
    numbers = [_labels(path, f"y_{name}", arrays, len(part)) for (name, _), part in zip(parts, pixels, strict=True)]
    classes = _classes(path, arrays, set(numbers[0].tolist()))
    strange = np.setdiff1d(np.concatenate(numbers), classes)
    if strange.size:
        raise DataError(f"{path}: label {strange[0]} has no image in x_train.\nEvery class needs images to train on.")
    number_of = {name: number for number, name in enumerate(classes)}
    used = {f"{side}_{name}" for name, _ in parts for side in "xy"} | {"classes"}
    unused = ", ".join(sorted(arrays.keys() - used))
    return Table(
        classes,
        np.concatenate([_names(name, len(part)) for (name, _), part in zip(parts, pixels, strict=True)]),
        np.array([number_of[name] for name in np.concatenate(numbers).tolist()], np.int64),
        np.concatenate([np.full(len(part), code, np.int8) for (_, code), part in zip(parts, pixels, strict=True)]),
        pixels=np.concatenate(pixels),
        unused=(f"not used: arrays of {path.name}: {unused} (images and labels: x_NAME and y_NAME)",) if unused else (),
    )


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return read_arrays(path)
    except Exception as error:  # of NumPy, zipfile, zlib
        text = "holds Python objects, which are never unpickled" if "allow_pickle" in str(error) else "can't be read"
        text = str(error) if "bomb" in str(error) else text
        raise DataError(f"{path}: {text}; expected an archive of NumPy arrays, as numpy.savez writes.") from None


def _pixels(path: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    value = arrays[name]
    good = value.ndim == 3 or (value.ndim == 4 and value.shape[-1] in (1, 3))
    if value.dtype != np.uint8 or not good or not value.size:
        raise DataError(
            f"{path}: {name} is {value.dtype} {value.shape}.\nExpected uint8, (n, H, W) or (n, H, W, 1 or 3)."
        )
    return value[..., 0] if value.ndim == 4 and value.shape[-1] == 1 else value


def _labels(path: Path, name: str, arrays: Mapping[str, NDArray[Any]], count: int) -> NDArray[np.str_]:
    """The class of each image; whole numbers have their names in the array `classes`, where there is one."""
    value, names = arrays[name], arrays.get("classes")
    if value.dtype.kind not in "iufbUS" or value.shape not in ((count,), (count, 1)):
        raise DataError(f"{path}: {name} is {value.dtype} {value.shape}.\nExpected whole numbers or names, ({count},).")
    kinds, first, places = np.unique(value.reshape(-1), return_index=True, return_inverse=True)
    found = {int(row): class_name(path, int(row) + 1, kind) for kind, row in zip(kinds.tolist(), first, strict=True)}
    words = np.array([found[int(row)] for row in first], np.str_)
    if names is not None and value.dtype.kind in "iuf":
        if names.dtype.kind != "U" or names.ndim != 1 or not (kinds[0] >= 0 and kinds[-1] < len(names)):
            raise DataError(f"{path}: classes is {names.dtype} {names.shape}.\nExpected a name for each label.")
        words = names[kinds.astype(np.int64)]
    return words[places.reshape(-1)]


def _classes(path: Path, arrays: Mapping[str, NDArray[Any]], there: set[str]) -> tuple[str, ...]:
    if len(there) < 2:
        raise DataError(f"{path}: one class only, {min(there)}; a classifier needs two or more.")
    names = arrays.get("classes")
    if names is not None and names.dtype.kind == "U" and there <= set(names.tolist()):
        return tuple(dict.fromkeys(name for name in names.tolist() if name in there))
    return in_order(there)


def _names(split: str, count: int) -> NDArray[np.str_]:
    return np.char.add(np.char.add(f"x_{split}[", np.arange(count).astype(str)), "]")
