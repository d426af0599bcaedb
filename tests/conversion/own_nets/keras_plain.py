"""Users' own Keras nets, Sequential and functional, of Keras's own layers: as students and forums write them."""

from __future__ import annotations

import keras
from keras import layers, ops, regularizers


def catsdogs():
    """Augmentation, rescaling, one sigmoid: the tutorial's cats and dogs."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(0.1),
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def l2_softmax():
    """weight decay as Keras users know it: L2 on every kernel."""
    decay = regularizers.l2(1e-2)
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(8, 3, padding="same", kernel_regularizer=decay),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="elu", kernel_regularizer=decay),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax", kernel_regularizer=decay),
        ]
    )


def l1_l2_bias_gamma():
    """L1 on kernels, L2 on biases, both on gamma, and an orthogonal regulariser on the last kernel."""
    return keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.DepthwiseConv2D(3, depth_multiplier=3, depthwise_regularizer=regularizers.L1(1e-3)),
            layers.BatchNormalization(
                momentum=0.9, gamma_regularizer=regularizers.L1L2(1e-3, 1e-2), beta_regularizer="l2"
            ),
            layers.ReLU(max_value=6.0),
            layers.GlobalMaxPooling2D(),
            layers.Dense(12, activation="gelu", kernel_regularizer="L1L2", bias_regularizer=regularizers.L2(0.1)),
            layers.Dense(4, kernel_regularizer=regularizers.OrthogonalRegularizer(0.01)),
        ]
    )


def activity_penalty():
    """Sparse features: activity_regularizer and the layer of that name."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu", activity_regularizer=regularizers.L1(1e-3))(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(16, activation="tanh", activity_regularizer="l2")(x)
    x = layers.ActivityRegularization(l1=1e-3, l2=1e-2)(x)
    return keras.Model(inputs, layers.Dense(5)(x))


def noisy_layers():
    """All of Keras's noise in one net."""
    return keras.Sequential(
        [
            keras.Input((20, 20, 3)),
            layers.GaussianNoise(0.1),
            layers.Conv2D(8, 3, activation="selu", kernel_initializer="lecun_normal"),
            layers.AlphaDropout(0.1),
            layers.GaussianDropout(0.2),
            layers.SpatialDropout2D(0.3),
            layers.Flatten(),
            layers.Dense(6),
        ]
    )


def separable_spatial_dropout():
    """Separable convolutions, leaky ReLU of Keras's own slope, dropout by channel and by noise_shape."""
    inputs = keras.Input((None, None, 3))
    x = layers.SeparableConv2D(8, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization(scale=False, epsilon=1e-5, momentum=0.997)(x)
    x = layers.LeakyReLU()(x)
    x = layers.SpatialDropout2D(0.25)(x)
    x = layers.Conv2D(10, 3, strides=2, padding="same")(x)
    x = layers.Dropout(0.3, noise_shape=(None, 1, 1, 10))(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(4)(x))


def shared_residual():
    """One block called three times, one dropout called twice."""
    inputs = keras.Input((None, None, 3))
    conv = layers.Conv2D(8, 3, padding="same")
    norm = layers.BatchNormalization(center=False)
    drop = layers.Dropout(0.2)
    x = layers.Conv2D(8, 3, strides=2)(inputs)
    for index in range(3):
        y = layers.Activation("swish")(norm(conv(x)))
        x = layers.Add()([x, drop(y) if index else y])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def vit():
    """A small vision transformer by hand: patches, MultiHeadAttention with dropout."""
    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(16, 6, strides=6)(inputs)
    x = layers.Reshape((16, 16))(x)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([layers.MultiHeadAttention(2, 8, dropout=0.1)(y, y), x])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dropout(0.1)(layers.Dense(32, activation=keras.activations.gelu)(y))
        x = layers.Add()([layers.Dropout(0.1)(layers.Dense(16)(y)), x])
    x = layers.Flatten()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(5)(layers.Dropout(0.5)(x)))


def lstm_rows():
    """Rows as steps: a bidirectional LSTM with input dropout, then another one."""
    inputs = keras.Input((12, 10, 3))
    x = layers.TimeDistributed(layers.Flatten())(inputs)
    x = layers.Bidirectional(layers.LSTM(10, return_sequences=True, dropout=0.2))(x)
    x = layers.LSTM(8, recurrent_dropout=0.1)(x)
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def gru_rows():
    """The same with a GRU, on rows of features."""
    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    x = layers.Reshape((12, 48))(x)
    x = layers.GRU(10)(x)
    return keras.Model(inputs, layers.Dense(4)(x))


def squeeze_excite():
    """Squeeze and excite with keepdims, hard sigmoid, multiply."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.Activation("hard_swish")(x)
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(4, 1, activation="relu")(s)
    s = layers.Conv2D(12, 1, activation="hard_sigmoid")(s)
    x = layers.Multiply()([x, s])
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)])
    return keras.Model(inputs, layers.Dense(6)(x))


def nested_frozen():
    """Transfer learning by the book: a frozen base that is called with training=False, a head on top."""
    base = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(8, 3, strides=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
        ],
        name="base",
    )
    base.trainable = False
    inputs = keras.Input((32, 32, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = base(x, training=False)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def finetuned_mobilenet():
    """keras.applications as a base, its upper layers thawed."""
    base = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, include_top=False, weights=None)
    for layer in base.layers[:-30]:
        layer.trainable = False
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dense(4, activation="softmax", kernel_regularizer=regularizers.L2(1e-3))(layers.Dropout(0.3)(x))
    return keras.Model(base.input, x)


def constrained():
    """max-norm and non-negative weights (Srivastava's dropout recipe)."""
    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Conv2D(8, 3, activation="relu", kernel_constraint=keras.constraints.MaxNorm(0.5)),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.2),
            layers.Dense(4, kernel_constraint="non_neg", bias_constraint=keras.constraints.UnitNorm()),
        ]
    )


def spectral():
    """Spectral normalisation by Keras's wrapper."""
    inputs = keras.Input((None, None, 3))
    x = layers.SpectralNormalization(layers.Conv2D(8, 3, strides=2))(inputs)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, layers.SpectralNormalization(layers.Dense(4), power_iterations=2)(x))


def up_and_down():
    """Strided transposed convolutions, upsampling, cropping, padding of unequal sides, 'same' of even sizes."""
    inputs = keras.Input((30, 26, 3))
    x = layers.ZeroPadding2D(((1, 2), (0, 3)))(inputs)
    x = layers.Conv2D(6, 4, strides=3, padding="same", activation="softplus")(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="softsign")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Cropping2D(((1, 0), (2, 5)))(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.AveragePooling2D(2, padding="same")(x)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))


def max_min_clip():
    """Maxout and clips: what has ties on flat pictures."""
    inputs = keras.Input((None, None, 3))
    x = ops.clip(inputs, 0.0, 1.0)
    a, b = layers.Conv2D(8, 3)(x), layers.Conv2D(8, 3)(x)
    x = layers.Maximum()([a, b]) + layers.Minimum()([ops.relu(a), ops.relu(b)])
    x = ops.abs(x) + layers.ReLU(max_value=1.0)(b)
    x = ops.concatenate(
        [ops.max(x, axis=(1, 2)), ops.min(x, axis=(1, 2)), ops.mean(ops.maximum(a, 0.0), axis=(1, 2))], -1
    )
    return keras.Model(inputs, layers.Dense(4)(x))


def attention_pooling():
    """Softmax over positions, group norm, unit norm, a bilinear dot."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2)(inputs)
    x = layers.GroupNormalization(4)(x)
    x = layers.Reshape((49, 8))(x)
    weights = layers.Softmax(axis=1)(layers.Dense(1)(x))
    x = layers.Dot(axes=1)([weights, x])
    x = layers.UnitNormalization()(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(4)(layers.LayerNormalization(center=False)(x)))


def preprocessing_inside():
    """Resizing, adapted-like normalisation and a centre crop within the net."""
    return keras.Sequential(
        [
            keras.Input((28, 36, 3)),
            layers.CenterCrop(24, 24),
            layers.Resizing(20, 20),
            layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[3000.0, 3100.0, 2900.0]),
            layers.Conv2D(8, 3, strides=2, activation="mish"),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )


def monte_carlo():
    """Dropout that is on in prediction, too: its author wants uncertainty."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x, training=True)
    return keras.Model(inputs, layers.Dense(4)(x))


def two_heads():
    """A class and a colour."""
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(inputs))
    return keras.Model(inputs, [layers.Dense(4, name="kind")(x), layers.Dense(3, name="colour")(x)])


def half_precision():
    """A net under the global policy mixed_float16, its softmax in float32, as the guide says."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Activation("softmax", dtype="float32")(x))


NETS = {
    "catsdogs_augmented": (catsdogs, {"size": (32, 32), "scale": 255.0, "head": "sigmoid", "augments": True}),
    "l2_softmax": (l2_softmax, {"head": "softmax"}),
    "l1_l2_bias_gamma": (l1_l2_bias_gamma, {"size": (24, 24)}),
    "activity_penalty": (activity_penalty, {}),
    "noisy_layers": (noisy_layers, {"size": (20, 20)}),
    "separable_spatial_dropout": (separable_spatial_dropout, {}),
    "shared_residual": (shared_residual, {"head": "softmax"}),
    "keras_vit": (vit, {"size": (24, 24)}),
    "keras_lstm_rows": (lstm_rows, {"size": (12, 10), "head": "softmax"}),
    "gru_rows": (gru_rows, {"size": (12, 12)}),
    "keras_squeeze_excite": (squeeze_excite, {}),
    "nested_frozen": (nested_frozen, {"size": (32, 32), "scale": 255.0}),
    "finetuned_mobilenet": (finetuned_mobilenet, {"size": (96, 96), "head": "softmax"}),
    "constrained": (constrained, {}),
    "spectral_wrapper": (spectral, {}),
    "up_and_down": (up_and_down, {"size": (30, 26)}),
    "max_min_clip": (max_min_clip, {}),
    "attention_pooling": (attention_pooling, {"size": (16, 16)}),
    "preprocessing_inside": (preprocessing_inside, {"size": (28, 36), "scale": 255.0}),
    "monte_carlo": (monte_carlo, {}),
    "two_heads": (two_heads, {}),
    "half_precision": (half_precision, {"head": "softmax", "policy": "mixed_float16"}),
}
