"""Batches on their way to a GPU: bytes are copied there ahead, and made numbers there."""

from __future__ import annotations

import jax

from bakeoff.preprocessing import Signature, scale_and_offset
from bakeoff.schemas import Array


class Feed:
    """See `bakeoff.protocols.Feed`."""

    def __init__(self, device: jax.Device, signature: Signature, dtype: str) -> None:
        self.device, self.turned = device, signature.channel_order == "BGR"
        self.scale, self.offset = (jax.device_put(one, device) for one in scale_and_offset(signature, dtype))

    def put(self, images: Array) -> jax.Array:
        """See `bakeoff.protocols.Feed`."""
        return jax.device_put(images, self.device).block_until_ready()

    def normal(self, images: jax.Array) -> jax.Array:
        """See `bakeoff.protocols.Feed`. One operation after the other, outside of any program: XLA would fuse them."""
        if self.turned:
            images = images[..., ::-1]
        return images.astype(self.scale.dtype) * self.scale + self.offset
