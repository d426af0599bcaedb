"""The draws of a live Keras model, recorded, and handed to the net that its graph is rebuilt as."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import draws_agree

from bakeoff import frameworks
from bakeoff.parity.draws import prescribed

pytestmark = pytest.mark.tensorflow


def noisy() -> Any:
    """All of Keras's layers that draw, and what is shared of a mask; one layer is called twice."""
    import keras

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.SpatialDropout2D(0.3)(layers.Conv2D(8, 3, padding="same", activation="relu")(image))
    fall = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))
    x = fall(x + fall(layers.Conv2D(8, 3, padding="same")(x)))
    x = layers.Dropout(0.1, noise_shape=(1, 1, 1, None))(layers.GaussianDropout(0.2)(layers.GaussianNoise(0.1)(x)))
    x = layers.AlphaDropout(0.3, noise_shape=(None, 1, 1, None))(x)
    x = layers.Reshape((64, 8))(x)
    x = layers.Dropout(0.1, noise_shape=(None, 1, None))(x + layers.MultiHeadAttention(2, 4, dropout=0.2)(x, x))
    return keras.Model(image, layers.Dense(5)(layers.Dropout(0.31)(layers.Flatten()(x))))


def by_hand() -> Any:
    """A net of layers that draw by keras.random: with a SeedGenerator of their own, as Keras asks for."""
    import keras
    from keras import ops

    class Own(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.seed = keras.random.SeedGenerator(1)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.noisy(x) if training else self.plain(x)

        def plain(self, x: Any) -> Any:
            return x

    class Fall(Own):
        def noisy(self, x: Any) -> Any:
            shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
            return x / 0.8 * ops.floor(0.8 + keras.random.uniform(shape, seed=self.seed))

    class OneMask(Own):
        def noisy(self, x: Any) -> Any:
            kept = keras.random.uniform((1, 1, 1, x.shape[-1]), seed=self.seed) >= 0.3
            mask = ops.cast(kept, x.dtype) / 0.7
            return x * mask + ops.exp(x) * mask

        def plain(self, x: Any) -> Any:
            return x + ops.exp(x)

    class Thresholds(Own):
        def noisy(self, x: Any) -> Any:
            r = keras.random.uniform((ops.shape(x)[0], 1, 1, 1), seed=self.seed)
            x = ops.where(r < 0.5, x, ops.where(r < 0.8, ops.exp(x), 2 * x))
            return x + keras.random.normal(ops.shape(x), stddev=0.1, seed=self.seed)

    class Locked(Own):
        def noisy(self, x: Any) -> Any:
            return keras.random.dropout(x, 0.3, noise_shape=(None, 1, x.shape[-1]), seed=self.seed)

    class Late(Own):
        """What is drawn first is used last; one of them has the seed of all."""

        def noisy(self, x: Any) -> Any:
            first = keras.random.uniform(ops.shape(x), -1, 1, seed=self.seed)
            second = keras.random.uniform(ops.shape(x), seed=self.seed)
            return first * ops.tanh(second * x) + x * keras.random.normal((8,))

    class Normed(Own):
        """A norm, and a weight, behind what is drawn."""

        def build(self, shape: Any) -> None:
            self.norm = keras.layers.BatchNormalization()
            self.norm.build(shape)
            self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

        def noisy(self, x: Any) -> Any:
            return self.plain(x + keras.random.normal(ops.shape(x), stddev=0.1, seed=self.seed))

        def plain(self, x: Any) -> Any:
            return self.scale * self.norm(x)

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = Fall()(layers.Conv2D(8, 3, padding="same", activation="tanh")(image))
    x = Late()(Normed()(Thresholds()(OneMask()(layers.BatchNormalization()(x)))))
    x = Locked()(layers.Reshape((64, 8))(x))
    return keras.Model(image, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize(("made", "count"), [(noisy, 10), (by_hand, 9)])
def test_draws_of_a_live_model_are_those_of_the_graph(made: Any, count: int) -> None:
    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras

    model = made()
    captured = capture(model)
    assert captured.declared == ()
    live = LiveKeras(model, captured, "float64")
    rebuilt = frameworks.load("tensorflow").native(captured.graph.astype("float64"), precision="float64")
    draws_agree(live, rebuilt, {})
    assert len(live.drawn) == count
    draws_agree(live, rebuilt, prescribed(live.drawn, 1))
    images = np.random.default_rng(1).normal(size=(3, 8, 8, 3))
    assert np.abs(live.logits(images) - rebuilt.logits(images)).max() < 1e-13
