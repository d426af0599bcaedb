"""What a live keras.Model gives and says of itself, as NumPy and plain values."""

from __future__ import annotations

import json
import re
from typing import Any

import keras
import numpy as np

from bakeoff.schemas import Array


def seed(value: int) -> None:
    """Draw what comes next from this seed."""
    keras.utils.set_random_seed(value % 2**32)


def predict(model: Any, images: Array) -> Array:
    """Its output, in prediction."""
    found: Array = keras.ops.convert_to_numpy(model(images, training=False))
    return found


def weights(model: Any, within: str = "") -> dict[str, tuple[Array, bool]]:
    """Each weight and whether it is trained, by the layers that hold it: a path has scopes that no file keeps."""
    found: dict[str, tuple[Array, bool]] = {}
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found |= weights(layer, f"{within}{layer.name}/")
            continue
        for number, v in enumerate(layer.weights):  # as a file holds them: in order; Keras may count their names
            end = f"/{v.path}".rpartition(f"/{layer.name}/")[2].lstrip("/")
            name = f"{within}{layer.name}/{re.sub(r'_[0-9]+$', '', end)}"
            name = f"{name} {number}" if name in found else name
            found[name] = np.asarray(keras.ops.convert_to_numpy(v)), bool(v.trainable)
    return found


def config(model: Any) -> dict[str, Any]:
    """What Keras would write of its layers."""
    found: dict[str, Any] = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    return found
