"""One worker of several that something else starts: torchrun, SLURM's srun, a Kubernetes Job with an index.

Rank and world come from RANK and WORLD_SIZE, SLURM_PROCID and SLURM_NTASKS, or JOB_COMPLETION_INDEX and WORLD_SIZE; the
first worker's address from BAKEOFF_ADDRESS, or MASTER_ADDR and MASTER_PORT + 1 (torchrun's own store has that port).
BAKEOFF_TOKEN is a secret that all share; without one the address has to be this machine's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bakeoff.errors import UsageError
from bakeoff.training.job import Job
from bakeoff.training.loop.cadence import seconds_of
from bakeoff.training.together import Place
from bakeoff.workers.channel import Listener
from bakeoff.workers.launch import Worker
from bakeoff.workers.stopping import asked_politely
from bakeoff.workers.team import is_here

RANKS = (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS"), ("JOB_COMPLETION_INDEX", "WORLD_SIZE"))
TOKEN, ADDRESS = "BAKEOFF_TOKEN", "BAKEOFF_ADDRESS"


def place(environment: Mapping[str, str], worker_timeout: str) -> Place:
    """Where this process stands.

    Raises:
        UsageError: no variables say it, or they can't be used.
    """
    for rank_name, world_name in RANKS:
        if rank_name in environment and world_name in environment:
            break
    else:
        pairs = "; ".join(f"{a} and {b}" for a, b in RANKS)
        raise UsageError(f"--workers env: no variables say which worker this is. Expected one of: {pairs}.")
    rank, world = (_whole(environment, name) for name in (rank_name, world_name))
    if not rank < world:
        raise UsageError(f"{rank_name}={rank}, {world_name}={world}: expected a rank from 0 to {world - 1}.")
    address = environment.get(ADDRESS) or _master(environment)
    token = environment.get(TOKEN, "")
    if not token and world > 1 and not is_here(address.rpartition(":")[0]):
        raise UsageError(
            f"{address}: workers on several machines need a secret that all know.\n"
            f"Set {TOKEN} to the same long random text everywhere, as from: openssl rand -hex 32"
        )
    return Place(rank, world, address, token or "this machine", seconds_of(worker_timeout, "--worker-timeout"))


def here(job: Job) -> Place:
    """Where this process stands, by its own variables."""
    return place(os.environ, job.worker_timeout)


def run(job: Job, listen: Listener | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result, where this is the first worker; else nothing. Restarts are up to who started it."""
    mine = here(job)
    with Worker(job.framework, device=job.device, threads=1, precision=job.precision) as worker:
        with asked_politely(worker.cancel):
            heard = listen if mine.rank == 0 else None
            result: dict[str, Any] = worker.call("bakeoff.training.work:work", heard, **arguments, place=asdict(mine))
        return result


def _whole(environment: Mapping[str, str], name: str) -> int:
    if not environment[name].isdigit():
        raise UsageError(f"{name}={environment[name]!r}: expected a whole number from 0.")
    return int(environment[name])


def _master(environment: Mapping[str, str]) -> str:
    host, port = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT", "")
    if not host or not port.isdigit():
        raise UsageError(
            f"--workers env: where is worker 0? Set {ADDRESS}=HOST:PORT, or MASTER_ADDR and MASTER_PORT, for all."
        )
    return f"{host}:{int(port) + 1}"
