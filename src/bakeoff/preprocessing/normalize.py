"""uint8 images to a model's numbers: the one definition for trainer, prediction and server.

    y = x * scale + offset,   scale = 1 / (255 std),   offset = -mean / std

Scale and offset are worked out in float64 and rounded once to the dtype of the result; the multiplication and the
addition are two roundings in that dtype (no fused multiply-add). Where the signature says BGR, the channels change
places first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.preprocessing.signature import Signature


def scale_and_offset(signature: Signature, dtype: Any = "float32") -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and offset per channel, each of shape (channels,)."""
    mean, std = np.array(signature.mean), np.array(signature.std)
    return (1 / (255 * std)).astype(dtype), (0.0 - mean / std).astype(dtype)


def normalize(
    images: NDArray[np.uint8], signature: Signature, dtype: Any = "float32", *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The model's input, of the shape of `images`: (..., height, width, channels).

    Args:
        images: uint8, channels last.
        signature: gives mean and std.
        dtype: float32, float64 or float16; ignored where `out` is given.
        out: an array to write to, of the shape of `images`, contiguous.
    """
    if images.dtype != np.uint8 or images.shape[-1] != signature.channels:
        raise ValueError(f"images are {images.dtype} {images.shape}; expected uint8 (..., {signature.channels})")
    if out is None:
        out = np.empty(images.shape, dtype)
    if out.shape != images.shape or not out.flags.c_contiguous:
        raise ValueError(f"out is {out.shape}; expected a contiguous array of {images.shape}")
    scale, offset = scale_and_offset(signature, out.dtype)
    if signature.channel_order == "BGR":
        images = images[..., ::-1]
    # A row of pixels at a time: NumPy's inner loop over three channels alone would be ten times slower.
    width = images.shape[-2] if images.ndim > 1 else 1
    rows, flat = np.ascontiguousarray(images).reshape(-1, width * len(scale)), out.reshape(-1, width * len(scale))
    np.multiply(rows, np.tile(scale, width), out=flat, dtype=out.dtype, casting="unsafe")
    np.add(flat, np.tile(offset, width), out=flat)
    return out
