"""keras.layers.LSTM with torch's second bias, which Keras has no place for."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Cell(keras.layers.Layer):
    """One step: (x, [h, c]) -> (h', [h', c'])."""

    def __init__(self, units: int, use_bias: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.units, self.use_bias = units, use_bias
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape: Any) -> None:
        gates = 4 * self.units
        self.kernel = self.add_weight((input_shape[-1], gates), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight((self.units, gates), initializer="orthogonal", name="recurrent_kernel")
        self.bias = self.add_weight((gates,), initializer="zeros", name="bias") if self.use_bias else None
        self.recurrent_bias = self.add_weight((gates,), initializer="zeros", name="recurrent_bias")

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        h, c = states
        z = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel) + self.recurrent_bias
        if self.bias is not None:
            z = z + self.bias
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


@keras.saving.register_keras_serializable(package="bakeoff")
class LSTM(keras.layers.RNN):
    """Long short-term memory whose biases for the input and for its own state are two weights, as torch trains them.

    Args:
        units: of the state.
        use_bias: whether there is one for the input; that for the state is always there.
    """

    def __init__(self, units: int, *, use_bias: bool = True, **settings: Any) -> None:
        super().__init__(_Cell(units, use_bias), **settings)
        self.units, self.use_bias = units, use_bias

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "units": self.units, "use_bias": self.use_bias}
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LSTM:
        return cls(**config)
