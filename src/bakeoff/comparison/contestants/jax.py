"""jax: the net in JAX by Bakeoff's own step: value_and_grad and the optimizer in one jit, many steps in one scan."""

from __future__ import annotations

from typing import Any

from bakeoff.comparison.contestants import Asked

TEXT = "JAX, one jit of many steps"
FRAMEWORK, LIBRARIES, PIPELINE = "jax", ("jax", "keras"), "own"


def net(asked: Asked) -> Any:
    return asked.native("jax")
