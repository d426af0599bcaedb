"""A net whose steps are shared out for speed: each worker's part in one ordinary step, added by the framework.

What differs from `Sharded`: a shard is what a worker has of a batch, so that rounding and what a batch norm sees depend
on how many there are; and the order of additions is the library's.
"""

from __future__ import annotations

import numpy as np

from bakeoff.preprocessing import Signature
from bakeoff.protocols import Feed, Net
from bakeoff.schemas import Array, StepResult
from bakeoff.training.loop.sharded import Sharded
from bakeoff.workers.channel import Reporter
from bakeoff.workers.team import Team, within


class Native(Sharded):
    """A net as one of a team sees it: the first one's holds the sum of the micro-batches so far, others' begin anew.

    See `bakeoff.protocols.Net`.
    """

    def __init__(self, net: Net, team: Team, reporter: Reporter) -> None:
        super().__init__(net, team, team.world, reporter)

    def gradients(self, images: Array, labels: Array) -> StepResult:
        """Add up the gradients of a batch, of which this worker has its share, which may be empty."""
        net, before, loss = self.net, self.net.statistics(), 0.0
        if self.team.rank:
            net.forget()
        net.seek(self.batch * self.shards + self.team.rank)
        if len(labels):
            loss = net.gradients(images, labels).loss
        else:
            net.load_sums([np.zeros_like(array) for array in net.sums()], 0)
        moved = [len(labels) * (now - old).ravel() for now, old in zip(net.statistics(), before, strict=True)]
        stops = np.zeros(self.team.world)
        stops[self.team.rank] = self.reporter.wanted
        found = self._added(np.concatenate([[loss, len(labels)], stops, *moved]))
        count, stop, moves = round(found[1]), max(found[2 : 2 + len(stops)]), found[2 + len(stops) :]
        self._move(before, moves, count)
        self.batch, self.count = self.batch + 1, self.count + count
        net.count = self.count
        self.reporter.agree(round(stop))
        return StepResult(float(found[0]), count)

    def _added(self, more: Array) -> Array:
        collective = self.team.collective
        if collective is None:  # alone
            return more
        return within(self.team.wait_s, lambda: collective.add(self.net, more))

    def feed(self, signature: Signature) -> Feed | None:
        """The net's own: its part of a batch stays whole."""
        return self.net.feed(signature)

    def apply(self, rate: float) -> None:
        """The step, the same in every worker."""
        self.count = 0
        self.net.apply(rate)

    def forget(self) -> None:
        """Drop the gradients so far."""
        self.count = 0
        self.net.forget()
