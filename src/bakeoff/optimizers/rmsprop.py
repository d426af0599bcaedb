"""rmsprop: a step against the gradient divided by the root of a running mean of its squares.

Formula  g <- g + weight_decay w
         v <- beta2 v + (1 - beta2) g^2                         v starts at 0, and is not corrected for that
         b <- momentum b + g / (sqrt(v) + epsilon)              b starts at 0
         w <- w - rate b
         Hinton, 2012, lecture 6e, as torch has it

Traps    keras   epsilon is inside of the root, 1e-7, and rho is 0.9 where torch's alpha is 0.99; its momentum buffer
                 holds rate times step; its weight_decay is decoupled
         first   v is not corrected: the first step is rate / sqrt(1 - beta2), ten rates long at 0.99

Noise    as for adam: a gradient that is 0 but for rounding still becomes a full step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.optimizers import adam
from bakeoff.optimizers._keras import Now, optimizer
from bakeoff.optimizers._page import Group, Library, Slots, kept, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings:
    """`beta2` is the memory of the squares; `weight_decay` is L2 in the gradient."""

    beta2: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 0.0


SLOTS = {"v": ("square_avg", "velocities"), "momentum": ("momentum_buffer", "momentums")}
start, _read, write_slots = kept(SLOTS)


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    g = g + s.weight_decay * w
    v = s.beta2 * slots["v"] + (1 - s.beta2) * g * g
    step = g / (np.sqrt(v) + s.epsilon)
    if not s.momentum:
        return w - rate * step, {"v": v, "momentum": slots["momentum"]}
    step = s.momentum * slots["momentum"] + step
    return w - rate * step, {"v": v, "momentum": step}


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    chosen = torch_groups(groups, s.weight_decay)
    return torch.optim.RMSprop(chosen, lr=0.0, alpha=s.beta2, eps=s.epsilon, momentum=s.momentum, foreach=True)


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        number = now.number
        if now.decay:
            g = g + number(now.decay) * w
        v = number(s.beta2) * slots["v"] + number(1 - s.beta2) * keras.ops.square(g)
        moved = g / (keras.ops.sqrt(v) + number(s.epsilon))
        if not s.momentum:
            return w - now.rate * moved, {"v": v}
        moved = number(s.momentum) * slots["momentum"] + moved
        return w - now.rate * moved, {"v": v, "momentum": moved}

    slots = SLOTS if s.momentum else {"v": SLOTS["v"]}
    return optimizer(keras, "rmsprop", groups, s.weight_decay, slots, step)


def read_slots(library: Library, optimizer: Any, parameter: Any) -> Slots:
    return {**_missing(parameter), **_read(library, optimizer, parameter)}


def _missing(parameter: Any) -> Slots:
    """Without momentum the Keras side keeps no buffer: it is all zeros."""
    dtype = str(parameter.dtype).removeprefix("torch.")
    return {"momentum": np.zeros(tuple(parameter.shape), dtype)}


TOLERANCE = adam.TOLERANCE
CASES = {
    "plain": Settings(),
    "momentum": Settings(momentum=0.9),
    "decay": Settings(weight_decay=0.05),
    "large epsilon": Settings(epsilon=1e-3),
    "short memory": Settings(beta2=0.9),
}
MUTATIONS: dict[str, Any] = {"beta2": 0.989, "epsilon": 1.1e-3, "momentum": 0.91, "weight_decay": 0.051}
SHOWN = {"keras": ("large epsilon", "momentum", "decay"), "first": ("plain",)}
