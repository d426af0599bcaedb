"""Every class in every split, for images with several labels: as far as it goes, and with as few moves as it takes.

The draw of the contents comes first, as for images with one label: it keeps every label's share in every split in
expectation, and no image moves when files are added. What chance has left out is mended here, the rarest class first
(Sechidis, Tsoumakas, Vlahavas 2011, On the stratification of multi-label data, ECML PKDD, give the rarest first, too).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

ROUNDS = 8


def split_multilabel(
    groups: NDArray[np.int64],
    labels: NDArray[np.uint8],
    u: NDArray[np.float64],
    assignment: NDArray[np.int8],
    wanted: Sequence[int],
    edges: Mapping[int, tuple[float, float]],
) -> None:
    """Move groups until each class is on each wanted split, or no move is left; changes `splits` in place.

    A move takes no class's last image from a split, and each group moves once at most. Of the groups that may, the one
    with the fewest labels goes, then the nearest to the split's interval of the draw. A class with fewer groups than
    there are splits is on as many as it can, the first of `wanted` before the others.

    Args:
        groups: (n,), rows of one number stay together.
        labels: (n, classes).
        u: (n,), the draws.
        splits: (n,).
        wanted: splits that every class should be on, the most important first.
        edges: the interval of each split.
    """
    numbers, first, place = np.unique(groups, return_index=True, return_inverse=True)
    has = np.zeros((len(numbers), labels.shape[1]), bool)
    np.logical_or.at(has, place.reshape(-1), labels > 0)
    split, draw, moved = assignment[first].copy(), u[first], np.zeros(len(numbers), bool)
    order = np.argsort(has.sum(0), kind="stable").tolist()
    for _ in range(ROUNDS):
        changed = False
        for label in order:
            for target in wanted:
                if not has[split == target, label].any():
                    changed |= _move(label, target, wanted, has, split, draw, moved, edges[target])
        if not changed:
            break
    assignment[:] = split[place.reshape(-1)]


def _move(
    label: int,
    target: int,
    wanted: Sequence[int],
    has: NDArray[np.bool_],
    split: NDArray[np.int8],
    draw: NDArray[np.float64],
    moved: NDArray[np.bool_],
    edge: tuple[float, float],
) -> bool:
    """One group of a class to a split, if any may."""
    counts = {each: has[split == each].sum(0) for each in wanted}
    chosen: tuple[int, float, int] | None = None
    for group in np.flatnonzero(has[:, label] & ~moved).tolist():
        own = has[group]
        last = own & (counts[int(split[group])] < 2)
        if target == wanted[0]:  # nothing can be learned of a class that is on the first split nowhere
            last &= has[split == target].any(0)
        if last.any():
            continue
        distance = max(edge[0] - draw[group], draw[group] - edge[1], 0.0)
        key = int(own.sum()), float(distance), group
        chosen = key if chosen is None else min(chosen, key)
    if chosen is None:
        return False
    split[chosen[2]], moved[chosen[2]] = target, True
    return True
