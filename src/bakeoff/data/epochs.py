"""Epoch after epoch of a split, as a loop in any framework wants them; the frameworks' adapters stand on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bakeoff.data.augment import Augmentation, augmentation
from bakeoff.data.images import Keep
from bakeoff.data.labels import multilabel
from bakeoff.data.loader import Split
from bakeoff.errors import UsageError
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Batch


class Epochs:
    """Batches of a split: each `iter` is the next epoch, in its own order.

    Attributes:
        split: the images.
        signature: how they become inputs.
        epoch: the one that the next `iter` gives; settable.
    """

    def __init__(
        self,
        split: Split,
        *,
        size: tuple[int, int] | None = None,
        signature: Signature | None = None,
        batch_size: int = 32,
        shuffle: bool | None = None,
        drop_last: bool = False,
        augment: Augmentation | str = "none",
        seed: int = 0,
        epoch: int = 0,
        workers: int = 2,
        cache: Keep = "auto",
    ) -> None:
        """As `Split.batches`; `shuffle` None shuffles the training set alone."""
        self.split, self.signature = split, split.signature_for(size, signature)
        self.batch_size, self.drop_last, self.seed, self.epoch = batch_size, drop_last, seed, epoch
        self.shuffle = split.name == "train" if shuffle is None else shuffle
        self.augment = augmentation(augment) if isinstance(augment, str) else augment
        self.workers, self.cache = workers, cache
        self._start, self._at = 0, (epoch, 0)
        self._batches(epoch, 0).close()  # what can't be used is refused here, not in the middle of a loop

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(len(self.split), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        epoch, start = self.epoch, self._start
        self.epoch, self._start = epoch + 1, 0
        self._at = epoch, start
        for number, batch in enumerate(self._batches(epoch, start), start + 1):
            self._at = (epoch, number) if number < len(self) else (epoch + 1, 0)
            yield batch

    @property
    def wide(self) -> bool:
        """Whether labels are float32, (N, classes): shares of mixed images, or several labels an image."""
        return bool(self.augment.mixes) or multilabel(self.split.labels)

    def state_dict(self) -> dict[str, int]:
        """Where the batches stand: `epoch`, and the next `batch` in it."""
        return {"epoch": self._at[0], "batch": self._at[1]}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from there at the next `iter`; what comes is what would have come.

        Raises:
            UsageError: no such place.
        """
        epoch, batch = state.get("epoch"), state.get("batch")
        if not isinstance(epoch, int) or not isinstance(batch, int) or epoch < 0 or not 0 <= batch <= len(self):
            raise UsageError(
                f"state is {state!r}; expected what state_dict() gave: epoch, and batch up to {len(self)}."
            )
        self.epoch, self._start, self._at = epoch, batch, (epoch, batch)

    def _batches(self, epoch: int, start: int) -> Any:
        return self.split.batches(
            signature=self.signature,
            batch_size=self.batch_size,
            seed=self.seed,
            epoch=epoch,
            workers=self.workers,
            shuffle=self.shuffle,
            start=start,
            drop_last=self.drop_last,
            augment=self.augment,
            cache=self.cache,
        )
