"""Keras models as users write them, and one trap each: for tests of capture, and for bench/census.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as L
from keras import ops

NETS: dict[str, Callable[[], tuple[Any, tuple[float, float]]]] = {}
BYTES, UNIT = (0.0, 255.0), (-1.0, 1.0)


def net(low: float, high: float) -> Any:
    """Register a function that makes a model; its images' numbers lie in this range."""

    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        NETS[make.__name__] = lambda: (make(), (low, high))
        return make

    return register


# as tutorials have them -----------------------------------------------------------------------------------------------


@net(0, 1)
def beginner() -> Any:
    """tensorflow.org's first: an image without channels."""
    return keras.Sequential(
        [keras.Input((28, 28)), L.Flatten(), L.Dense(128, activation="relu"), L.Dropout(0.2), L.Dense(10)]
    )


@net(0, 1)
def mnist_convnet() -> Any:
    """keras.io's first."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Conv2D(32, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Conv2D(64, 3, activation="relu"),
            L.MaxPooling2D(2),
            L.Flatten(),
            L.Dropout(0.5),
            L.Dense(10, activation="softmax"),
        ]
    )


@net(0, 1)
def cifar_tutorial() -> Any:
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            L.Conv2D(32, (3, 3), activation="relu"),
            L.MaxPooling2D((2, 2)),
            L.Conv2D(64, (3, 3), activation="relu"),
            L.MaxPooling2D((2, 2)),
            L.Conv2D(64, (3, 3), activation="relu"),
            L.Flatten(),
            L.Dense(64, activation="relu"),
            L.Dense(10),
        ]
    )


@net(*BYTES)
def flowers() -> Any:
    """tensorflow.org's image classification, with its augmentation inside."""
    augmentation = keras.Sequential(
        [keras.Input((180, 180, 3)), L.RandomFlip("horizontal"), L.RandomRotation(0.1), L.RandomZoom(0.1)]
    )
    blocks = []
    for filters in (16, 32, 64):
        blocks += [L.Conv2D(filters, 3, padding="same", activation="relu"), L.MaxPooling2D()]
    head = [L.Dropout(0.2), L.Flatten(), L.Dense(128, activation="relu"), L.Dense(5, name="outputs")]
    return keras.Sequential([keras.Input((180, 180, 3)), augmentation, L.Rescaling(1.0 / 255), *blocks, *head])


@net(*BYTES)
def from_scratch() -> Any:
    """keras.io's image_classification_from_scratch: a small Xception, one logit."""
    inputs = keras.Input((90, 90, 3))
    x = L.Rescaling(1.0 / 255)(inputs)
    x = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(32, 3, strides=2, padding="same")(x)))
    before = x
    for size in (64, 128, 182):
        for _ in range(2):
            x = L.BatchNormalization()(L.SeparableConv2D(size, 3, padding="same")(L.Activation("relu")(x)))
        x = L.MaxPooling2D(3, strides=2, padding="same")(x)
        x = L.add([x, L.Conv2D(size, 1, strides=2, padding="same")(before)])
        before = x
    x = L.Activation("relu")(L.BatchNormalization()(L.SeparableConv2D(256, 3, padding="same")(x)))
    x = L.Dropout(0.25)(L.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, L.Dense(1, activation="sigmoid")(x))


@net(*UNIT)
def finetuned() -> Any:
    """A new head on MobileNetV2, in one model."""
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    x = L.GlobalAveragePooling2D()(base.output)
    x = L.Dense(128, activation="relu")(x)
    return keras.Model(base.input, L.Dense(2, activation="softmax")(x))


def remember(base: Any, images: Any) -> None:
    """Running statistics of images: with fresh ones a deep base that stays frozen gives the same of every image."""
    norms = [layer for layer in base.layers if isinstance(layer, L.BatchNormalization)]
    kept = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    base(images, training=True)
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum


@net(*BYTES)
def frozen_base() -> Any:
    """tensorflow.org's transfer learning: a frozen model within the model, its preprocessing as operations."""
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(96, 96, 3))
    remember(base, np.random.default_rng(0).uniform(-1, 1, (4, 96, 96, 3)))
    base.trainable = False
    inputs = keras.Input((96, 96, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(inputs)
    x = L.Dropout(0.2)(L.GlobalAveragePooling2D()(base(x, training=False)))
    return keras.Model(inputs, L.Dense(1)(x))


@net(*BYTES)
def adapted() -> Any:
    """keras.io's transfer learning: Normalization with adapted statistics before Xception."""
    base = keras.applications.Xception(weights=None, include_top=False, input_shape=(75, 75, 3))
    base.trainable = False
    inputs = keras.Input((75, 75, 3))
    scale = L.Normalization()
    scale.build((None, 75, 75, 3))
    scale.adapt_mean.assign([127.5, 120.0, 110.0])
    scale.adapt_variance.assign([127.5**2, 60.0**2, 70.0**2])
    scale.finalize_state()
    x = L.GlobalAveragePooling2D()(base(scale(inputs), training=False))
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.Dropout(0.2)(x)))


@net(*BYTES)
def vision_transformer() -> Any:
    """keras.io's, small: patches by a convolution, a learned position, MultiHeadAttention."""
    inputs = keras.Input((32, 32, 3))
    x = L.Conv2D(24, 8, strides=8)(L.Rescaling(1 / 127.5, -1)(inputs))
    x = L.Reshape((16, 24))(x)
    for _ in range(2):
        y = L.LayerNormalization(epsilon=1e-6)(x)
        x = L.Add()([L.MultiHeadAttention(num_heads=3, key_dim=8, dropout=0.1)(y, y), x])
        y = L.LayerNormalization(epsilon=1e-6)(x)
        for units in (48, 24):
            y = L.Dropout(0.1)(L.Dense(units, activation=keras.activations.gelu)(y))
        x = L.Add()([y, x])
    x = L.Dropout(0.5)(L.Flatten()(L.LayerNormalization(epsilon=1e-6)(x)))
    return keras.Model(inputs, L.Dense(7)(x))


class Patches(L.Layer):
    """keras.io's, word for word in its operations."""

    def call(self, images: Any) -> Any:
        batch, height, width, channels = ops.shape(images)
        patches = ops.image.extract_patches(images, size=8)
        return ops.reshape(patches, (batch, (height // 8) * (width // 8), 64 * channels))


class PatchEncoder(L.Layer):
    """Patches, projected, with an embedding of their places."""

    def __init__(self) -> None:
        super().__init__()
        self.projection, self.position_embedding = L.Dense(24), L.Embedding(input_dim=16, output_dim=24)

    def build(self, shape: Any) -> None:
        self.projection.build(shape)
        self.position_embedding.build()

    def call(self, patch: Any) -> Any:
        positions = ops.expand_dims(ops.arange(start=0, stop=16, step=1), axis=0)
        return self.projection(patch) + self.position_embedding(positions)


@net(*BYTES)
def encoded_patches() -> Any:
    """keras.io's vision transformer with its own two layers."""
    inputs = keras.Input((32, 32, 3))
    x = PatchEncoder()(Patches()(L.Rescaling(1 / 127.5, -1)(inputs)))
    y = L.LayerNormalization(epsilon=1e-6)(x)
    x = L.Add()([L.MultiHeadAttention(num_heads=2, key_dim=12)(y, y), x])
    x = L.Dense(48, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, L.Dense(7)(L.Flatten()(x)))


@net(*BYTES)
def mixer() -> Any:
    """keras.io's MLP-Mixer: Permute between two Dense layers."""
    inputs = keras.Input((32, 32, 3))
    x = L.Reshape((64, 48))(L.Conv2D(48, 4, strides=4)(L.Rescaling(1 / 255)(inputs)))
    for _ in range(2):
        y = L.Permute((2, 1))(L.LayerNormalization()(x))
        y = L.Permute((2, 1))(L.Dense(64)(L.Dense(32, activation="gelu")(y)))
        x = L.Add()([x, y])
        x = L.Add()([x, L.Dense(48)(L.Dense(96, activation="gelu")(L.LayerNormalization()(x)))])
    return keras.Model(inputs, L.Dense(10, activation="softmax")(L.GlobalAveragePooling1D()(x)))


@net(0, 1)
def lenet() -> Any:
    """With average pooling and tanh, as of 1998."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            L.Conv2D(6, 5, padding="same", activation="tanh"),
            L.AveragePooling2D(2),
            L.Conv2D(16, 5, activation="tanh"),
            L.AveragePooling2D(2),
            L.Flatten(),
            L.Dense(120, activation="tanh"),
            L.Dense(84, activation="tanh"),
            L.Dense(10, activation="softmax"),
        ]
    )


# with a trap each -----------------------------------------------------------------------------------------------------


@net(*BYTES)
def zoo() -> Any:
    """Even kernels, strided "same" pools, groups, dilation, shared layers, a backward slice, a name of nn.Module."""
    inputs = keras.Input((37, 30, 3))
    x = keras.applications.resnet50.preprocess_input(inputs) / 64.0
    x = ops.concatenate([x, x[..., ::-1]], axis=-1) * np.array([1, 2, 3, 0.5, 0.6, 0.7], "float32")
    x = L.Conv2D(12, 4, padding="same", name="train")(x)
    x = L.BatchNormalization(scale=False, momentum=0.8, name="bn.a")(x)
    x = L.Conv2D(24, (5, 2), strides=(2, 1), padding="same", groups=3, activation="gelu", kernel_regularizer="l2")(x)
    x = L.BatchNormalization(center=False)(x)
    x = L.AveragePooling2D(3, strides=2, padding="same")(x)
    x = L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", dilation_rate=2, activation="swish")(x)
    x = L.AveragePooling2D((4, 2), strides=1, padding="same")(x)
    shared = L.Conv2D(48, 3, padding="same", name="shared")
    gate = L.Reshape((1, 1, 48))(L.Dense(48, activation="sigmoid")(L.GlobalAveragePooling2D()(x)))
    x = ops.relu(shared(x) + shared(L.Multiply()([x, gate]))) * ops.mean(x, axis=(1, 2), keepdims=True)
    x = L.ZeroPadding2D(((0, 1), (2, 0)))(x)
    x = L.MaxPooling2D(2, padding="same")(L.Cropping2D(((1, 0), (0, 1)))(x))
    x = L.LayerNormalization()(x)
    x = L.Dense(7, activation="leaky_relu")(x)
    a = L.Flatten()(L.Permute((3, 1, 2))(x))
    c = ops.max(L.Reshape((-1, 7))(x), axis=1)
    x = L.Concatenate()([a, L.Flatten()(x), c])
    x = L.BatchNormalization()(L.Dense(20, activation="selu")(x))
    return keras.Model(inputs, L.Dense(5, activation="softmax")(x))


@net(0, 1)
def siamese() -> Any:
    """A nested model that is called twice."""
    inner = keras.Sequential(
        [keras.Input((12, 12, 8)), L.Conv2D(8, 3, padding="same", activation="hard_swish"), L.GlobalMaxPooling2D()],
        name="inner",
    )
    encoder = keras.Sequential(
        [keras.Input((24, 24, 3)), L.Conv2D(8, 3, 2, padding="same"), L.BatchNormalization(), L.ReLU(6.0), inner],
        name="enc",
    )
    inputs = keras.Input((24, 24, 3))
    x = L.Concatenate()([encoder(inputs), encoder(1.0 - inputs)])
    return keras.Model(inputs, L.Dense(3, activation="softmax")(x))


@net(0, 1)
def resized() -> Any:
    inputs = keras.Input((30, 41, 3))
    x = L.Resizing(48, 40)(inputs)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="elu")(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.UpSampling2D(2)(x)
    x = L.Resizing(17, 19, interpolation="nearest")(x)
    x = L.PReLU(shared_axes=[1, 2])(x)
    return keras.Model(inputs, L.Dense(4, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@net(0, 1)
def activations() -> Any:
    """Every activation by its name, one after the other, each beside a residual."""
    names = "relu relu6 sigmoid tanh silu gelu elu selu softplus softsign hard_sigmoid hard_silu leaky_relu mish celu"
    x = inputs = keras.Input((9, 9, 3))
    for name in [*names.split(), "exponential", "log_softmax", "hard_tanh", "linear", "softmax"]:
        y = L.Conv2D(6, 1, activation=name)(x)
        x = L.Concatenate()([ops.tanh(y), x])
    for layer in (L.LeakyReLU(), L.ELU(0.7), L.PReLU(), L.ReLU(1.5), L.ReLU(negative_slope=0.1), L.Softmax()):
        x = L.Concatenate()([ops.tanh(layer(L.Conv2D(4, 1)(x))), x])
    x = L.Conv2D(8, 3, activation=L.LeakyReLU(negative_slope=0.05))(x)
    return keras.Model(inputs, L.Dense(4)(L.GlobalMaxPooling2D()(x)))


@net(0, 1)
def norms() -> Any:
    """The other normalisations, drop-path in both spellings, channels dropped as a whole."""
    x = inputs = keras.Input((16, 16, 3))
    x = L.Conv2D(16, 3, padding="same", use_bias=False)(x)
    x = L.GroupNormalization(4)(x)
    x = L.SpatialDropout2D(0.1)(L.Activation("relu")(x))
    y = L.GroupNormalization(-1, epsilon=1e-4)(L.DepthwiseConv2D(5, padding="same")(x))
    y = L.RMSNormalization()(L.Conv2D(16, 1)(y))
    x = L.Add()([x, L.Dropout(0.2, noise_shape=(None, 1, 1, 1))(y)])
    x = L.UnitNormalization()(L.Conv2D(12, 3, strides=2)(x))
    x = L.LayerNormalization(axis=[1, 2, 3])(x)
    x = L.LayerNormalization(center=False)(x)
    return keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))


@net(0, 1)
def operations() -> Any:
    """keras.ops between layers: windows, splits, rolls, products, powers."""
    inputs = keras.Input((16, 12, 3))
    x = L.Conv2D(8, 3, padding="same")(inputs)
    a, b = ops.split(x, 2, axis=-1)
    x = ops.concatenate([ops.maximum(a, 0.1), ops.minimum(b, a)], axis=-1)
    x = ops.roll(x, (2, -1), axis=(1, 2))
    x = ops.reshape(ops.transpose(ops.reshape(x, (-1, 4, 4, 3, 4, 8)), (0, 1, 3, 2, 4, 5)), (-1, 16, 8))
    scores = ops.softmax(ops.matmul(x, ops.transpose(x, (0, 2, 1))) / 4.0, axis=-1)
    x = ops.reshape(ops.einsum("bij,bjc->bic", scores, x), (-1, 12, 16, 8))
    x = ops.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    x = ops.stack([ops.square(x), ops.sqrt(ops.abs(x) + 0.1), ops.exp(-ops.abs(x)), ops.clip(x, -0.5, 0.4)], axis=-1)
    x = ops.flip(ops.sum(x, axis=-1), axis=1)
    x = ops.take(x, np.array([0, 3, 3, 1, -1]), axis=1)[:, 1:, 5]
    x = ops.concatenate([ops.var(x, axis=1), ops.min(x, axis=1), ops.squeeze(x[:, 2:3], 1) ** 2.0], axis=-1)
    x = x - ops.mean(x, axis=-1, keepdims=True)
    return keras.Model(inputs, L.Dense(4)(x))


@net(0, 1)
def transposed() -> Any:
    """A decoder before the head: Conv2DTranspose in both paddings."""
    inputs = keras.Input((14, 14, 3))
    x = L.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Conv2DTranspose(5, 4, strides=2, padding="same")(x)
    x = L.Conv2DTranspose(4, (2, 3), strides=(1, 2))(x)
    return keras.Model(inputs, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(x)))


@net(0, 1)
def rows() -> Any:
    """An image read as a sequence of its rows, by convolutions of one axis."""
    inputs = keras.Input((28, 28))
    x = L.Conv1D(16, 5, padding="same", activation="relu")(inputs)
    x = L.MaxPooling1D(2)(x)
    x = L.SpatialDropout1D(0.1)(L.SeparableConv1D(24, 3, padding="same", activation="relu")(x))
    x = L.AveragePooling1D(2)(L.ZeroPadding1D(1)(x))
    x = L.Conv1D(8, 3, dilation_rate=2, padding="causal")(x)
    x = L.Concatenate()([L.GlobalAveragePooling1D()(x), L.GlobalMaxPooling1D()(x)])
    return keras.Model(inputs, L.Dense(10, activation="softmax")(x))


@net(0, 1)
def recurrent() -> Any:
    """Rows read step by step: both ways, from the end, with and without biases, with masks for all steps."""
    inputs = keras.Input((9, 7, 3))
    x = L.TimeDistributed(L.Flatten())(inputs)
    x = L.Bidirectional(L.LSTM(5, return_sequences=True, dropout=0.2))(x)
    x = L.GRU(6, return_sequences=True, dropout=0.1)(x)
    x = L.Concatenate()([x, L.GRU(3, return_sequences=True, go_backwards=True, use_bias=False)(x)])
    x = L.Concatenate()([L.Bidirectional(L.GRU(4, dropout=0.2))(x), L.LSTM(3, go_backwards=True)(x)])
    return keras.Model(inputs, L.Dense(4)(x))


@net(*BYTES)
def merged() -> Any:
    """The merging layers, the middle of an image, products of tokens."""
    inputs = keras.Input((31, 28, 3))
    x = L.Rescaling([1 / 255, 1 / 200, 1 / 100], [0.0, -1.0, 0.5])(L.CenterCrop(24, 28)(inputs))
    a, b, c = (L.Conv2D(6, size, padding="same")(x) for size in (1, 3, 5))
    y = L.Multiply()([L.Maximum()([a, b, c]), L.Minimum()([a, L.Subtract()([b, c])])])
    x = L.MaxPooling2D(4)(L.Concatenate()([L.Average()([a, b, c]), y]))
    tokens = L.Reshape((42, 12))(x)
    pairs = L.Dot(axes=(1, 1))([tokens, L.Dense(5)(tokens)])
    mean, most = L.GlobalAveragePooling2D()(x), L.GlobalMaxPooling2D()(x)
    again = L.Dot(axes=(2, 1))([L.Permute((2, 1))(tokens), L.Reshape((42,))(L.Dense(1)(tokens))])
    x = L.Concatenate()([L.Dot(axes=-1)([mean, most]), L.Flatten()(pairs), again, most])
    return keras.Model(inputs, L.Dense(4)(x))
