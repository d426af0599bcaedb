"""Article 003's net in Keras, on grey photos."""

import os

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(int(os.environ.get("SEED", "1")))
data = np.load("photos.npz")
x, y = data["x"].mean(3).astype(np.uint8) / 255.0, data["y"]

model = keras.models.Sequential(
    [
        layers.Input((32, 32)),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[:200], y[:200], epochs=5, batch_size=32)
model.evaluate(x[200:], y[200:])
