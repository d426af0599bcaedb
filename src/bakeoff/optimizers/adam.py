"""adam: a step along the mean of gradients, divided by the root of the mean of their squares.

Formula  g <- g + weight_decay w
         m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2             m, v start at 0
         w <- w - rate m' / (sqrt(v') + epsilon),   m' = m / (1 - beta1^t),  v' = v / (1 - beta2^t),   t = 1, 2, ...
         Kingma and Ba, 2015, algorithm 1

Traps    keras   adds epsilon to sqrt(v) before the correction ("epsilon hat"): no constant epsilon is the same, since
                 sqrt(1 - beta2^t) moves from 0.03 to 1; default 1e-7 where torch has 1e-8; weight_decay is decoupled in
                 every Keras optimizer; ops.cast(0.9, "float64") is 0.8999999761581421 on TensorFlow, so constants
                 are made by convert_to_tensor; the rate is float32 even where the weights are float64
         float32 1 - beta2^t loses four digits at t = 1 unless it is worked out in double, or by expm1
         torch   a schedule sets the rate after the step, Keras asks for it before

Noise    Two frameworks never have quite the same float32 gradients. SGD hands that rounding error d on as rate * d.
         Adam divides by the gradient's own size: the first step is rate * g / (|g| + epsilon), whose slope at 0 is
         rate / epsilon = 1e8 rate. A weight whose gradient is 0 but for rounding (a dead unit, a bias before a
         BatchNorm, two terms that cancel) then moves by a full +rate in one framework and a full -rate in the other:
         the sign of a rounding error has become a step. So the weights may part by 2 rate a step where |g| <= d,
         whatever the precision of the arithmetic, and no tolerance in ulps can hold. What can be measured is how
         much of this one framework does to itself, the noise floor f: the same net and batches from start weights a
         rounding away, with sums taken in another order, and with errors in every step's gradients that are as large
         as those two have at the first step; and how far the nearest float32 run is from float64.
         Two float32 runs lie within f of the float64 one each, so within 2 f of each other if their errors are
         alike; f is itself one draw of a random quantity, so twice that is allowed: 4 f, and never less than SGD's
         1e-4 (parity/tolerance.py). In float64 d is 1e-9 times smaller, and the judge is strict there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.optimizers._keras import Now, one_minus_power, optimizer
from bakeoff.optimizers._page import Group, Slots, kept, rounding, torch_fused, torch_groups
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Settings:
    """`weight_decay` is L2 in the gradient, as torch's Adam has it; adamw decays the weight itself."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0


SLOTS = {"m": ("exp_avg", "momentums"), "v": ("exp_avg_sq", "velocities")}
start, read_slots, write_slots = kept(SLOTS)


def truth(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Settings) -> tuple[Array, Slots]:
    return moved(w, g + s.weight_decay * w, slots, t, rate, s)


def moved(w: Array, g: Array, slots: Slots, t: int, rate: float, s: Any) -> tuple[Array, Slots]:
    """The step without decay, which adamw shares."""
    m = s.beta1 * slots["m"] + (1 - s.beta1) * g
    v = s.beta2 * slots["v"] + (1 - s.beta2) * g * g
    root = np.sqrt(v) / np.sqrt(1 - s.beta2**t).astype(w.dtype) + s.epsilon
    return w - rate / (1 - s.beta1**t) * m / root, {"m": m, "v": v}


def to_torch(torch: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    chosen = torch_groups(groups, s.weight_decay)
    return torch.optim.Adam(chosen, lr=0.0, betas=(s.beta1, s.beta2), eps=s.epsilon, fused=torch_fused(groups))


def to_keras(keras: Any, groups: tuple[Group, ...], s: Settings) -> Any:
    def step(w: Any, g: Any, slots: dict[str, Any], now: Now) -> tuple[Any, dict[str, Any]]:
        if now.decay:
            g = g + now.number(now.decay) * w
        return keras_moved(keras, w, g, slots, now, s)

    return optimizer(keras, "adam", groups, s.weight_decay, SLOTS, step)


def keras_moved(keras: Any, w: Any, g: Any, slots: dict[str, Any], now: Now, s: Any) -> tuple[Any, dict[str, Any]]:
    """`moved` in keras.ops."""
    number = now.number
    m = number(s.beta1) * slots["m"] + number(1 - s.beta1) * g
    v = number(s.beta2) * slots["v"] + number(1 - s.beta2) * keras.ops.square(g)
    root = keras.ops.sqrt(v) / keras.ops.sqrt(one_minus_power(keras, s.beta2, now)) + number(s.epsilon)
    return w - now.rate / one_minus_power(keras, s.beta1, now) * m / root, {"m": m, "v": v}


TOLERANCE = {dtype: rounding(dtype) for dtype in ("float32", "float64")}  # the same gradients on both sides
CASES = {
    "plain": Settings(),
    "decay": Settings(weight_decay=0.05),
    "large epsilon": Settings(epsilon=1e-3),
    "short memory": Settings(beta1=0.5, beta2=0.9),
    "no mean": Settings(beta1=0.0),
}
MUTATIONS: dict[str, Any] = {"beta1": 0.899, "beta2": 0.9989, "epsilon": 1.1e-3, "weight_decay": 0.051}
SHOWN = {
    "keras": (
        "large epsilon",
        "decay",
    ),
    "float32": ("plain",),
    "torch": ("plain",),
}
