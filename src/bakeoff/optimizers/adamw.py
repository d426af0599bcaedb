"""adamw: Adam, with weights that shrink by themselves instead of through the gradient.

Formula  w <- w (1 - rate weight_decay)
         then Adam's step, with the gradient as it is
         Loshchilov and Hutter, 2019, algorithm 2, with the schedule inside the rate

Traps    all of Adam's, and
         decay   0.01 by default in torch, 0.004 in Keras; both shrink before the step, by rate * weight_decay: a
                 schedule that lowers the rate lowers the decay
         keras   exclude_from_weight_decay is a list of regular expressions on the last part of a variable's name;
                 groups name the variables themselves

Noise    as for adam: a gradient that is 0 but for rounding still becomes a full step
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.optimizers import adam
from bakeoff.optimizers._keras import Now, optimizer
from bakeoff.optimizers._page import Group, Slots, torch_fused, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings(adam.Settings):
    """`weight_decay` shrinks the weight itself, by rate * weight_decay a step."""

    weight_decay: float = 0.01


SLOTS = adam.SLOTS
start, read_slots, write_slots = adam.start, adam.read_slots, adam.write_slots


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    return adam.moved(w * (1 - rate * s.weight_decay), g, slots, t, rate, s)


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    chosen = torch_groups(groups, s.weight_decay)
    return torch.optim.AdamW(chosen, lr=0.0, betas=(s.beta1, s.beta2), eps=s.epsilon, fused=torch_fused(groups))


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        if now.decay:
            w = w * (now.number(1.0) - now.rate * now.number(now.decay))
        return adam.keras_moved(keras, w, g, slots, now, s)

    return optimizer(keras, "adamw", groups, s.weight_decay, SLOTS, step)


TOLERANCE = adam.TOLERANCE
CASES = {
    "the default decay": Settings(),
    "no decay": Settings(weight_decay=0.0),
    "strong decay": Settings(weight_decay=0.3),
    "large epsilon": Settings(epsilon=1e-3),
    "short memory": Settings(beta1=0.5, beta2=0.9),
}
MUTATIONS: dict[str, Any] = {"beta1": 0.899, "beta2": 0.9989, "epsilon": 1.1e-3, "weight_decay": 0.31}
SHOWN = {"decay": ("strong decay",), "keras": ("no decay",)}
