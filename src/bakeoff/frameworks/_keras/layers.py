"""The Keras layers that Keras lacks: what other libraries do, in keras.ops; registered, so that `.keras` files load."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bakeoff.frameworks._keras import small_batch_norm
from bakeoff.frameworks._keras.grouped import GroupedConv2D, KernelConv2D, same_pad
from bakeoff.frameworks._keras.recurrent import GRU, LSTM

__all__ = [
    "GRU",
    "LSTM",
    "AvgPool2D",
    "BatchNorm",
    "ConstantPad2D",
    "Gelu",
    "GroupedConv2D",
    "KernelConv2D",
    "Parameter",
]


@keras.saving.register_keras_serializable(package="bakeoff")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation with torch's unbiased running variance v n / (n - 1), or with frozen statistics.

    Whether statistics are of the batch is an attribute, and not inherited from `trainable`.
    """

    def __init__(self, *, variance: str = "unbiased", statistics: str = "batch", **settings: Any) -> None:
        super().__init__(autocast=False, **settings)  # where 16 bits are mixed in, its numbers stay as fine as they are
        self.variance, self.statistics = variance, statistics

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        given = keras.backend.standardize_dtype(inputs.dtype)
        kernel = keras.backend.backend() == "tensorflow" and given != "float64" and len(inputs.shape) == 4
        fine = ops.cast(inputs, self.variable_dtype) if given in ("bfloat16", "float16") else inputs
        if not training or self.statistics == "frozen":
            if kernel and given == "float32":  # of 16 bits, its gradients would have too few
                return self._fused(inputs, self.moving_mean, self.moving_variance)[0]
            return ops.cast(self._normalized(fine, self.moving_mean, self.moving_variance), given)
        if kernel:
            sizes = inputs.shape[1:]
            small = None not in sizes and math.prod(sizes) <= small_batch_norm.LARGEST
            return ops.cast(self._small(fine), given) if small else self._large(inputs)
        return ops.cast(self._by_hand(fine), given)

    def _by_hand(self, inputs: Any) -> Any:
        axes = tuple(range(len(inputs.shape) - 1))
        mean = ops.mean(inputs, axes)
        centred = inputs - mean
        variance = ops.mean(ops.square(centred), axes)
        self._keep(inputs, mean, variance)
        return self._normalized(inputs, mean, variance)

    def _fused(self, inputs: Any, mean: Any = (), variance: Any = ()) -> tuple[Any, Any, Any]:
        """TensorFlow's one kernel, not for float64, a pass over memory; without statistics it takes the batch's.

        Of 16 bits it takes sums and statistics in float32.
        """
        import tensorflow as tf

        channels = inputs.shape[-1]
        scale = self.gamma if self.scale else tf.ones(channels, self.variable_dtype)
        offset = self.beta if self.center else tf.zeros(channels, self.variable_dtype)
        given = {"mean": mean, "variance": variance, "is_training": isinstance(mean, tuple)}
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset, epsilon=self.epsilon, **given
        )
        return y, mean, variance

    def _large(self, inputs: Any) -> Any:
        """By that kernel, several times faster than by hand; its variance is the unbiased one."""
        y, mean, variance = self._fused(inputs)
        if self.variance == "biased":
            cells = self._cells(inputs, variance.dtype)
            variance = variance * ((cells - 1) / cells)
        self._assign(mean, variance)
        return y

    def _small(self, inputs: Any) -> Any:
        """TensorFlow, float32, small images: as fast as its fused kernel, without that one's rounding."""
        gamma, beta = self.gamma if self.scale else None, self.beta if self.center else None
        y, mean, variance = small_batch_norm.normalize(inputs, gamma, beta, self.epsilon)
        self._keep(inputs, mean, variance)
        return y

    def _cells(self, inputs: Any, dtype: Any) -> Any:
        cells = ops.convert_to_tensor(1.0, dtype=dtype)
        for size in ops.shape(inputs)[:-1]:
            cells = cells * ops.cast(size, dtype)
        return cells

    def _keep(self, inputs: Any, mean: Any, variance: Any) -> None:
        if self.variance == "unbiased":
            cells = self._cells(inputs, self.moving_mean.dtype)
            variance = variance * (cells / (cells - 1))
        self._assign(mean, variance)

    def _assign(self, mean: Any, variance: Any) -> None:
        dtype = self.moving_mean.dtype
        new = ops.convert_to_tensor(1 - self.momentum, dtype=dtype)
        old = ops.convert_to_tensor(self.momentum, dtype=dtype)
        self.moving_mean.assign(self.moving_mean * old + mean * new)
        self.moving_variance.assign(self.moving_variance * old + variance * new)

    def _normalized(self, inputs: Any, mean: Any, variance: Any) -> Any:
        epsilon = ops.convert_to_tensor(self.epsilon, dtype=inputs.dtype)
        factor = ops.rsqrt(variance + epsilon)
        if self.scale:
            factor = factor * self.gamma
        y = (inputs - mean) * factor
        return y + self.beta if self.center else y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "variance": self.variance, "statistics": self.statistics}


@keras.saving.register_keras_serializable(package="bakeoff")
class Parameter(keras.layers.Layer):
    """A bare parameter or a constant as a value; it is called on the net's input, which it does not read.

    Args:
        kind: the dtype of a constant that is not a number of the net's precision: "int32", "bool".
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        trainable: bool = True,
        kind: str = "",
        value_regularizer: Any = None,
        **settings: Any,
    ) -> None:
        super().__init__(trainable=trainable, **settings)
        self.size, self.kind = tuple(shape), kind
        self.value_regularizer = keras.regularizers.get(value_regularizer)

    def build(self, input_shape: Any) -> None:
        dtype = self.kind or self.variable_dtype
        term = self.value_regularizer
        self.value = self.add_weight(shape=self.size, name="value", initializer="zeros", dtype=dtype, regularizer=term)

    def call(self, inputs: Any) -> Any:
        return ops.convert_to_tensor(self.value)

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        return self.size

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.size, dtype=self.kind or self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        term = keras.regularizers.serialize(self.value_regularizer) if self.value_regularizer else None
        own = {"shape": self.size, "kind": self.kind}
        return {**super().get_config(), **own, **({"value_regularizer": term} if term else {})}


@keras.saving.register_keras_serializable(package="bakeoff")
class Gelu(keras.layers.Layer):
    """The exact or the tanh form of gelu, with constants in the dtype of its input (tf.nn.gelu's are float32)."""

    def __init__(self, form: str = "exact", **settings: Any) -> None:
        super().__init__(**settings)
        self.form = form

    def call(self, inputs: Any) -> Any:
        def number(value: float) -> Any:
            return ops.convert_to_tensor(value, dtype=inputs.dtype)

        half, one = number(0.5), number(1.0)
        if self.form == "tanh":
            cubed = inputs * inputs * inputs
            return (
                half * inputs * (one + ops.tanh(number(math.sqrt(2 / math.pi)) * (inputs + number(0.044715) * cubed)))
            )
        return half * inputs * (one + ops.erf(inputs * number(math.sqrt(0.5))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "form": self.form}


@keras.saving.register_keras_serializable(package="bakeoff")
class AvgPool2D(keras.layers.Layer):
    """Average pooling with any pad (top, bottom, left, right) or TensorFlow's "same"; padding counts or doesn't."""

    def __init__(self, window: Any, stride: Any, pad: Any, count_include_pad: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.window, self.stride, self.count_include_pad = tuple(window), tuple(stride), count_include_pad
        self.pad = pad if pad == "same" else tuple(pad)

    def call(self, inputs: Any) -> Any:
        y = self._pool(inputs, inputs)
        return y if self.count_include_pad else y / self._pool(ops.ones_like(inputs[:1, :, :, :1]), inputs)

    def _pool(self, x: Any, inputs: Any) -> Any:
        if self.pad == "same":
            rows, columns = (same_pad(inputs, axis + 1, self.window[axis], self.stride[axis]) for axis in (0, 1))
        else:
            rows, columns = self.pad[:2], self.pad[2:]
        padded = ops.pad(x, ((0, 0), rows, columns, (0, 0)))
        return ops.average_pool(padded, self.window, self.stride, "valid", data_format="channels_last")

    def compute_output_shape(self, input_shape: Any) -> Any:
        sizes = []
        for axis, size in enumerate(input_shape[1:3]):
            span, step = self.window[axis], self.stride[axis]
            if size is not None:
                same = self.pad == "same"
                size = -(-size // step) if same else (size + sum(self.pad[2 * axis : 2 * axis + 2]) - span) // step + 1
            sizes.append(size)
        return (input_shape[0], *sizes, input_shape[3])

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {
            "window": self.window,
            "stride": self.stride,
            "pad": self.pad,
            "count_include_pad": self.count_include_pad,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="bakeoff")
class ConstantPad2D(keras.layers.Layer):
    """Rows and columns (top, bottom, left, right) of a constant around the image; ZeroPadding2D knows only 0."""

    def __init__(self, pad: Any, value: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.pad, self.value = tuple(pad), value

    def call(self, inputs: Any) -> Any:
        top, bottom, left, right = self.pad
        return ops.pad(inputs, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=self.value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pad": self.pad, "value": self.value}
