"""Images without an axis of channels, as the first net of many tutorials takes them."""

from __future__ import annotations

from typing import Any

import keras


def with_channel(model: Any) -> Any:
    """The model behind images (N, H, W, 1), where it takes (N, H, W); any other as it is. It shares its weights."""
    shape = model.input_shape if getattr(model, "built", False) and len(getattr(model, "inputs", ()) or ()) == 1 else ()
    if len(shape) != 3 or None in shape[1:]:
        return model
    inputs = keras.Input((*shape[1:], 1), dtype=model.inputs[0].dtype)
    return keras.Model(inputs, model(keras.layers.Reshape(shape[1:])(inputs)), name=model.name)
