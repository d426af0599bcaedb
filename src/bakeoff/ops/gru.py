"""gru: a state that reads a sequence step by step and keeps part of itself, and what it says at each step.

Shape    x (N, T, I), kernel (I, 3 U), recurrent (U, 3 U), bias and recurrent_bias (3 U,)  ->  y (N, T, U)
         Cho et al., 2014, in cuDNN's form; gates r, z, n as torch counts them:
         r = sigmoid(x kernel + bias + h recurrent + recurrent_bias), z likewise;
         n = tanh(x kernel + bias + r (h recurrent + recurrent_bias)); h' = y = (1 - z) n + z h; h begins with 0;
         `reverse` reads from the last step to the first; `joined` biases are one weight (2, 3 U)

Laws     y at a step depends on the steps before alone; reverse is the same on the sequence turned, turned back

Traps    torch   two biases; that of the state stands within r (...) and can't be added to the other
         keras   gates are counted z, r, n, and both biases are one weight of two rows; with reset_after=False, r is
                 applied before the product, which is another function; without biases its quick way on JAX mixes
                 precisions (3.15: its zeros are of the default one), and is turned off
         onnx    gates are counted z, r, n; without linear_before_reset it is that other function
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, Gap, Mode, Native, Scope, Slot, rounding
from bakeoff.ops._recurrent import keras_layer, sigmoid, torch_layers, torch_slots, unrolled
from bakeoff.schemas import Array

LAYOUT = "channels_last"
OTHER = (1, 0, 2)  # gates as Keras and ONNX count them


@dataclass(frozen=True)
class Attributes:
    """`biases`: none, two weights, or one of two rows."""

    units: int
    reverse: bool = False
    biases: Literal["none", "two", "joined"] = "two"


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], x[1], a.units


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    gates = 3 * a.units
    slots = {"kernel": Slot((fixed(x[2], "gru: the number of features"), gates)), "recurrent": Slot((a.units, gates))}
    one = {"bias": Slot((gates,) if a.biases == "two" else (2, gates))}
    return slots | {"none": {}, "two": {**one, "recurrent_bias": Slot((gates,))}, "joined": one}[a.biases]


def truth(
    _: Mode,
    a: Attributes,
    x: Array,
    *,
    kernel: Array,
    recurrent: Array,
    bias: Array | float = 0.0,
    recurrent_bias: Array | float = 0.0,
) -> Array:
    if a.biases == "joined":
        bias, recurrent_bias = np.asarray(bias)

    def step(now: Array, h: Array) -> tuple[Array]:
        own, past = (np.split(part, 3, -1) for part in (now @ kernel + bias, h @ recurrent + recurrent_bias))
        r, z = sigmoid(own[0] + past[0]), sigmoid(own[1] + past[1])
        return ((1 - z) * np.tanh(own[2] + r * past[2]) + z * h,)

    return unrolled(a, x, 1, step)


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    joined = a.biases == "joined"
    return {
        "torch": {
            "kernel": Native("weight_ih_l0", "i o -> o i"),
            "recurrent": Native("weight_hh_l0", "i o -> o i"),
            "bias": Native("biases", "r o -> r o") if joined else Native("bias_ih_l0", "o -> o"),
            "recurrent_bias": Native("bias_hh_l0", "o -> o"),
        },
        "keras": {
            "kernel": Native("cell.kernel", "i o -> i o", blocks=OTHER),
            "recurrent": Native("cell.recurrent_kernel", "i o -> i o", blocks=OTHER),
            "bias": Native("cell.bias", "r o -> r o" if joined else "o -> o", blocks=OTHER),
            "recurrent_bias": Native("cell.recurrent_bias", "o -> o", blocks=OTHER),
        },
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    features = scope.shapes[0][2]
    if a.biases == "joined":
        module = scope.own.JoinedBiasGRU(features, a.units)
    else:
        module = scope.lib.nn.GRU(features, a.units, bias=a.biases == "two", batch_first=True)
    y = scope.module(module, x.flip(1) if a.reverse else x)[0]
    return y.flip(1) if a.reverse else y


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    common = {"return_sequences": True, "go_backwards": a.reverse, "name": scope.name}
    if a.biases == "two":
        layer = scope.own.GRU(a.units, **common)
    else:
        biased, jax = a.biases == "joined", scope.lib.backend.backend() == "jax"
        layer = scope.lib.layers.GRU(
            a.units, use_bias=biased, use_cudnn=False if jax and not biased else "auto", **common
        )
    y = scope.module(layer, x)
    return scope.lib.ops.flip(y, 1) if a.reverse else y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    def axes(*numbers: int) -> Any:
        return scope.constant(np.array(numbers, np.int64))

    def gates(given: Any) -> Any:  # of (3 U, ...): r, z, n -> z, r, n; a direction in front
        r, z, n = scope.emit_many("Split", [given], 3, axis=0, num_outputs=3)
        return scope.emit("Unsqueeze", [scope.emit("Concat", [z, r, n], axis=0), axes(0)])

    biases = [scope.constant(np.zeros(3 * a.units, scope.dtype))] * 2
    if a.biases == "two":
        biases = [scope.parameter("bias"), scope.parameter("recurrent_bias")]
    elif a.biases == "joined":
        rows = scope.emit_many("Split", [scope.parameter("bias")], 2, axis=0, num_outputs=2)
        biases = [scope.emit("Squeeze", [row, axes(0)]) for row in rows]
    kernels = [gates(scope.parameter(name, "i o -> o i")) for name in ("kernel", "recurrent")]
    given = [scope.emit("Transpose", [x], perm=(1, 0, 2)), *kernels]
    given.append(scope.emit("Concat", [gates(one) for one in biases], axis=1))
    way = "reverse" if a.reverse else "forward"
    y = scope.emit("GRU", given, hidden_size=a.units, direction=way, linear_before_reset=1)
    return scope.emit("Transpose", [scope.emit("Squeeze", [y, axes(1)])], perm=(1, 0, 2))


def slots(call: Call, given: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What torch's weights of one layer and way are: attributes and slots."""
    return {"units": given[1].sizes[1], "biases": "two" if given[2:] else "none"}, torch_slots(call, given)


def from_torch(call: Call) -> Any:
    """torch.gru: the sequence, and what each way said last."""
    return torch_layers(call, "gru", [call["hx"]], slots)


FROM_TORCH = {"aten.gru": from_torch}
FROM_KERAS = {"layers.GRU": keras_layer}
CASES = {
    "two biases": Case(((2, 5, 3),), Attributes(4)),
    "joined biases": Case(((2, 5, 3),), Attributes(4, biases="joined")),
    "none": Case(((2, 5, 3),), Attributes(4, biases="none")),
    "from the last step": Case(((3, 4, 3),), Attributes(2, reverse=True, biases="joined")),
    "large numbers": Case(((2, 6, 3),), Attributes(3), scale=5.0),
}
TOLERANCE = {dtype: 6 * rounding(7, dtype) for dtype in ("float32", "float64")}  # the roundings of 6 steps add up
MUTATIONS: dict[str, Any] = {"reverse": True, "biases": "none"}


def _first(torch: Any, x: Any) -> Any:
    return torch.nn.GRU(6, 4, batch_first=True)(x.flatten(1, 2), torch.ones(1, len(x), 4))[0]


def _before(keras: Any, x: Any) -> Any:
    return keras.layers.GRU(4, reset_after=False)(x[:, 0])


def _noisy(keras: Any, x: Any) -> Any:
    return keras.layers.GRU(4, recurrent_dropout=0.1)(x[:, 0])


GAPS = {
    "a first state that isn't zero": Gap("torch", _first, "a first state that isn't zero"),
    "reset before the product": Gap("keras", _before, "reset_after=False"),
    "masks of the state": Gap("keras", _noisy, "recurrent_dropout"),
}
SHOWN = {
    "torch": ("two biases",),
    "keras": ("joined biases", "none", "from the last step"),
    "onnx": ("from the last step", "two biases"),
}
