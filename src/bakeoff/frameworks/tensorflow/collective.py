"""Several processes' gradients, added by MultiWorkerMirroredStrategy's collective ops; the loop is our own.

Of the strategy only the collective is used: nets and variables stay those of one process.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bakeoff.frameworks._collective import addresses, free_port
from bakeoff.frameworks.tensorflow import prepare
from bakeoff.frameworks.tensorflow.net import TensorFlowNet
from bakeoff.schemas import Array
from bakeoff.workers.team import Team


class Collective:
    """See `bakeoff.protocols.Collective`. It has to be set up before TensorFlow computes anything."""

    def __init__(self, team: Team, device: str) -> None:
        gpus = {"GPU": 1} if prepare(device, 1) == "cuda" else {}
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": addresses(team, free_port(team.host))}),
            task_type="worker",
            task_id=team.rank,
            num_accelerators=gpus,
        )
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=team.wait_s)
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, communication_options=options)
        self._sum = tf.function(self._summed, reduce_retracing=False)

    def _summed(self, vector: tf.Tensor) -> tf.Tensor:
        def all_reduced(mine: tf.Tensor) -> tf.Tensor:
            placed = tf.identity(mine)  # an argument as it comes is on no device, and goes nowhere
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)

        return self.strategy.run(all_reduced, (vector,))

    def add(self, net: TensorFlowNet, more: Array) -> Array:
        """See `bakeoff.protocols.Collective`."""
        totals = net.totals
        flat = [tf.reshape(total, [-1]) for total in totals]
        whole = self._sum(tf.concat([*flat, tf.constant(more, net.precision)], 0))
        *parts, found = tf.split(whole, [*(one.shape[0] for one in flat), len(more)])
        for total, part in zip(totals, parts, strict=True):
            total.assign(tf.reshape(part, total.shape))
        return np.asarray(found.numpy(), "float64")

    def close(self) -> None:
        """See `bakeoff.protocols.Collective`. TensorFlow's server lives as long as the process."""
