"""The input pipeline that PyTorch's users write: torchvision transforms in a DataLoader's processes.

Images that fit into memory, decoded once, are a tensor of bytes that is indexed a batch at a time, as `tf.data` caches
them on the other side: the DataLoader's way of one image at a time would cost more than the step of a small net.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bakeoff.preprocessing import Signature, scale_and_offset
from bakeoff.schemas import Array
from bakeoff.seeds import key

AHEAD = 2  # batches that a DataLoader's processes have ready
CACHED = 1 << 30  # bytes of decoded images that are kept in memory: as many as on TensorFlow's side


def batches(
    sources: Sequence[Path] | Array, labels: Array, signature: Signature, *, batch_size: int, flip: bool, workers: int
) -> Iterator[tuple[Array, Array]]:
    """Normalised batches (N, H, W, C), as views of what torch holds, and labels; epoch after epoch, shuffled.

    Args:
        sources: files, or uint8 (n, H, W, C) of the signature's size.
        workers: processes that decode files.
    """
    labels = np.asarray(labels)
    if not isinstance(sources, np.ndarray):
        files = _Files(sources, labels, signature, flip=flip)
        if len(files) * signature.size[0] * signature.size[1] * signature.channels > CACHED:
            yield from _of_files(files, batch_size, workers)
            return
        with ThreadPoolExecutor(workers) as pool:
            sources = np.stack(list(pool.map(files.pixels, range(len(files)))))
    pixels, wanted = torch.from_numpy(sources).permute(0, 3, 1, 2), torch.from_numpy(labels)
    scale, offset = (torch.from_numpy(one)[:, None, None] for one in scale_and_offset(signature, "float32"))
    draw = _generator()
    while True:
        for rows in torch.randperm(len(pixels), generator=draw).split(batch_size):
            if len(rows) == batch_size:
                images = pixels[rows].to(torch.float32).mul_(scale).add_(offset)
                if flip:  # each image by a draw of its own, as torchvision and tf.image do
                    turned = torch.rand(len(rows), generator=draw) < 0.5
                    images[turned] = images[turned].flip(-1)
                yield images.permute(0, 2, 3, 1).numpy(), wanted[rows].numpy()


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(key(0, "input pipeline") % 2**63)


def _of_files(files: Any, batch_size: int, workers: int) -> Iterator[tuple[Array, Array]]:
    loader: Any = torch.utils.data.DataLoader(
        files,
        batch_size,
        shuffle=True,
        generator=_generator(),  # of the processes' flips, too
        drop_last=True,
        num_workers=workers,
        prefetch_factor=max(1, AHEAD // workers),
        persistent_workers=True,
        multiprocessing_context="spawn",  # a fork would wait for ever on stdin, which a thread of this process reads
    )
    while True:
        for images, labels in loader:
            yield images.permute(0, 2, 3, 1).numpy(), labels.numpy()


class _Files:
    """An image of a file at a time, through torchvision's transforms."""

    def __init__(self, paths: Sequence[Path], labels: Array, signature: Signature, *, flip: bool) -> None:
        from torchvision import transforms as t

        filters = t.InterpolationMode
        how = getattr(filters, signature.resize.upper(), filters.BILINEAR)
        size = list(signature.size)
        cut = [t.Resize(size, how)]
        if signature.fit == "crop":
            cut = [t.Resize(signature.resize_to or max(size), how), t.CenterCrop(size)]
        flips = [t.RandomHorizontalFlip()] if flip else []
        numbers = [t.ToTensor(), t.Normalize(signature.mean, signature.std)]
        self.cut, self.transform = t.Compose(cut), t.Compose([*cut, *flips, *numbers])
        self.paths, self.labels, self.mode = paths, labels, "L" if signature.channels == 1 else "RGB"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.transform(self._opened(index)), self.labels[index]

    def pixels(self, index: int) -> Array:
        """uint8 (H, W, C), without what changes from epoch to epoch."""
        found: Array = np.asarray(self.cut(self._opened(index)))
        return found[..., None] if found.ndim == 2 else found

    def _opened(self, index: int) -> Any:
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return image.convert(self.mode)
