"""One of two workers that add natively, or one that has the batch: `one_of_two.py FRAMEWORK PRECISION RANK ADDRESS OUT`

RANK `alone` has all. OUT gets what the first gradients, losses, steps and scales came to, an array each.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from test_penalties import PENALTIES, batch, graph

from bakeoff import frameworks
from bakeoff.data.share import Share
from bakeoff.frameworks._loss_scale import FIRST
from bakeoff.graph import Graph
from bakeoff.graph.trainable import freeze_statistics
from bakeoff.protocols import StepSettings
from bakeoff.schemas import Array
from bakeoff.training.loop.native import Native
from bakeoff.workers.channel import Reporter
from bakeoff.workers.team import Team, join, lead

WAIT_S = 60.0


class Worker:
    """Nets of a framework as this process sees them, and what was found."""

    def __init__(self, framework: str, precision: str, team: Team) -> None:
        self.framework, self.precision, self.team = framework, precision, team
        self.found: dict[str, Array] = {}

    def net(self, made: Graph, optimizer: str = "sgd", *, scaled: bool = False, **step: Any) -> Native:
        found = frameworks.load(self.framework).native(made.astype(self.precision), precision=self.precision, threads=1)
        raw: Any = found
        if scaled:
            raw.scaling = {name: raw.scale_value(value) for name, value in FIRST.items()}
            raw.load_loss_scale({"scale": np.float32(2.0**6)})
        native = Native(found, self.team, Reporter())
        native.compile(optimizer, {"weight_decay": 0.1} if optimizer == "adamw" else {}, "softmax_cross_entropy")
        if step:
            native.compile(optimizer, {}, "softmax_cross_entropy", StepSettings(**step))
        return native

    def gradients(self, net: Native, images: Array, labels: Array) -> float:
        """The mean loss, of this worker's share."""
        piece = Share(self.team.rank, self.team.world, self.team.world).piece(len(labels))
        result = net.gradients(images[piece].astype(self.precision), labels[piece])
        assert result.count == len(labels)
        return result.loss / result.count

    def keep(self, name: str, loss: float, arrays: dict[str, Array]) -> None:
        self.found[f"{name}/loss"] = np.array(loss)
        self.found |= {f"{name}/{path}": array for path, array in arrays.items()}


def work(worker: Worker) -> None:
    """All that is compared. A batch of 5 is 3 and 2; one of 1 leaves the other worker nothing."""
    whole, (x, y) = replace(graph(), penalties=PENALTIES), batch(count=6)
    frozen = freeze_statistics(whole)
    net = worker.net(frozen)
    worker.keep("gradient", worker.gradients(net, x[:5], y[:5]), net.gradient_arrays())
    part = worker.net(frozen)
    part.net.gradients(x[:3].astype(worker.precision), y[:3])
    worker.keep("the first share", 0.0, {path: array * 3 / 5 for path, array in part.gradient_arrays().items()})
    net = worker.net(frozen, "adamw")
    for _ in range(2):
        losses = [worker.gradients(net, x[part], y[part]) for part in (slice(0, 5), slice(5, 6), slice(1, 5))]
        net.apply(0.01)
    worker.keep("decay, micro-batches", sum(losses), net.arrays())
    if worker.precision == "float32":
        scale(worker, frozen, x, y)
    if worker.framework == "torch":
        synchronised(worker, whole, x, y)


def scale(worker: Worker, frozen: Graph, x: Array, y: Array) -> None:
    """A loss that is scaled, as in 16 bits, whose gradients are clipped."""
    net = worker.net(frozen, scaled=True, clip=0.1)
    loss = worker.gradients(net, x, y)
    worker.keep("scale", loss, net.gradient_arrays())
    net.apply(0.1)
    worker.keep("scaled step", loss, net.arrays() | net.loss_scale())
    before, spoilt = net.arrays(), x.copy()
    spoilt[-1] = np.inf  # the second worker's
    worker.gradients(net, spoilt, y)
    net.apply(0.1)
    worker.keep("overflow", sum(float(abs(before[k] - v).max()) for k, v in net.arrays().items()), net.loss_scale())


def synchronised(worker: Worker, whole: Graph, x: Array, y: Array) -> None:
    """Batch norm over both workers' images; in float64 far from 0, where sums of squares would cancel."""
    x = x + 100 if worker.precision == "float64" else x
    net = worker.net(whole)
    worker.gradients(net, x[:5], y[:5])
    worker.keep("local", 0.0, net.gradient_arrays())
    net = worker.net(whole)
    if worker.team.collective:
        worker.team.collective.synchronise(net.net)  # type: ignore[attr-defined]
    loss = worker.gradients(net, x[:5], y[:5])
    worker.keep("synchronised", loss, net.gradient_arrays())
    net.apply(0.01)
    worker.keep("synchronised step", loss, net.arrays())


def main() -> None:
    framework, precision, rank, address, out = sys.argv[1:]
    collective = frameworks.collective(framework).Collective
    if rank == "alone":
        team = Team()
    elif rank == "0":
        with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))) as listener:
            team = lead(listener, 2, "t", WAIT_S)
    else:
        team = join(address, int(rank), 2, "t", WAIT_S)
    with team:
        if team.world > 1:
            team.collective = collective(team, "cpu")
        worker = Worker(framework, precision, team)
        work(worker)
        if team.collective:
            team.collective.close()
    np.savez(out, **worker.found)


if __name__ == "__main__":
    main()
