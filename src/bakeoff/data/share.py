"""What one of several workers takes of an epoch: a piece of every batch, or every so-manieth batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

Part = tuple[int, NDArray[np.int64]]  # a batch's number, and positions in the split


@dataclass(frozen=True)
class Share:
    """Pieces are shards of a batch, neighbours; of a batch that can't be divided the first shards have one image more.

    Attributes:
        rank, world: which worker, of how many.
        shards: of a batch, a multiple of `world`; None: whole batches, every `world`-th.
    """

    rank: int
    world: int
    shards: int | None = None

    def of(self, parts: Iterable[Part], *, whole: bool) -> Iterator[Part]:
        """This worker's batches; with `whole` they are cut later, since their images depend on each other."""
        if self.shards is None:
            return islice(parts, self.rank, None, self.world)
        return ((number, part if whole else part[self.piece(len(part))]) for number, part in parts)

    def piece(self, count: int) -> slice:
        """Where this worker's shards lie in a batch of so many images."""
        if self.shards is None:
            return slice(None)
        each, more = divmod(count, self.shards)
        first = self.rank * self.shards // self.world
        last = (self.rank + 1) * self.shards // self.world
        return slice(first * each + min(first, more), last * each + min(last, more))
