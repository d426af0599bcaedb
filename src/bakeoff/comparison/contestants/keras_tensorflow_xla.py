"""keras-tensorflow-xla: the same step compiled by XLA (`jit_compile`), one call a step."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "Keras on TensorFlow, XLA"
FRAMEWORK, LIBRARIES, PIPELINE = "tensorflow", ("tensorflow", "keras"), "tensorflow"


def net(asked: Asked) -> Any:
    found = asked.native("tensorflow")
    found.compile_batch = asked.batch_size
    return found
