"""What a live keras.Model gives and says of itself, as NumPy and plain values."""

from __future__ import annotations

import json
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


def weights(model: Any) -> dict[str, tuple[Array, bool]]:
    """Each weight and whether it is trained, by path."""
    return {v.path: (np.asarray(keras.ops.convert_to_numpy(v)), bool(v.trainable)) for v in model.weights}


def config(model: Any) -> dict[str, Any]:
    """What Keras would write of its layers."""
    found: dict[str, Any] = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    return found
