"""lstm: a memory that reads a sequence step by step, and what it says at each step.

Shape    x (N, T, I), kernel (I, 4 U), recurrent (U, 4 U), bias (4 U,), recurrent_bias (4 U,)  ->  y (N, T, U)
         Hochreiter and Schmidhuber, 1997; gates i, f, g, o as torch and Keras both count them:
         i, f, g, o = x kernel + bias + h recurrent + recurrent_bias;  c' = sigmoid(f) c + sigmoid(i) tanh(g);
         h' = y = sigmoid(o) tanh(c'); h and c begin with 0; `reverse` reads from the last step to the first

Laws     y at a step depends on the steps before alone; reverse is the same on the sequence turned, turned back

Traps    torch   two biases, whose sum is all that counts; yet SGD moves each by its own gradient, so the sum moves
                 twice as far as with Keras's single one: they are kept apart
         keras   one bias; go_backwards gives the steps in the order in which it read them, and not as they came
         onnx    gates are counted i, o, f, c, and the sequence has its steps first
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, Gap, Mode, Native, Scope, Slot, rounding
from bakeoff.ops._recurrent import keras_both_ways, keras_layer, sigmoid, torch_layers, torch_slots, unrolled
from bakeoff.schemas import Array

LAYOUT = "channels_last"


@dataclass(frozen=True)
class Attributes:
    units: int
    reverse: bool = False
    bias: bool = True
    recurrent_bias: bool = True


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], x[1], a.units


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    gates = 4 * a.units
    slots = {"kernel": Slot((fixed(x[2], "lstm: the number of features"), gates)), "recurrent": Slot((a.units, gates))}
    biases = {"bias": a.bias, "recurrent_bias": a.recurrent_bias}
    return slots | {name: Slot((gates,)) for name, there in biases.items() if there}


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
    def step(now: Array, h: Array, c: Array) -> tuple[Array, Array]:
        i, f, g, o = np.split(now @ kernel + bias + h @ recurrent + recurrent_bias, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return unrolled(a, x, 2, step)


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return {
        "torch": {
            "kernel": Native("weight_ih_l0", "i o -> o i"),
            "recurrent": Native("weight_hh_l0", "i o -> o i"),
            "bias": Native("bias_ih_l0", "o -> o"),
            "recurrent_bias": Native("bias_hh_l0", "o -> o"),
        },
        "keras": {
            "kernel": Native("cell.kernel", "i o -> i o"),
            "recurrent": Native("cell.recurrent_kernel", "i o -> i o"),
            "bias": Native("cell.bias", "o -> o"),
            "recurrent_bias": Native("cell.recurrent_bias", "o -> o"),
        },
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    features = scope.shapes[0][2]
    if a.bias == a.recurrent_bias:
        module = scope.lib.nn.LSTM(features, a.units, bias=a.bias, batch_first=True)
    else:
        module = scope.own.SingleBiasLSTM(features, a.units, a.recurrent_bias)
    y = scope.module(module, x.flip(1) if a.reverse else x)[0]
    return y.flip(1) if a.reverse else y


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    common = {"use_bias": a.bias, "return_sequences": True, "go_backwards": a.reverse, "name": scope.name}
    if a.recurrent_bias:
        layer = scope.own.LSTM(a.units, **common)
    else:
        layer = scope.lib.layers.LSTM(a.units, **common)
    y = scope.module(layer, x)
    return scope.lib.ops.flip(y, 1) if a.reverse else y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    def axes(*numbers: int) -> Any:
        return scope.constant(np.array(numbers, np.int64))

    def gates(given: Any) -> Any:  # of (4 U, ...): i, f, c, o -> i, o, f, c; a direction in front
        i, f, c, o = scope.emit_many("Split", [given], 4, axis=0, num_outputs=4)
        return scope.emit("Unsqueeze", [scope.emit("Concat", [i, o, f, c], axis=0), axes(0)])

    nothing = scope.constant(np.zeros(4 * a.units, scope.dtype))
    biases = [gates(scope.parameter(name) if there else nothing)
              for name, there in (("bias", a.bias), ("recurrent_bias", a.recurrent_bias))]  # fmt: skip
    kernels = [gates(scope.parameter(name, "i o -> o i")) for name in ("kernel", "recurrent")]
    inputs = [scope.emit("Transpose", [x], perm=(1, 0, 2)), *kernels, scope.emit("Concat", biases, axis=1)]
    y = scope.emit("LSTM", inputs, hidden_size=a.units, direction="reverse" if a.reverse else "forward")
    return scope.emit("Transpose", [scope.emit("Squeeze", [y, axes(1)])], perm=(1, 0, 2))


def slots(call: Call, given: list[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What torch's weights of one layer and way are: attributes and slots."""
    biased, units = len(given) == 4, given[1].sizes[1]
    if given[0].sizes[0] != 4 * units:
        raise call.refuse("a projection of its states")
    return {"units": units, "bias": biased, "recurrent_bias": biased}, torch_slots(call, given)


def from_torch(call: Call) -> Any:
    """torch.lstm: the sequence, and what each way said last; the memory's own last state has no node."""
    return *torch_layers(call, "lstm", call["hx"], slots), None


FROM_TORCH = {"aten.lstm": from_torch}
FROM_KERAS = {"layers.LSTM": keras_layer, "layers.Bidirectional": keras_both_ways}
CASES = {
    "two biases": Case(((2, 5, 3),), Attributes(4)),
    "one bias": Case(((2, 5, 3),), Attributes(4, recurrent_bias=False)),
    "none": Case(((2, 5, 3),), Attributes(4, bias=False, recurrent_bias=False)),
    "from the last step": Case(((3, 4, 3),), Attributes(2, reverse=True)),
    "large numbers": Case(((2, 6, 3),), Attributes(3), scale=20.0),
}
TOLERANCE = {dtype: 6 * rounding(7, dtype) for dtype in ("float32", "float64")}  # the roundings of 6 steps add up
MUTATIONS: dict[str, Any] = {"reverse": True, "bias": False, "recurrent_bias": False}


def _rows(torch: Any, x: Any, *first: Any, **settings: Any) -> Any:
    return torch.nn.LSTM(6, 4, batch_first=True, **settings)(x.flatten(1, 2), *first)[0]


def _first(torch: Any, x: Any) -> Any:
    return _rows(torch, x, (torch.ones(1, len(x), 4), torch.ones(1, len(x), 4)))


def _kept(keras: Any, x: Any) -> Any:
    return keras.layers.LSTM(4, return_state=True)(x[:, 0])[0]


GAPS = {
    "projected states": Gap("torch", lambda torch, x: _rows(torch, x, proj_size=2), "a projection of its states"),
    "a first state that isn't zero": Gap("torch", _first, "a first state that isn't zero"),
    "states that are given back, or kept": Gap("keras", _kept, "return_state"),
}
SHOWN = {
    "torch": ("two biases", "one bias"),
    "keras": ("two biases", "from the last step"),
    "onnx": ("from the last step",),
}
