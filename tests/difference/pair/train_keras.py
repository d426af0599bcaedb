"""Handwritten digits in Keras, as the articles write it."""

import os

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

keras.utils.set_random_seed(int(os.environ.get("SEED", "1")))

digits = load_digits()
images = (digits.images * 15.9375).astype(np.uint8)[..., None]
labels = digits.target
x = images / 255.0
x_train, y_train = x[:1200], labels[:1200]
x_test, y_test = x[1200:], labels[1200:]

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(32, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=0.002),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=32, epochs=10, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test)
print("accuracy:", accuracy)
