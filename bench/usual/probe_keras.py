"""Transfer learning as tutorials have it in Keras: a frozen backbone, a dense layer, compile and fit.

python bench/usual/probe_keras.py FOLDER EPOCHS      FOLDER holds train/CLASS and test/CLASS
Prints one JSON line: seconds of each epoch, the accuracy on test, the seconds that judging it took.

The net is EfficientNet-lite0 with the ImageNet weights that Bakeoff brings, stock Keras layers.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import tensorflow as tf

from bakeoff import models
from bakeoff.frameworks._keras.build import build


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.began)


def main(folder: Path, epochs: int) -> None:
    train, test = (
        keras.utils.image_dataset_from_directory(
            folder / split,
            image_size=(224, 224),
            interpolation="bicubic",
            crop_to_aspect_ratio=True,
            batch_size=32,
            shuffle=split == "train",
            verbose=False,
        )
        for split in ("train", "test")
    )
    classes = len(train.class_names)
    train, test = (each.prefetch(tf.data.AUTOTUNE) for each in (train, test))
    base = build(models.build("efficientnet_lite0", (224, 224), 3, None), batch_norm="stock").model
    base.trainable = False
    inputs = keras.Input((224, 224, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(classes)(base(x, training=False)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    clock = Clock()
    model.fit(train, epochs=epochs, verbose=0, callbacks=[clock])
    began = time.perf_counter()
    accuracy = model.evaluate(test, verbose=0)[1]
    print(json.dumps({"seconds": clock.seconds, "accuracy": accuracy, "judged_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
