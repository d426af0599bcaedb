"""keras.layers.LSTM and GRU with torch's second bias as a weight of its own, which Keras has no place for."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Cell(keras.layers.Layer):
    """One step: (x, states) -> (h', states')."""

    GATES = STATES = 0

    def __init__(self, units: int, use_bias: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.units, self.use_bias = units, use_bias
        self.state_size, self.output_size = [units] * self.STATES, units

    def build(self, input_shape: Any) -> None:
        gates = self.GATES * self.units
        self.kernel = self.add_weight((input_shape[-1], gates), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, gates), initializer="orthogonal", name="recurrent_kernel")
        self.bias = self.add_weight((gates,), initializer="zeros", name="bias") if self.use_bias else None
        self.recurrent_bias = self.add_weight((gates,), initializer="zeros", name="recurrent_bias")

    def parts(self, inputs: Any, h: Any) -> tuple[Any, Any]:
        """What comes of the input, and of the state: all gates side by side."""
        own = ops.matmul(inputs, self.kernel)
        own = own if self.bias is None else own + self.bias
        return own, ops.matmul(h, self.recurrent_kernel) + self.recurrent_bias


class _LSTMCell(_Cell):
    GATES, STATES = 4, 2

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        own, past = self.parts(inputs, states[0])
        i, f, g, o = ops.split(own + past, 4, axis=-1)
        c = ops.sigmoid(f) * states[1] + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


class _GRUCell(_Cell):
    GATES, STATES = 3, 1

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        own, past = (ops.split(part, 3, axis=-1) for part in self.parts(inputs, states[0]))
        z, r = ops.sigmoid(own[0] + past[0]), ops.sigmoid(own[1] + past[1])  # gates in Keras's order
        h = z * states[0] + (1 - z) * ops.tanh(own[2] + r * past[2])
        return h, [h]


class _Recurrent(keras.layers.RNN):
    """A layer whose biases for the input and for its own state are two weights, as torch trains them.

    Args:
        units: of the state.
        use_bias: whether there is one for the input; that for the state is always there.
    """

    CELL: type[_Cell] = _Cell

    def __init__(self, units: int, *, use_bias: bool = True, **settings: Any) -> None:
        super().__init__(self.CELL(units, use_bias), **settings)
        self.units, self.use_bias = units, use_bias

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "units": self.units, "use_bias": self.use_bias}
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        return cls(**config)


@keras.saving.register_keras_serializable(package="bakeoff")
class LSTM(_Recurrent):
    """Long short-term memory."""

    CELL = _LSTMCell


@keras.saving.register_keras_serializable(package="bakeoff")
class GRU(_Recurrent):
    """A gated recurrent unit."""

    CELL = _GRUCell
