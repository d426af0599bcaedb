"""Adding vectors in one order, however they lie with several workers: a tree that halves, fixed by their number.

Sum of the shards a..b = sum of the first half + sum of the second. A worker whose shards are a node of the tree sends
one vector and not all; the order of additions, and so every bit, is the same for any number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bakeoff.schemas import Array

Node = tuple[int, int]  # from, to (excluded)


def own(rank: int, world: int, shards: int) -> range:
    """The shards of a worker, neighbours."""
    each = shards // world
    return range(rank * each, (rank + 1) * each)


def cover(node: Node, held: Sequence[int]) -> list[Node]:
    """The largest nodes of the tree below `node` whose shards are all held."""
    start, end = node
    inside = [shard for shard in range(start, end) if shard in held]
    if not inside:
        return []
    if len(inside) == end - start:
        return [node]
    middle = (start + end) // 2
    return cover((start, middle), held) + cover((middle, end), held)


def total(node: Node, held: Mapping[Node, Array | None]) -> Array | None:
    """The sum of a node's shards, from what is held of it; an empty shard is None. Changes the arrays that are held."""
    if node in held:
        return held[node]
    start, end = node
    if end - start == 1:
        return None
    middle = (start + end) // 2
    first, second = total((start, middle), held), total((middle, end), held)
    if first is None or second is None:
        return second if first is None else first
    found: Array = np.add(first, second, out=first)
    return found
