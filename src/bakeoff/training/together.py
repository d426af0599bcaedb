"""A worker's place in a training of several: how it joins, what it gets of the run folder, who writes.

Every worker does all of the training's work on its own share of the images, in a folder of its own. The first one's is
the run; the others get of it what going on needs, and theirs go away with them.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bakeoff import frameworks, system
from bakeoff.data import Data
from bakeoff.data.assignment import FROZEN
from bakeoff.errors import DataError, PeerError
from bakeoff.files import atomic_write, make_folder
from bakeoff.graph import Graph
from bakeoff.rundir.checkpoint import FOLDER
from bakeoff.rundir.folder import LOGS
from bakeoff.training.context import Context
from bakeoff.training.job import Job
from bakeoff.workers.channel import Reporter
from bakeoff.workers.team import JOIN_S, Team, is_here, join, lead, within

GPUS = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Place:
    """Where a worker stands.

    Attributes:
        rank, world: which, of how many.
        address: HOST:PORT of the first one; of that one itself, what it listens at.
        token: what all know and nobody else.
        wait_s: for another one's part of a step.
    """

    rank: int
    world: int
    address: str
    token: str
    wait_s: float


@contextmanager
def joined(
    job: Job, place: Place | None, reporter: Reporter, *, resume: bool
) -> Iterator[tuple[Job, bool, Team | None]]:
    """The job as this worker does it, whether it goes on with what was, and its team; None where it works alone."""
    if place is None:
        yield job, resume, None
        return
    system.tell_stacks()
    with tempfile.TemporaryDirectory(prefix="bakeoff-worker-") as folder, _team(place, reporter) as team:
        if place.rank:
            job = replace(job, run=folder, loggers=(), checkpoint_every=None)
            make_folder(Path(folder) / "predictions", Path(folder))
        if job.device != "cpu":
            _take_gpu(team)
        if job.reduce == "native" and team.world > 1:  # first of all: TensorFlow and JAX take it before they compute
            make = frameworks.collective(job.framework).Collective
            team.collective = within(max(JOIN_S, team.wait_s), lambda: make(team, job.device))
        resume, _ = team.first("how it begins", (resume, []), patient=True)
        if resume:
            _given(team, Path(job.run))
        yield job, resume, team


@contextmanager
def _team(place: Place, reporter: Reporter) -> Iterator[Team]:
    if place.rank:
        found = join(place.address, place.rank, place.world, place.token, place.wait_s)
    else:
        host, _, port = place.address.rpartition(":")
        listen_at = host if is_here(host) else ""  # its own name may lead to whoever passes the others on
        with socket.create_server((listen_at, int(port)), backlog=place.world) as listener:
            reporter.say({"kind": "listening", "address": f"{host}:{listener.getsockname()[1]}"})
            found = lead(listener, place.world, place.token, place.wait_s)
    with found as team:
        yield team


def _take_gpu(team: Team) -> None:
    """Let this process see one GPU of its machine, before any library looks for them."""
    hosts = [value for value, _ in team.all("hosts", (team.host, []), patient=True)]
    given, count = os.environ.get(GPUS), len(list(Path("/dev").glob("nvidia[0-9]*")))
    there = [str(number) for number in range(count)] if given is None else given.split(",")
    if any(there):
        os.environ[GPUS] = gpu_of(team.rank, hosts, there)


def gpu_of(rank: int, hosts: list[str], there: list[str]) -> str:
    """Which of the GPUs `there` a worker takes: the workers of a host take turns."""
    return there[hosts[:rank].count(hosts[rank]) % len(there)]


def _given(team: Team, folder: Path) -> None:
    """What going on needs of the run, brought from the first worker's folder into the others'."""
    names = [name for name in ("manifest.json", FROZEN, *LOGS) if (folder / name).is_file()]
    names += [f"{FOLDER}/{path.name}" for path in sorted((folder / FOLDER).glob("0*"))]
    arrays = [np.fromfile(folder / name, np.uint8) for name in names] if team.rank == 0 else []
    names, arrays = team.first("the run so far", (names, arrays), patient=True)
    if team.rank:
        for name, content in zip(names, arrays, strict=True):
            make_folder((folder / name).parent, folder)
            with atomic_write(folder / name, folder) as stream:
                stream.write(content.tobytes())


def leads(context: Context) -> bool:
    """Whether this worker writes the run."""
    return context.team is None or context.team.rank == 0


def same_data(team: Team | None, data: Data) -> None:
    """All workers read the same images.

    Raises:
        DataError: they don't.
    """
    if team is None:
        return
    found = [value for value, _ in team.all("the images", (data.fingerprint, []), patient=True)]
    if others := [rank for rank, value in enumerate(found) if value != found[0]]:
        raise DataError(
            f"{data.path}: worker {others[0]} reads other images here than worker 0.\n"
            "Give all of them the same: one storage, or copies."
        )


def same_weights(team: Team | None, graph: Graph) -> Graph:
    """The net as the first worker has it: what a phase computed that isn't shared out could differ by machine.

    Raises:
        PeerError: another net altogether.
    """
    if team is None:
        return graph
    arrays = graph.arrays()
    names, found = team.first("the weights", (list(arrays), list(arrays.values())))
    if names != list(arrays):
        raise PeerError("worker 0 has another net after this phase: the workers have parted ways.")
    return graph.with_arrays(dict(zip(names, found, strict=True)))
