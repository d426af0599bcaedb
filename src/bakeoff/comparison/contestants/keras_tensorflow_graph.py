"""keras-tensorflow-graph: a Keras net on TensorFlow, its steps a loop inside tf.function. How `train` runs it."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "Keras on TensorFlow, tf.function"
FRAMEWORK, LIBRARIES, PIPELINE = "tensorflow", ("tensorflow", "keras"), "tensorflow"


def net(asked: Asked) -> Any:
    return asked.native("tensorflow")
