"""Batches on their way to a GPU: bytes in pinned memory, copied on a stream of their own, made numbers there."""

from __future__ import annotations

import numpy as np
import torch

from bakeoff.preprocessing import Signature, scale_and_offset
from bakeoff.schemas import Array


class Feed:
    """See `bakeoff.protocols.Feed`. On the CPU the same arithmetic, without pinned memory or a stream."""

    def __init__(self, device: torch.device, signature: Signature, dtype: str) -> None:
        self.device, self.turned = device, signature.channel_order == "BGR"
        self.scale, self.offset = (torch.from_numpy(one).to(device) for one in scale_and_offset(signature, dtype))
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def put(self, images: Array) -> torch.Tensor:
        """See `bakeoff.protocols.Feed`."""
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        if self.stream is None:
            return pixels.clone()
        with torch.cuda.stream(self.stream):
            found = pixels.pin_memory().to(self.device, non_blocking=True)
        self.stream.synchronize()  # this thread waits, and not the one that trains
        return found

    def normal(self, images: torch.Tensor) -> torch.Tensor:
        """See `bakeoff.protocols.Feed`."""
        if self.stream is not None:
            images.record_stream(torch.cuda.current_stream(self.device))  # its memory isn't free before this is done
        if self.turned:
            images = images.flip(-1)
        return images.to(self.scale.dtype).mul_(self.scale).add_(self.offset)  # two roundings, as `normalize`
