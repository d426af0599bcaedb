"""Start values of weights, drawn in NumPy, so that every framework starts from the same ones.

The two libraries differ by default: Keras draws kernels from Glorot's uniform and sets biases to 0; torch draws both
from U(-1/sqrt(fan_in), 1/sqrt(fan_in)) (nn.Linear, nn.Conv2d: kaiming_uniform with a = sqrt(5)). A model says which.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bakeoff.ops._page import Slot
from bakeoff.schemas import Array
from bakeoff.seeds import rng

Initializer = Callable[[int, str, str, str, Slot], Array]  # (seed, path, operator, slot, its shape and role) -> float32

CONSTANTS = {"bias": 0.0, "offset": 0.0, "mean": 0.0, "scale": 1.0, "variance": 1.0}


def glorot_uniform(seed: int, path: str, op: str, slot: str, spec: Slot) -> Array:
    """Keras's default: U(-r, r), r = sqrt(6 / (fan_in + fan_out)); Glorot and Bengio, 2010, formula 16. Biases 0."""
    if slot in CONSTANTS:
        return np.full(spec.shape, CONSTANTS[slot], np.float32)
    field = int(np.prod(spec.shape[:-2]))
    fan_in, fan_out = field * spec.shape[-2], field * spec.shape[-1]
    return _uniform(seed, path, spec, np.sqrt(6 / (fan_in + fan_out)))


def torch_uniform(seed: int, path: str, op: str, slot: str, spec: Slot) -> Array:
    """torch's default for convolution and linear layers: U(-r, r), r = 1 / sqrt(fan_in); biases 0.

    torch draws biases from the same interval; they start at 0 here, as in Keras: a declared departure that keeps one
    start for both.
    """
    if slot in CONSTANTS:
        return np.full(spec.shape, CONSTANTS[slot], np.float32)
    return _uniform(seed, path, spec, 1 / np.sqrt(np.prod(spec.shape[:-1])))


def _uniform(seed: int, path: str, spec: Slot, bound: float) -> Array:
    return rng(seed, "weights", record=path).uniform(-bound, bound, spec.shape).astype(np.float32)
