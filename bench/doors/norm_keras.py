"""Article 002 in TensorFlow, on photos, with the other side's net."""

import os

import numpy as np
import tensorflow as tf

tf.keras.utils.set_random_seed(int(os.environ.get("SEED", "1")))
data = np.load("photos.npz")
x = (data["x"] / 255.0 - 0.5) / 0.5
y = tf.keras.utils.to_categorical(data["y"], 10)

L = tf.keras.layers
model = tf.keras.Sequential([
    L.Input((32, 32, 3)),
    L.Conv2D(4, 3, padding="same"), L.BatchNormalization(momentum=0.9, epsilon=1e-5), L.ReLU(), L.MaxPooling2D(),
    L.Conv2D(4, 3, padding="same"), L.BatchNormalization(momentum=0.9, epsilon=1e-5), L.ReLU(), L.MaxPooling2D(),
    L.Flatten(), L.Dense(10, activation="softmax"),
])  # fmt: skip
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=0.01), loss="categorical_crossentropy", metrics=["accuracy"]
)
model.fit(x=x[:200], y=y[:200], batch_size=32, epochs=5, validation_data=(x[200:], y[200:]))
model.evaluate(x[200:], y[200:])
