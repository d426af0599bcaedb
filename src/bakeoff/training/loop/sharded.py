"""A net whose steps don't know how many workers take them: a batch is so many shards, wherever they are computed.

A shard's gradients are those of the framework's ordinary step, its dropout is keyed by (seed, step, shard), its batch
norm normalises by it alone and starts from the same running statistics as all others. Gradients, losses and what the
statistics moved by are added in one order (`workers.sums`), and every worker takes the same step with the sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bakeoff.preprocessing import Signature
from bakeoff.protocols import Feed, Net
from bakeoff.schemas import Array, StepResult
from bakeoff.workers.channel import Reporter
from bakeoff.workers.sums import cover, own, total
from bakeoff.workers.team import Said, Team


class Sharded:
    """A net as one of a team sees it: `gradients` takes this worker's images of a batch, and gives the sum over all.

    What isn't defined here is the net's own. See `bakeoff.protocols.Net`.
    """

    def __init__(self, net: Net, team: Team, shards: int, reporter: Reporter) -> None:
        self.net, self.team, self.shards, self.reporter = net, team, shards, reporter
        self.own = own(team.rank, team.world, shards)
        self.batch, self.count = 0, 0
        self.held: Array | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    def gradients(self, images: Array, labels: Array) -> StepResult:
        """Add up the gradients of a batch, of which this worker has the images of its shards."""
        before = self.net.statistics()
        vectors, said = self._own(images, labels, before)
        nodes = cover((0, self.shards), self.own)
        parts = {node: total(node, vectors) for node in nodes}
        there = {node: vector for node, vector in parts.items() if vector is not None}
        value = {"nodes": list(there), "losses": said, "stop": self.reporter.wanted}
        found, arrays = self.team.exchange("gradients", (value, list(there.values())), self._merged)
        self._take(before, arrays[0], found)
        self.batch += 1
        self.reporter.agree(found["stop"])
        loss = 0.0
        for one, _ in found["losses"]:
            loss += one
        return StepResult(loss, found["count"])

    def _own(self, images: Array, labels: Array, before: list[Array]) -> tuple[dict[Any, Array | None], list[Any]]:
        """Of each shard that has images here: a vector of gradients and weighted moves; loss and count."""
        vectors: dict[Any, Array | None] = {}
        said = []
        pieces = zip(np.array_split(images, len(self.own)), np.array_split(labels, len(self.own)), strict=True)
        for shard, (x, y) in zip(self.own, pieces, strict=True):
            if not len(y):
                continue
            result, vectors[shard, shard + 1] = of_shard(self.net, before, self.batch * self.shards + shard, x, y)
            said.append((shard, result.loss, result.count))
        return vectors, said

    def _merged(self, all_said: list[Said]) -> Said:
        """By the first worker: sums in the order of the shards."""
        held: dict[Any, Array | None] = {}
        losses: list[Any] = []
        for value, arrays in all_said:
            held |= zip(map(tuple, value["nodes"]), arrays, strict=True)
            losses += [(loss, count) for _, loss, count in value["losses"]]  # workers hold neighbours, in order
        whole = total((0, self.shards), held)
        assert whole is not None
        stop = max(value["stop"] for value, _ in all_said)
        return {"losses": losses, "count": sum(count for _, count in losses), "stop": stop}, [whole]

    def _take(self, before: list[Array], vector: Array, found: dict[str, Any]) -> None:
        """Keep the sum of the gradients; the statistics move once, by the mean of the shards' moves."""
        size = sum(array.size for array in before)
        gradients, moves = vector[: vector.size - size], vector[vector.size - size :]
        self._move(before, moves, found["count"])
        self.held = gradients if self.held is None else self.held + gradients
        self.count += found["count"]

    def _move(self, before: list[Array], moves: Array, count: int) -> None:
        """Move the running statistics by the mean over so many images."""
        self.net.load_statistics([old + part / count for old, part in zip(before, like(moves, before), strict=True)])

    def apply(self, rate: float) -> None:
        """The step, the same in every worker."""
        assert self.held is not None
        self.net.load_sums(like(self.held, self.net.sums()), self.count)
        self.forget()
        self.net.apply(rate)

    def forget(self) -> None:
        """Drop the gradients so far."""
        self.held, self.count = None, 0

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        """`gradients` and `apply` of each batch in turn; the mean losses."""
        losses = []
        for x, y, rate in zip(images, labels, rates, strict=True):
            found = self.gradients(x, y)
            self.apply(rate)
            losses.append(found.loss / found.count)
        return np.array(losses, "float64")

    def feed(self, signature: Signature) -> Feed | None:
        """None: shards are cut of arrays."""
        return None

    def seek(self, batch: int) -> None:
        """The next batch is this one: its masks are keyed by it."""
        self.batch = batch


def of_shard(net: Net, before: list[Array], noise: int, images: Array, labels: Array) -> tuple[StepResult, Array]:
    """Loss and count of a shard, and a vector of its gradients and of what the statistics moved by, times its images.

    Args:
        before: the running statistics that each shard of the batch starts from.
        noise: the number of its masks.
    """
    net.load_statistics(before)
    net.seek(noise)
    net.forget()
    result = net.gradients(images, labels)
    moved = [len(labels) * (now - old) for now, old in zip(net.statistics(), before, strict=True)]
    return result, np.concatenate([array.ravel() for array in (*net.sums(), *moved)])


def like(vector: Array, shapes: list[Array]) -> list[Array]:
    """The pieces of a vector, in these shapes."""
    found, at = [], 0
    for array in shapes:
        found.append(vector[at : at + array.size].reshape(array.shape).astype(array.dtype, copy=False))
        at += array.size
    return found
