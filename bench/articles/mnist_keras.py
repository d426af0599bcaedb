"""The TensorFlow loop of article 002, as the article has it: compile, one-hot labels, fit, the test set as validation.

python bench/articles/mnist_keras.py MNIST.npz EPOCHS
Prints one JSON line: the seconds of each epoch, validation included.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.began)


def main(path: str, epochs: int) -> None:
    with np.load(path) as arrays:
        x, y, x_test, y_test = (arrays[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    x, x_test = x[..., None] / 255.0, x_test[..., None] / 255.0
    y, y_test = keras.utils.to_categorical(y), keras.utils.to_categorical(y_test)
    layers = keras.layers
    model = keras.Sequential([
        layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dense(10, activation="softmax"),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    model.fit(x, y, epochs=epochs, validation_data=(x_test, y_test), verbose=0, callbacks=[clock])
    print(json.dumps({"seconds": clock.seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
