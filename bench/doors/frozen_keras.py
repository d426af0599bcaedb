"""Article 004 in Keras: a frozen net below, one logit above."""

import os

import keras
import numpy as np

keras.utils.set_random_seed(int(os.environ.get("SEED", "1")))
data = np.load("photos.npz")
x, y = data["x"].astype("float32"), (data["y"] < 5).astype("float32")

base = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        keras.layers.Conv2D(12, 3, 2, use_bias=False),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
    ]
)
base.trainable = False
inputs = keras.Input((32, 32, 3))
z = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
z = base(z, training=False)
z = keras.layers.GlobalAveragePooling2D()(z)
z = keras.layers.Dropout(0.2)(z)
model = keras.Model(inputs, keras.layers.Dense(1)(z))
model.compile(
    optimizer=keras.optimizers.Adam(0.01),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
model.fit(x[:200], y[:200], epochs=5, validation_data=(x[200:], y[200:]))
