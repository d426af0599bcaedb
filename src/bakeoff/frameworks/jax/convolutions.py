"""Convolutions that XLA takes several times too long for on a processor, computed in another way.

A depthwise one is a sum of shifted images, each times a weight a channel: XLA's gradients of it go cell by cell. A
pointwise one is a product of matrices. Shapes are those of Keras, channels last: images (N, H, W, C).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from keras.ops import convert_to_tensor
from keras.src.backend.jax import nn

Span = tuple[int, int, int, int, int]  # of an axis: cells before and after it, stride, dilation, size out
Convolution = Callable[..., Any]
WIDE = ("float32", "float64")  # of 16 bits a sum of shifted images would be rounded at every cell, where XLA's isn't


@contextmanager
def quick() -> Iterator[None]:
    """Within, Keras computes them this way, on a processor."""
    if jax.default_backend() != "cpu":
        yield
        return
    stock = nn.conv, nn.depthwise_conv
    nn.conv, nn.depthwise_conv = _instead(nn.conv, _pointwise), _instead(nn.depthwise_conv, _depthwise)
    try:
        yield
    finally:
        nn.conv, nn.depthwise_conv = stock


def _instead(stock: Convolution, quicker: Callable[..., Any]) -> Convolution:
    """One of Keras's functions; what `quicker` gives None for is computed by Keras's own."""

    def convolution(
        inputs: Any,
        kernel: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
    ) -> Any:
        if inputs.ndim == 4 and data_format == "channels_last" and inputs.dtype in WIDE:
            values = convert_to_tensor(inputs), convert_to_tensor(kernel)  # a variable's value in this trace
            found = quicker(*values, _pair(strides), padding.lower(), _pair(dilation_rate))
            if found is not None:
                return found
        return stock(inputs, kernel, strides, padding, data_format, dilation_rate)

    return convolution


def _pointwise(images: Any, kernel: Any, strides: tuple[int, int], *_: Any) -> Any:
    """With a kernel (1, 1, C, O), which no padding or dilation changes; None of another one, and in groups."""
    if kernel.shape[:3] != (1, 1, images.shape[-1]):
        return None
    return images[:, :: strides[0], :: strides[1]] @ kernel[0, 0]


def _depthwise(images: Any, kernel: Any, strides: tuple[int, int], padding: str, dilations: tuple[int, int]) -> Any:
    """With a kernel (h, w, C, M); C * M channels out."""
    spans = tuple(map(partial(_span, padding), images.shape[1:3], kernel.shape[:2], strides, dilations))
    channels, multiplier = kernel.shape[2:]
    if multiplier > 1:
        images = jnp.repeat(images, multiplier, axis=-1)
    return convolve(images, kernel.reshape(*kernel.shape[:2], channels * multiplier), spans)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def _span(padding: str, size: int, kernel: int, stride: int, dilation: int) -> Span:
    reach = dilation * (kernel - 1)
    if padding == "valid":
        return 0, 0, stride, dilation, (size - reach - 1) // stride + 1
    out = -(-size // stride)
    missing = max((out - 1) * stride + reach + 1 - size, 0)
    return missing // 2, missing - missing // 2, stride, dilation, out


def _parts(images: Any, kernel: Any, spans: tuple[Span, Span]) -> Iterator[tuple[tuple[int, int], Any]]:
    """Each cell of the kernel, and the images as it sees them."""
    (top, bottom, stride_y, dilation_y, height), (left, right, stride_x, dilation_x, width) = spans
    padded = jnp.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))
    for i, j in np.ndindex(*kernel.shape[:2]):
        rows = slice(i * dilation_y, i * dilation_y + (height - 1) * stride_y + 1, stride_y)
        columns = slice(j * dilation_x, j * dilation_x + (width - 1) * stride_x + 1, stride_x)
        yield (i, j), padded[:, rows, columns]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(images: Any, kernel: Any, spans: tuple[Span, Span]) -> Any:
    """A weight a channel and cell of the kernel: images (N, H, W, C), kernel (h, w, C)."""
    return sum(part * kernel[cell] for cell, part in _parts(images, kernel, spans))


def _forward(images: Any, kernel: Any, spans: tuple[Span, Span]) -> Any:
    return convolve(images, kernel, spans), (images, kernel)


def _backward(spans: tuple[Span, Span], held: Any, gradient: Any) -> Any:
    """Of the images: gradients with the zeros that a stride leaves between them, shifted back; of a cell: a sum."""
    images, kernel = held
    cells = [(part * gradient).sum((0, 1, 2)) for _, part in _parts(images, kernel, spans)]
    apart, back = [(0, 0, 0)], []
    for (before, _, stride, dilation, out), size, count in zip(spans, images.shape[1:3], kernel.shape, strict=False):
        reach = dilation * (count - 1)
        apart.append((reach - before, size + before - (out - 1) * stride - 1, stride - 1))
        back.append([slice(reach - cell * dilation, reach - cell * dilation + size) for cell in range(count)])
    spread = lax.pad(gradient, jnp.zeros((), gradient.dtype), [*apart, (0, 0, 0)])
    moved = sum(spread[:, back[0][i], back[1][j]] * kernel[i, j] for i, j in np.ndindex(*kernel.shape[:2]))
    return moved, jnp.stack(cells).reshape(kernel.shape)


convolve.defvjp(_forward, _backward)
