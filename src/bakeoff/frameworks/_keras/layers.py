"""The Keras layers that Keras lacks: what other libraries do, said in keras.ops; registered, so that `.keras` files load."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bakeoff")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation with torch's unbiased running variance v n / (n - 1), or with frozen statistics.

    Whether statistics are of the batch is an attribute, and not inherited from `trainable`.
    """

    def __init__(self, *, variance: str = "unbiased", statistics: str = "batch", **settings: Any) -> None:
        super().__init__(**settings)
        self.variance, self.statistics = variance, statistics

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or self.statistics == "frozen":
            return self._normalized(inputs, self.moving_mean, self.moving_variance)
        if keras.backend.backend() == "tensorflow" and inputs.dtype == "float32" and len(inputs.shape) == 4:
            return self._fused(inputs)
        axes = tuple(range(len(inputs.shape) - 1))
        mean = ops.mean(inputs, axes)
        centred = inputs - mean
        variance = ops.mean(ops.square(centred), axes)
        self._keep(inputs, mean, variance)
        return self._normalized(inputs, mean, variance)

    def _fused(self, inputs: Any) -> Any:
        """TensorFlow's one kernel, float32 alone: several times faster, and its variance is the unbiased one."""
        import tensorflow as tf

        channels = inputs.shape[-1]
        scale = self.gamma if self.scale else tf.ones(channels, inputs.dtype)
        offset = self.beta if self.center else tf.zeros(channels, inputs.dtype)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset, mean=[], variance=[], epsilon=self.epsilon, is_training=True
        )
        if self.variance == "biased":
            cells = self._cells(inputs, variance.dtype)
            variance = variance * ((cells - 1) / cells)
        self._assign(mean, variance)
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
class GroupedConv2D(keras.layers.Conv2D):
    """A convolution that trains on CPU where TensorFlow's own does not.

    Groups are split, convolved and joined (TensorFlow's gradient of a grouped convolution fails on CPU in float64, or
    without oneDNN). With stride and dilation together, stride 1 is computed and then subsampled (Keras refuses both).
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        both = max(self.strides) > 1 and max(self.dilation_rate) > 1
        strides = (1, 1) if both else self.strides
        parts = ops.split(inputs, self.groups, axis=-1) if self.groups > 1 else [inputs]
        kernels = ops.split(kernel, self.groups, axis=-1) if self.groups > 1 else [kernel]
        done = [
            ops.conv(part, piece, strides=list(strides), padding=self.padding, dilation_rate=self.dilation_rate)
            for part, piece in zip(parts, kernels, strict=True)
        ]
        y = ops.concatenate(done, axis=-1) if len(done) > 1 else done[0]
        return y[:, :: self.strides[0], :: self.strides[1]] if both else y


@keras.saving.register_keras_serializable(package="bakeoff")
class Parameter(keras.layers.Layer):
    """A bare parameter as a value; it is called on the net's input, which it does not read."""

    def __init__(self, shape: tuple[int, ...], *, trainable: bool = True, **settings: Any) -> None:
        super().__init__(trainable=trainable, **settings)
        self.size = tuple(shape)

    def build(self, input_shape: Any) -> None:
        self.value = self.add_weight(shape=self.size, name="value", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        return ops.convert_to_tensor(self.value)

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        return self.size

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(self.size, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.size}
