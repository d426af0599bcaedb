"""keras-tensorflow-eager: the same step without tf.function, as under Keras's `run_eagerly`: article 000's question."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "Keras on TensorFlow, eager"
FRAMEWORK, LIBRARIES, PIPELINE = "tensorflow", ("tensorflow", "keras"), "tensorflow"


def net(asked: Asked) -> Any:
    found = asked.native("tensorflow")
    found.eager = True
    return found
