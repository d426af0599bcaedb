"""Article 001's net in TensorFlow, on photos of 32 x 32."""

import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, models

tf.keras.utils.set_random_seed(int(os.environ.get("SEED", "1")))
data = np.load("photos.npz")
x, y = data["x"] / 255.0, data["y"]

model = models.Sequential()
model.add(layers.Conv2D(8, (3, 3), activation="relu", input_shape=(32, 32, 3)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(12, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(12, (3, 3), activation="relu"))
model.add(layers.Flatten())
model.add(layers.Dense(24, activation="relu"))
model.add(layers.Dense(10))
model.compile(
    optimizer=tf.keras.optimizers.SGD(learning_rate=0.05, momentum=0.9),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(x[:200], y[:200], batch_size=20, epochs=5, validation_data=(x[200:], y[200:]))
test_loss, test_acc = model.evaluate(x[200:], y[200:], verbose=2)
print("accuracy", test_acc)
