"""Batches of a split as torch tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from bakeoff.errors import UsageError
from bakeoff.preprocessing import scale_and_offset

if TYPE_CHECKING:
    from bakeoff.data.epochs import Epochs


class TorchBatches:
    """(images, labels), each `iter` the next epoch; see `bakeoff.loaders.for_torch`."""

    def __init__(self, epochs: Epochs, *, dtype: str = "float32", channels_last: bool = False) -> None:
        if dtype not in ("float32", "uint8"):
            raise UsageError(f"dtype is {dtype!r}; expected float32 (normalised) or uint8 (pixels as they are).")
        self.epochs, self.dtype = epochs, getattr(torch, dtype)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        scale, offset = scale_and_offset(epochs.signature, "float32")
        self._scale, self._offset = torch.from_numpy(scale)[:, None, None], torch.from_numpy(offset)[:, None, None]

    @property
    def dataset(self) -> Any:
        """The split."""
        return self.epochs.split

    @property
    def batch_size(self) -> int:
        """Images in a batch; the last may have fewer."""
        return self.epochs.batch_size

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for batch in self.epochs:
            yield (
                self._images(batch.images),
                torch.from_numpy(batch.labels.astype("float32") if self.epochs.wide else batch.labels),
            )

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next `iter` gives."""
        self.load_state_dict({"epoch": epoch, "batch": 0})

    def state_dict(self) -> dict[str, int]:
        """Where the batches stand."""
        return self.epochs.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there at the next `iter`."""
        self.epochs.load_state_dict(state)

    def _images(self, pixels: Any) -> torch.Tensor:
        moved = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        images = torch.empty(moved.shape, dtype=self.dtype, memory_format=self.memory_format).copy_(moved)
        if self.dtype == torch.uint8:
            return images
        if self.epochs.signature.channel_order == "BGR":
            images = images.flip(1)
        return images.mul_(self._scale).add_(self._offset)  # two roundings, as `normalize`
