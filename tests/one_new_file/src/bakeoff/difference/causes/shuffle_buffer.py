"""shuffle_buffer: tf.data draws the next image from so many; a DataLoader draws from all."""

from __future__ import annotations

STAGE, WORLD, KEYS = "data", "train", ("train.shuffle_buffer",)
SAYS = "the next image is drawn from {a} on one side and from {b} on the other"
TORCH = "DataLoader(data, shuffle=True)  # draws from all; {value} here"
KERAS = "dataset.shuffle({value})  # len(dataset): from all"
