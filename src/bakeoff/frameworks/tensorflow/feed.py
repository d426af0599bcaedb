"""Batches on their way to a GPU: bytes are copied there ahead, and made numbers there."""

from __future__ import annotations

import tensorflow as tf

from bakeoff.preprocessing import Signature, scale_and_offset
from bakeoff.schemas import Array


class Feed:
    """See `bakeoff.protocols.Feed`."""

    def __init__(self, device: str, signature: Signature, dtype: str) -> None:
        self.device, self.turned, self.dtype = device, signature.channel_order == "BGR", dtype
        with tf.device(device):
            self.scale, self.offset = (tf.constant(one) for one in scale_and_offset(signature, dtype))

    def put(self, images: Array) -> tf.Tensor:
        """See `bakeoff.protocols.Feed`."""
        with tf.device(self.device):
            return tf.identity(tf.constant(images))

    def normal(self, images: tf.Tensor) -> tf.Tensor:
        """See `bakeoff.protocols.Feed`. One operation after the other, outside of any graph: none is fused."""
        if self.turned:
            images = images[..., ::-1]
        return tf.cast(images, self.dtype) * self.scale + self.offset
