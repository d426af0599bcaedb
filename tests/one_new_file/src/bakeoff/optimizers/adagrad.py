"""adagrad: a step against the gradient divided by the root of the sum of all squares so far.

Formula  g <- g + weight_decay w
         v <- v + g^2                                           v starts at 0
         w <- w - rate g / (sqrt(v) + epsilon)
         Duchi, Hazan and Singer, 2011, as torch has it

Traps    keras   epsilon is inside of the root, 1e-7; v starts at 0.1; its weight_decay is decoupled
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.optimizers._keras import Now, optimizer
from bakeoff.optimizers._page import Group, Slots, kept, rounding, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings:
    """`weight_decay` is L2 in the gradient."""

    epsilon: float = 1e-10
    weight_decay: float = 0.0


SLOTS = {"v": ("sum", "accumulators")}
start, read_slots, write_slots = kept(SLOTS)


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    g = g + s.weight_decay * w
    v = slots["v"] + g * g
    return w - rate * g / (np.sqrt(v) + s.epsilon), {"v": v}


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    return torch.optim.Adagrad(torch_groups(groups, s.weight_decay), lr=0.0, eps=s.epsilon, foreach=True)


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        if now.decay:
            g = g + now.number(now.decay) * w
        v = slots["v"] + keras.ops.square(g)
        return w - now.rate * g / (keras.ops.sqrt(v) + now.number(s.epsilon)), {"v": v}

    return optimizer(keras, "adagrad", groups, s.weight_decay, SLOTS, step)


TOLERANCE = {dtype: rounding(dtype) for dtype in ("float32", "float64")}  # the same gradients on both sides
CASES = {"plain": Settings(), "decay": Settings(weight_decay=0.05), "large epsilon": Settings(epsilon=1e-3)}
MUTATIONS: dict[str, Any] = {"epsilon": 1.1e-3, "weight_decay": 0.051}
SHOWN = {"keras": ("large epsilon", "decay")}
