"""Several processes' gradients, added by XLA over one mesh of all their devices (gloo, NCCL); one process a GPU.

`jax.distributed` by itself: what starts workers elsewhere may leave each of them alone, with no word said.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bakeoff.errors import PeerError, UsageError
from bakeoff.frameworks._collective import addresses, free_port
from bakeoff.frameworks.jax.net import JaxNet
from bakeoff.schemas import Array
from bakeoff.workers.team import Team

AXIS = "workers"


class Collective:
    """See `bakeoff.protocols.Collective`. It has to be set up before JAX computes anything."""

    def __init__(self, team: Team, device: str) -> None:
        first = addresses(team, free_port(team.host))[0]
        if not hasattr(jax.config, "jax_enable_preemption_service"):
            raise UsageError(f"--reduce native needs a newer JAX than {jax.__version__}: pip install --upgrade jax")
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from the training
        wait = max(1, int(team.wait_s))
        jax.distributed.initialize(
            first,
            team.world,
            team.rank,
            cluster_detection_method="deactivate",  # what SLURM says was taken into account
            initialization_timeout=wait,
            heartbeat_timeout_seconds=wait,
            shutdown_timeout_seconds=min(wait, 60),
            coordinator_bind_address=first,
        )
        if jax.process_count() != team.world or jax.device_count() != team.world:
            seen = f"{jax.process_count()} processes and {jax.device_count()} devices"
            raise PeerError(f"JAX sees {seen} where {team.world} of each were expected.")
        mesh = Mesh(np.array(jax.devices()), (AXIS,))
        self._parted = NamedSharding(mesh, PartitionSpec(AXIS))
        whole = NamedSharding(mesh, PartitionSpec())
        self._sum = jax.jit(lambda rows: rows.sum(0), out_shardings=whole)  # a row each: XLA's all-reduce
        self._flat, self._parts, self.world = jax.jit(_flat), jax.jit(_parts), team.world

    def add(self, net: JaxNet, more: Array) -> Array:
        """See `bakeoff.protocols.Collective`."""
        mine = self._flat(net.totals, jnp.asarray(more, net.precision))
        whole = jax.make_array_from_single_device_arrays((self.world, mine.shape[1]), self._parted, [mine])
        net.totals, found = self._parts(self._sum(whole).addressable_data(0), net.totals)
        return np.array(found, "float64")

    def close(self) -> None:
        """See `bakeoff.protocols.Collective`."""
        jax.distributed.shutdown()


def _flat(arrays: list[jax.Array], more: jax.Array) -> jax.Array:
    """(1, elements): all in one, as a row of the mesh."""
    return jnp.concatenate([*(array.ravel() for array in arrays), more])[None]


def _parts(vector: jax.Array, like: list[jax.Array]) -> tuple[list[jax.Array], jax.Array]:
    """The pieces of a vector in these shapes, and what is behind them."""
    found, at = [], 0
    for array in like:
        found.append(vector[at : at + array.size].reshape(array.shape))
        at += array.size
    return found, vector[at:]
