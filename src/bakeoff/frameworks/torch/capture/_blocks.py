"""A view taken apart: which of torch's axes become which, in the smallest groups whose sizes agree."""

from __future__ import annotations

from bakeoff.frameworks.torch.capture._values import Value, inverse

Block = tuple[tuple[int, ...], tuple[int, ...]]  # axes before, axes after


def blocks(before: tuple[int, ...], after: tuple[int, ...]) -> list[Block]:
    """The groups, in torch's order; axes of size 1 at the end make a group without counterpart."""
    found: list[Block] = []
    i = j = 0
    while i < len(before) and j < len(after):
        start_i, start_j, p, q = i, j, before[i], after[j]
        while p != q:
            if p < q:
                i += 1
                p *= before[i]
            else:
                j += 1
                q *= after[j]
        i, j = i + 1, j + 1
        found.append((tuple(range(start_i, i)), tuple(range(start_j, j))))
    if i < len(before) or j < len(after):
        found.append((tuple(range(i, len(before))), tuple(range(j, len(after)))))
    return found


def merged_order(value: Value, found: list[Block]) -> tuple[int, ...] | None:
    """None where each group lies together, in torch's order; else the nearest order in which it does."""
    place = {axis: rank for rank, axis in enumerate(a for a in inverse(value.order) if value.sizes[a] != 1)}
    real = [[axis for axis in into if axis in place] for into, _ in found]
    together = all(
        [place[axis] for axis in axes] == list(range(place[axes[0]], place[axes[0]] + len(axes)))
        for axes in real
        if axes
    )
    if together:
        return None

    def rank(axes: list[int]) -> int:  # as the lowering has it: heads join their features behind the tokens
        places = [place[axis] for axis in axes]
        return 0 if 0 in places else max(places)

    ranked = sorted((axes for axes in real if axes), key=rank)
    ones = [axis for axis in inverse(value.order) if value.sizes[axis] == 1]
    canonical = [axis for axes in ranked for axis in axes] + ones
    return inverse(tuple(canonical))
