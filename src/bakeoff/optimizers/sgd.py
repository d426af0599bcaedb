"""sgd: a step against the gradient, or against a running sum of gradients that fades by `momentum`.

Formula  g <- g + weight_decay w
         b <- momentum b + g                                    b starts at 0
         w <- w - rate b;   nesterov: w <- w - rate (g + momentum b);   momentum 0: w <- w - rate g
         Sutskever et al., 2013, with the rate outside the buffer

Traps    keras   its buffer holds rate * gradient (v <- momentum v - rate g), so that the two part as soon as the
                 rate moves: after the steps 0.1 and 0.01 with momentum 0.9 and gradient 1 a weight has moved by
                 -0.119 in torch and by -0.200 in Keras; its weight_decay is decoupled (w <- w (1 - rate decay)),
                 here it is torch's, in the gradient; its rate is float32 even where the weights are float64
         torch   `dampening` weighs all gradients but the first: left at 0; a schedule sets the rate after the step,
                 Keras asks for it before
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.optimizers._keras import Now, optimizer
from bakeoff.optimizers._page import Group, Slots, kept, rounding, torch_fused, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings:
    """`weight_decay` is L2 in the gradient, as torch has it."""

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0


SLOTS = {"momentum": ("momentum_buffer", "momentums")}
start, read_slots, write_slots = kept(SLOTS, counts=False)


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    g = g + s.weight_decay * w
    if not s.momentum:
        return w - rate * g, slots
    buffer = s.momentum * slots["momentum"] + g
    step = g + s.momentum * buffer if s.nesterov else buffer
    return w - rate * step, {"momentum": buffer}


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    nesterov = s.nesterov and s.momentum > 0  # torch refuses the pair; the formula gives plain SGD
    chosen = torch_groups(groups, s.weight_decay)
    return torch.optim.SGD(chosen, lr=0.0, momentum=s.momentum, nesterov=nesterov, fused=torch_fused(groups))


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        if now.decay:
            g = g + now.number(now.decay) * w
        if not s.momentum:
            return w - now.rate * g, slots
        buffer = now.number(s.momentum) * slots["momentum"] + g
        moved = g + now.number(s.momentum) * buffer if s.nesterov else buffer
        return w - now.rate * moved, {"momentum": buffer}

    return optimizer(keras, "sgd", groups, s.weight_decay, SLOTS if s.momentum else {}, step)


TOLERANCE = {dtype: rounding(dtype) for dtype in ("float32", "float64")}
# A step is linear in the gradient: a rounding error of one ulp in g moves w by rate * ulp, and no more.
CASES = {
    "plain": Settings(),
    "momentum": Settings(momentum=0.9),
    "nesterov": Settings(momentum=0.9, nesterov=True),
    "decay": Settings(weight_decay=0.05),
    "momentum and decay": Settings(momentum=0.8, weight_decay=0.05),
}
MUTATIONS: dict[str, Any] = {"momentum": 0.899, "nesterov": True, "weight_decay": 0.051}
SHOWN = {"keras": ("momentum and decay",), "torch": ("nesterov",)}
