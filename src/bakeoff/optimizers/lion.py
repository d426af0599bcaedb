"""lion: every weight moves by the rate, up or down: the sign of a mean of gradients.

Formula  w <- w (1 - rate weight_decay)
         w <- w - rate sign(beta1 m + (1 - beta1) g)
         m <- beta2 m + (1 - beta2) g                                            m starts at 0
         Chen et al., 2023, algorithm 2; its rate is three to ten times smaller than AdamW's, its decay as much larger

Traps    torch   has none of its own: written here in its foreach kernels
         keras   its Lion decays weights after exclusion lists of its own, and its rate is float32
         sign    a mean that is 0 but for rounding becomes a whole step in either direction: see Noise

Noise    as for adam, and more so: there is no epsilon. In float64 the frameworks agree until a mean of gradients is
         as small as its own rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from bakeoff.optimizers import adam
from bakeoff.optimizers._keras import Now, optimizer
from bakeoff.optimizers._page import Group, Slots, kept, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings:
    """`beta1` weighs the mean against the gradient in a step, `beta2` is the mean's memory."""

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0


SLOTS = {"m": ("exp_avg", "momentums")}
start, read_slots, write_slots = kept(SLOTS, counts=False)


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    m = slots["m"]
    direction = np.sign(s.beta1 * m + (1 - s.beta1) * g)
    return w * (1 - rate * s.weight_decay) - rate * direction, {"m": s.beta2 * m + (1 - s.beta2) * g}


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    return _kind(torch)(torch_groups(groups, s.weight_decay), {"lr": 0.0, "weight_decay": s.weight_decay}, s)


@cache
def _kind(torch: Any) -> Any:
    class Lion(torch.optim.Optimizer):  # type: ignore[misc]
        """The formula of this page, over lists of tensors."""

        def __init__(self, groups: list[dict[str, Any]], defaults: dict[str, Any], s: Settings) -> None:
            super().__init__(groups, defaults)
            self.settings = s

        @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
        def step(self, closure: Any = None) -> None:
            """One step on the gradients."""
            s = self.settings
            for group in self.param_groups:
                weights = [w for w in group["params"] if w.grad is not None]
                if not weights:
                    continue
                gradients = [w.grad for w in weights]
                for w in weights:
                    if "exp_avg" not in self.state[w]:
                        self.state[w]["exp_avg"] = torch.zeros_like(w, memory_format=torch.preserve_format)
                means = [self.state[w]["exp_avg"] for w in weights]
                direction = torch._foreach_mul(means, s.beta1)
                torch._foreach_add_(direction, gradients, alpha=1 - s.beta1)
                torch._foreach_sign_(direction)
                if group["weight_decay"]:
                    torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, direction, alpha=-group["lr"])
                torch._foreach_mul_(means, s.beta2)
                torch._foreach_add_(means, gradients, alpha=1 - s.beta2)

    return Lion


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        number, m = now.number, slots["m"]
        direction = keras.ops.sign(number(s.beta1) * m + number(1 - s.beta1) * g)
        if now.decay:
            w = w * (number(1.0) - now.rate * number(now.decay))
        return w - now.rate * direction, {"m": number(s.beta2) * m + number(1 - s.beta2) * g}

    return optimizer(keras, "lion", groups, s.weight_decay, SLOTS, step)


TOLERANCE = adam.TOLERANCE
CASES = {
    "plain": Settings(),
    "decay": Settings(weight_decay=0.3),
    "short memory": Settings(beta1=0.5, beta2=0.8),
}
MUTATIONS: dict[str, Any] = {"beta1": 0.7, "beta2": 0.9, "weight_decay": 0.31}
SHOWN = {"torch": ("plain",), "keras": ("decay",), "sign": ("short memory",)}
