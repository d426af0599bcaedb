"""Users' own Keras layers and models: subclassed, with add_loss, tf.random or state, as tutorials write them."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


@keras.saving.register_keras_serializable("users")
class StochasticDepth(layers.Layer):
    """Drop-path as in Keras's own example of a compact transformer."""

    def __init__(self, drop_prop, **kwargs):
        super().__init__(**kwargs)
        self.drop_prob = drop_prop
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, x, training=None):
        if training:
            keep_prob = 1 - self.drop_prob
            shape = (ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
            random_tensor = keep_prob + keras.random.uniform(shape, 0, 1, dtype=x.dtype, seed=self.seed_generator)
            return (x / keep_prob) * ops.floor(random_tensor)
        return x

    def get_config(self):
        return {**super().get_config(), "drop_prop": self.drop_prob}


def compact_transformer():
    """Residual blocks with that layer."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    for rate in (0.1, 0.3):
        y = layers.Conv2D(8, 3, padding="same", activation="relu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = layers.Add()([x, StochasticDepth(rate)(y)])
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


@keras.saving.register_keras_serializable("users")
class SharedMask(layers.Layer):
    """Modality dropout: two inputs lose the same elements; drawn with tf.random."""

    def __init__(self, rate=0.3, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs, training=None):
        a, b = inputs
        if not training:
            return a, b
        mask = tf.cast(tf.random.uniform(tf.shape(a), dtype=a.dtype) >= self.rate, a.dtype) / (1 - self.rate)
        return a * mask, b * mask

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


def shared_mask():
    """Two branches, one mask."""
    inputs = keras.Input((None, None, 3))
    a = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    b = layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    a, b = SharedMask()([a, b])
    return keras.Model(inputs, layers.Dense(4)(layers.Concatenate()([a, b])))


@keras.saving.register_keras_serializable("users")
class SparseFeatures(layers.Layer):
    """add_loss: features close to a rate (KL of a sparse autoencoder)."""

    def __init__(self, units, rho=0.05, weight=0.1, **kwargs):
        super().__init__(**kwargs)
        self.units, self.rho, self.weight = units, rho, weight
        self.dense = layers.Dense(units, activation="sigmoid")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, x):
        y = self.dense(x)
        mean = ops.mean(y, axis=0)
        kl = self.rho * ops.log(self.rho / mean) + (1 - self.rho) * ops.log((1 - self.rho) / (1 - mean))
        self.add_loss(self.weight * ops.sum(kl))
        return y

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rho": self.rho, "weight": self.weight}


def sparse_features():
    """A net with a loss of its own inside."""
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    return keras.Model(inputs, layers.Dense(4)(SparseFeatures(10)(x)))


class PositionEmbedding(layers.Layer):
    """Learned positions, added; no get_config, as in most tutorials."""

    def build(self, shape):
        self.positions = self.add_weight(shape=(shape[1], shape[2]), initializer="random_normal", name="positions")

    def call(self, x):
        return x + self.positions


def patches_with_positions():
    """A mixer on patches with positions of its own."""
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(12, 6, strides=6)(inputs)
    x = PositionEmbedding()(layers.Reshape((16, 12))(x))
    y = layers.Permute((2, 1))(x)
    y = layers.Dense(16, activation="gelu")(layers.Dense(24, activation="silu")(y))
    x = x + layers.Permute((2, 1))(y)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling1D()(x)))


class Jitter(layers.Layer):
    """Brightness by NumPy in training."""

    def call(self, x, training=None):
        return x * np.random.uniform(0.8, 1.2) if training else x


def numpy_jitter():
    """NumPy's randomness within a layer."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu")(Jitter()(inputs))
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


class Counter(layers.Layer):
    """Anneals a temperature: counts its own training calls."""

    def build(self, shape):
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

    def call(self, x, training=None):
        if training:
            self.steps.assign_add(1.0)
        return x / ops.maximum(0.5, 2.0 - 0.25 * self.steps)


def annealed():
    """The counter behind the logits."""
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    return keras.Model(inputs, Counter()(layers.Dense(4)(x)))


class MyModel(keras.Model):
    """The subclassed model of the quickstart for experts."""

    def __init__(self):
        super().__init__()
        self.conv1 = layers.Conv2D(8, 3, activation="relu")
        self.bn = layers.BatchNormalization()
        self.pool = layers.GlobalAveragePooling2D()
        self.dropout = layers.Dropout(0.4)
        self.d1 = layers.Dense(16, activation="relu", kernel_regularizer="l2")
        self.d2 = layers.Dense(5)

    def call(self, x, training=False):
        x = self.pool(self.bn(self.conv1(x), training=training))
        if training:
            x = self.dropout(x, training=training)
        return self.d2(self.d1(x))


def subclassed():
    """Built by a first call, as people do."""
    model = MyModel()
    model(np.zeros((1, 32, 32, 3), "float32"))
    return model


class ResidualLoop(keras.Model):
    """A loop over a list of layers, and a branch on the width of the picture."""

    def __init__(self, depth=3, **kwargs):
        super().__init__(**kwargs)
        self.stem = layers.Conv2D(8, 3, padding="same")
        self.convs = [layers.Conv2D(8, 3, padding="same", activation="relu") for _ in range(depth)]
        self.head = layers.Dense(4)

    def call(self, x):
        if x.shape[2] is not None and x.shape[2] > 64:
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        x = self.stem(x)
        for conv in self.convs:
            x = x + conv(x)
        return self.head(tf.reduce_mean(x, axis=[1, 2]))


def subclassed_loop():
    """Built by shape."""
    model = ResidualLoop()
    model.build((None, 32, 32, 3))
    return model


NETS = {
    "compact_transformer": (compact_transformer, {}),
    "keras_shared_mask": (shared_mask, {}),
    "add_loss_layer": (sparse_features, {}),
    "position_layer": (patches_with_positions, {"size": (24, 24)}),
    "keras_numpy_jitter": (numpy_jitter, {}),
    "keras_counter": (annealed, {}),
    "keras_subclassed": (subclassed, {}),
    "subclassed_loop": (subclassed_loop, {}),
}
