"""Workers that Ray places on the nodes of a cluster; where one dies, or its node, all go on from the last checkpoint.

A worker is the same process as on this machine, kept by an actor with one CPU, and workers speak to each other over
sockets of their own: Ray starts, watches and ends them. The first one writes the run folder where its node sees it;
else one of its own, which is brought here once an epoch or a checkpoint.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from bakeoff.errors import UsageError, WorkerError
from bakeoff.files import remove, write_text
from bakeoff.rundir.lock import RunLock
from bakeoff.shown import shell
from bakeoff.training.job import Job
from bakeoff.training.places import local
from bakeoff.training.places.keeper import MARK, Keeper, contents, write
from bakeoff.version import __version__
from bakeoff.workers import cluster
from bakeoff.workers.channel import Listener

CALLS = 8  # of one actor at a time: what is heard, asked and told cross each other
PLACED_S = 60.0
SOON_S = 10.0  # for an actor that is to end


def run(job: Job, listen: Listener | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """The first worker's result, as of `local.run`; without `workers` one alone, which isn't part of a team.

    Raises:
        UsageError: there is no such cluster, or it has too few CPUs.
        WorkerError: its CPUs aren't free in time, or workers died again and again.
    """
    with cluster.connected(job.cluster, listen), _marked(Path(job.run)) as mark:
        cluster.need(job.workers or 1, f"--workers {job.workers}" if job.workers else "a training")
        return local.run(job, listen, arguments, partial(Placed, job, listen, mark=mark))


@contextmanager
def _marked(run: Path) -> Iterator[str]:
    mark = secrets.token_hex(16)
    write_text(run / MARK, mark)
    try:
        yield mark
    finally:
        with suppress(OSError):
            remove(run / MARK)


@dataclass
class Placed(local.Crew):
    """The workers of an attempt, on the nodes of the cluster."""

    mark: str = ""

    def start(self, rank: int) -> Remote:
        """A worker somewhere; the first one on this node, where it can be."""
        if rank == 0:
            cluster.free(self.job.workers or 1, self.listen)
        job, threads = self.job, 1 if self.job.workers else self.job.threads
        settings = {"framework": job.framework, "device": job.device, "threads": threads, "precision": job.precision}
        return Remote(settings, Path(job.run) if rank == 0 else None, self.mark)

    def ready(self) -> str:
        """The host of the first one's node."""
        for worker in self.workers:
            worker.ready()
        return "127.0.0.1" if self.job.cluster == "local" else str(self.workers[0].host)


class Remote:
    """A worker on a node: what `Worker` is on this machine, with its methods. Use it as a context manager.

    Args:
        settings: of the `Worker`.
        run: the run folder, of the one that writes it.
        mark: what stands in it, by which a node sees that it is the same.
    """

    def __init__(self, settings: dict[str, Any], run: Path | None, mark: str) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._run, self._mark, self._there, self.host = run, mark, "", ""
        node = cluster.here() if run else None
        where: Any = NodeAffinitySchedulingStrategy(node, True, _spill_on_unavailable=True) if node else "SPREAD"
        gpus = {"num_gpus": 1} if settings["device"] == "cuda" else {}
        options = {"num_cpus": 1, "max_concurrency": CALLS, "scheduling_strategy": where, **gpus}
        self._keeper = ray.remote(Keeper).options(**options).remote(settings, os.getcwd())

    def ready(self) -> None:
        """Wait until it is placed.

        Raises:
            UsageError: its node has another version.
            WorkerError: nothing has room for it, or it died.
        """
        import ray

        reference = self._keeper.about.remote()
        if not ray.wait([reference], timeout=PLACED_S)[0]:
            raise WorkerError(f"--cluster: Ray found no place for a worker within {PLACED_S:g} s.")
        about = cluster.result(reference)
        self.host = about["host"]
        if about["version"] != __version__:
            raise UsageError(f"--cluster: Bakeoff is {about['version']} on {self.host}, and {__version__} here.")

    def call(self, entry: str, listen: Listener | None = None, /, **arguments: Any) -> Any:
        """As of `Worker`; meanwhile its run folder is brought here, where it has one of its own."""
        with self._followed(arguments) as arguments:
            self._ask("begin", entry, arguments)
            while True:
                for message in self._ask("heard"):
                    if message["kind"] == "files":
                        self._brought(message)
                    elif message["kind"] == "raised":
                        raise message["error"]
                    elif message["kind"] == "result":
                        return self._named(message["value"])
                    elif listen:
                        listen(self._named(message))

    @contextmanager
    def _followed(self, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The arguments as the worker takes them; nobody else works on a run folder that is brought here."""
        run = self._run
        if run is None or self._ask("sees", str(run), self._mark):
            yield arguments
            return
        with RunLock(run):
            self._there = self._ask("follow", contents(run))
            yield {**arguments, "job": {**arguments["job"], "run": self._there}}

    def _brought(self, found: dict[str, Any]) -> None:
        assert self._run is not None
        there, here = (json.dumps(text)[1:-1].encode() for text in (self._there, str(self._run)))
        files = found["files"].items()
        write(self._run, {name: text.replace(there, here) if name.endswith(".json") else text for name, text in files})
        for name in found["gone"]:
            remove(self._run / name, self._run)

    def _named(self, value: Any) -> Any:
        """The same, with the run folder as it is called here."""
        if not self._there:
            return value
        if isinstance(value, dict) and value.get("kind") == "log":
            return {**value, "text": value["text"].replace(self._there, shell(self._run))}
        return json.loads(json.dumps(value).replace(json.dumps(self._there)[1:-1], json.dumps(str(self._run))[1:-1]))

    def cancel(self, code: int = 130) -> None:
        """As of `Worker`."""
        self._keeper.cancel.remote(code)

    def ask_for_stacks(self) -> None:
        """As of `Worker`."""
        self._keeper.ask_for_stacks.remote()

    def said(self) -> str:
        """As of `Worker`; "" where nobody knows any more."""
        return str(self._soon("said") or "")

    def kill(self) -> None:
        """As of `Worker`."""
        import ray

        if self._soon("kill", failed=True):
            ray.kill(self._keeper)

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        import ray

        if kind is not None:
            self._soon("kill")
        self._soon("close")
        ray.kill(self._keeper)

    def _soon(self, method: str, failed: Any = None) -> Any:
        """What an actor gives that may be gone; `failed` where it doesn't."""
        import ray

        try:
            return ray.get(getattr(self._keeper, method).remote(), timeout=SOON_S)
        except Exception:  # of Ray, whose actor or node is gone
            return failed

    def _ask(self, method: str, *arguments: Any) -> Any:
        try:
            return cluster.result(getattr(self._keeper, method).remote(*arguments))
        except WorkerError as error:
            where = f" on {self.host}" if self.host else ""
            error.args = (f"the worker{where} died. {error}" if error.died else str(error),)
            raise
