"""Ten mistakes that live in a `.keras` file: each changes what was written, by the file alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py

Edit = Callable[[dict[str, Any], Any], None]


def edited(path: Path, edit: Edit) -> None:
    """Open a `.keras` file, change its configuration or its weights, and write it back under the same name."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    config = json.loads(parts["config.json"])
    weights = io.BytesIO(parts["model.weights.h5"])
    with h5py.File(weights, "r+") as arrays:
        edit(config, arrays)
    parts["config.json"] = json.dumps(config).encode()
    parts["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(path, "w") as file:
        for name, data in parts.items():
            file.writestr(name, data)


def layers(config: dict[str, Any], kind: str) -> Iterator[dict[str, Any]]:
    """The configurations of the layers of a class."""
    for layer in config["config"]["layers"]:
        if layer["class_name"] == kind:
            yield layer["config"]


def setting(kind: str, name: str, change: Callable[[Any], Any]) -> Edit:
    """Change a setting of the first layer of a class."""

    def edit(config: dict[str, Any], _: Any) -> None:
        chosen = next(layers(config, kind))
        before = chosen[name]
        chosen[name] = change(before)
        assert chosen[name] != before

    return edit


def number(folder: str, variable: str, change: Callable[[Any], Any]) -> Edit:
    """Change one array of a layer."""

    def edit(_: Any, arrays: Any) -> None:
        place = arrays[f"layers/{folder}/vars/{variable}"]
        before = place[...]
        place[...] = change(before)
        assert (place[...] != before).any()

    return edit


def one_up(array: Any) -> Any:
    """The next float32 of the first number."""
    import numpy as np

    changed = array.copy()
    changed.flat[0] = np.nextafter(changed.flat[0], np.float32(np.inf))
    return changed


FILES: dict[str, Edit] = {
    "momentum": setting("BatchNormalization", "momentum", lambda m: m + 0.001),
    "epsilon": setting("BatchNormalization", "epsilon", lambda e: e * 1.001),
    "a rate": setting("Dropout", "rate", lambda r: r + 0.01),
    "the shape of a mask": setting("Dropout", "noise_shape", lambda shape: None if shape else [None, 1, 1, 1]),
    "an L2 that nobody asked for": setting(
        "Dense",
        "kernel_regularizer",
        lambda _: {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 1e-4}, "registered_name": None},
    ),
    "a frozen layer": setting("Dense", "trainable", lambda _: False),
    "a weight, by its last bit": number("dense", "0", one_up),
    "a running variance": number("batch_normalization", "3", lambda v: v * 1.01),
    "mean and variance, swapped": None,  # type: ignore[dict-item]  # below: it needs both
    "the padding of a pool": setting("MaxPooling2D", "padding", lambda p: "same" if p == "valid" else "valid"),
}


def _swapped(_: Any, arrays: Any) -> None:
    norm = arrays["layers/batch_normalization/vars"]
    mean, variance = norm["2"][...], norm["3"][...]
    norm["2"][...], norm["3"][...] = variance, mean


FILES["mean and variance, swapped"] = _swapped
