"""A split in a loop of one's own, or in Keras's `fit`: the same bytes in the same order as in `bakeoff.train`.

for images, labels in bakeoff.loaders.for_torch(data.train, batch_size=32): ...
model.fit(bakeoff.loaders.for_tensorflow(data.train, batch_size=32), epochs=3)
"""

from __future__ import annotations

from typing import Any

from bakeoff import frameworks
from bakeoff.data.epochs import Epochs
from bakeoff.data.loader import Split


def for_torch(split: Split, *, dtype: str = "float32", channels_last: bool = False, **options: Any) -> Any:
    """Batches as a user of `torch.utils.data.DataLoader` expects them: (images, labels), each `iter` the next epoch.

    Images are normalised, (N, C, H, W); labels int64, (N,), or float32, (N, classes), where images have
    several or `augment` mixes them.
    `len()` is the batches of an epoch, `set_epoch` chooses one, `state_dict` and `load_state_dict` go on in mid-epoch.

    Args:
        split: as `bakeoff.read_data(...).train`.
        dtype: float32, or uint8 for pixels as they are.
        channels_last: the memory format of the images.
        options: of `Split.batches`: size or signature, batch_size, shuffle, drop_last, augment, seed, epoch, workers,
            cache.

    Raises:
        MissingDependencyError: PyTorch is not installed.
        UsageError: an argument that can't be used.
    """
    module = frameworks.data_adapter("torch")
    return module.TorchBatches(Epochs(split, **options), dtype=dtype, channels_last=channels_last)


def for_tensorflow(split: Split, *, dtype: str = "float32", **options: Any) -> Any:
    """A `tf.data.Dataset` of (images, labels), of known cardinality; each pass over it is the next epoch.

    Images are normalised, (N, H, W, C); labels int64, (N,), or float32, (N, classes), where images have
    several or `augment` mixes them.

    Args:
        split: as `bakeoff.read_data(...).train`.
        dtype: float32, or uint8 for pixels as they are.
        options: as for `for_torch`.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        UsageError: an argument that can't be used.
    """
    return frameworks.data_adapter("tensorflow").dataset(Epochs(split, **options), dtype=dtype)
