"""The draws of a live Keras model, recorded, and handed to the net that its graph is rebuilt as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.parity.draws import checks, prescribed, values

pytestmark = pytest.mark.tensorflow

LABELS = np.arange(6) % 5
SGD = ("sgd", {"momentum": 0.9}, "softmax_cross_entropy")


def noisy() -> Any:
    """Channels, images, attention, features of tokens and features are dropped; one layer is called twice."""
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.SpatialDropout2D(0.3)(layers.Conv2D(8, 3, padding="same", activation="relu")(image))
    fall = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))
    x = fall(x + fall(layers.Conv2D(8, 3, padding="same")(x)))
    x = layers.Reshape((64, 8))(x)
    x = layers.Dropout(0.1, noise_shape=(None, 1, None))(x + layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x))
    return keras.Model(image, layers.Dense(5)(layers.Dropout(0.31)(layers.Flatten()(x))))


def asked(net: Any, given: Any) -> tuple[float, Any, Any]:
    net.compile(*SGD)
    net.given = given
    images = np.random.default_rng(0).normal(size=(6, 8, 8, 3))
    return net.gradients(images, LABELS).loss, net.gradient_arrays(), net.drawn


def agree(live: Any, rebuilt: Any, given: Any) -> None:
    loss, gradients, drawn = asked(live, given)
    other, found, seen = asked(rebuilt, values(drawn))
    assert [check for check in checks(seen, drawn) if not check.passed] == []
    assert other == pytest.approx(loss, rel=1e-14)
    top = max(np.abs(array).max() for array in gradients.values())
    assert all(np.abs(found[path] - gradients[path]).max() < 1e-13 * top for path in gradients)


def test_draws_of_a_live_model_are_those_of_the_graph() -> None:
    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras

    model = noisy()
    captured = capture(model)
    live = LiveKeras(model, captured, "float64", quiet=False)
    rebuilt = frameworks.load("tensorflow").native(captured.graph.astype("float64"), precision="float64")
    agree(live, rebuilt, {})
    assert len(live.drawn) == 6
    agree(live, rebuilt, prescribed(live.drawn, 1))
