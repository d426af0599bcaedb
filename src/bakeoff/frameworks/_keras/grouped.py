"""Convolutions that a library computes forwards but doesn't train: in groups, or with stride and dilation together."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
from keras import ops


def same_pad(x: Any, axis: int, span: int, stride: int) -> tuple[Any, Any]:
    """Cells before and after an axis for TensorFlow's "same"; integers where the size is known, else tensors."""
    size = x.shape[axis]
    if size is not None:
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
    else:
        size = ops.shape(x)[axis]
        total = ops.maximum((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def convolve(x: Any, kernel: Any, strides: tuple[int, int], padding: str, dilation: tuple[int, int]) -> Any:
    """A convolution of (N, H, W, C) with a kernel (h, w, C / groups, O); the groups follow from the sizes.

    With stride and dilation together, stride 1 is computed and then subsampled: the libraries refuse both.
    """
    both = max(strides) > 1 and max(dilation) > 1
    y = _convolve(x, kernel, (1, 1) if both else strides, padding, dilation)
    if not both:
        return y
    first = [0, 0]
    if padding == "same":  # its windows begin elsewhere at stride 1
        spans = [rate * (size - 1) + 1 for rate, size in zip(dilation, kernel.shape[:2], strict=True)]
        first = [(spans[i] - 1) // 2 - same_pad(x, i + 1, spans[i], strides[i])[0] for i in (0, 1)]
    return y[:, first[0] :: strides[0], first[1] :: strides[1]]


def _convolve(x: Any, kernel: Any, strides: tuple[int, int], padding: str, dilation: tuple[int, int]) -> Any:
    groups = x.shape[-1] // kernel.shape[2]
    if groups > 1 and keras.backend.backend() == "tensorflow":
        dtype = keras.backend.standardize_dtype(x.dtype)
        if _trains(dtype, x.shape[-1], tuple(kernel.shape), tuple(strides), tuple(dilation)):
            import tensorflow as tf

            return tf.nn.conv2d(x, kernel, list(strides), padding.upper(), dilations=list(dilation))
        parts, kernels = ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1)
        done = [_convolve(part, piece, strides, padding, dilation) for part, piece in zip(parts, kernels, strict=True)]
        return ops.concatenate(done, axis=-1)
    return ops.conv(x, kernel, strides=list(strides), padding=padding, dilation_rate=dilation)


@cache
def _trains(
    dtype: str, channels: int, kernel: tuple[int, ...], strides: tuple[int, int], dilation: tuple[int, int]
) -> bool:
    """Whether TensorFlow has gradients for these groups on this machine; asked by trying.

    They need oneDNN (float32) or a GPU; else it raises, but for some strides and dilations.
    """
    import tensorflow as tf

    sizes = [rate * (span - 1) + 1 + step for rate, span, step in zip(dilation, kernel[:2], strides, strict=True)]
    settings = {"strides": [1, *strides, 1], "padding": "VALID", "dilations": [1, *dilation, 1]}
    with tf.init_scope():  # it pauses tapes, so the gradients are called by their own names
        x, w = tf.ones((1, *sizes, channels), dtype), tf.ones(kernel, dtype)
        dy = tf.ones((1, 2, 2, kernel[3]), dtype)
        try:
            tf.raw_ops.Conv2DBackpropInput(input_sizes=x.shape, filter=w, out_backprop=dy, **settings)
            tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=w.shape, out_backprop=dy, **settings)
        except (tf.errors.OpError, ValueError):
            return False
    return True


@keras.saving.register_keras_serializable(package="bakeoff")
class GroupedConv2D(keras.layers.Conv2D):
    """A convolution in groups, or with stride and dilation together, that trains on CPU in any precision.

    Its weights are those of Conv2D. TensorFlow's own gradient for groups fails in float64 and without oneDNN: there
    the groups are split, convolved and joined.
    """

    def __init__(self, filters: int, kernel_size: Any, *, dilation_rate: Any = (1, 1), **settings: Any) -> None:
        super().__init__(filters, kernel_size, **settings)
        self.dilation_rate = tuple(dilation_rate)  # Keras's own check refuses it beside a stride

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return convolve(inputs, kernel, self.strides, self.padding, self.dilation_rate)


@keras.saving.register_keras_serializable(package="bakeoff")
class KernelConv2D(keras.layers.Layer):
    """The same for a kernel that is computed, or shared with another operator: called on [images, kernel]."""

    def __init__(self, strides: Any, padding: str, dilation_rate: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self.strides, self.padding, self.dilation_rate = tuple(strides), padding, tuple(dilation_rate)

    def call(self, inputs: Any) -> Any:
        x, kernel = inputs
        return convolve(x, kernel, self.strides, self.padding, self.dilation_rate)

    def compute_output_shape(self, input_shape: Any) -> Any:
        (batch, *sizes, _), kernel = input_shape
        found = []
        for size, span, stride, rate in zip(sizes, kernel[:2], self.strides, self.dilation_rate, strict=True):
            cut = 0 if self.padding == "same" else rate * (span - 1)
            found.append(None if size is None else -(-(size - cut) // stride))
        return (batch, *found, kernel[3])

    def compute_output_spec(self, inputs: Any) -> Any:
        shape = self.compute_output_shape([value.shape for value in inputs])
        return keras.KerasTensor(shape, dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"strides": self.strides, "padding": self.padding, "dilation_rate": self.dilation_rate}
        return {**super().get_config(), **own}
