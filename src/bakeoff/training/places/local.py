"""Workers as processes of this machine, started here; where one dies, all go on from the last checkpoint."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.errors import BakeoffError, Cancelled, PeerError, WorkerError
from bakeoff.files import write_text
from bakeoff.rundir.checkpoint import last
from bakeoff.rundir.folder import WORKERS, Run
from bakeoff.training.job import Job
from bakeoff.training.loop.cadence import seconds_of
from bakeoff.training.together import Place
from bakeoff.workers.channel import Listener, Reporter
from bakeoff.workers.launch import Worker
from bakeoff.workers.stopping import asked_politely

ENTRY = "bakeoff.training.work:work"
IN_VAIN = 3  # restarts in a row without a checkpoint between them, after which the training ends
STACKS_S = 1.0  # for a worker to write where its threads are


def run(
    job: Job, listen: Listener | None, arguments: dict[str, Any], crew: Callable[[], Crew] | None = None
) -> dict[str, Any]:
    """The first worker's result.

    Args:
        crew: makes the workers of an attempt; None: processes of this machine.

    Raises:
        BakeoffError: the first worker's error that isn't about another worker.
        WorkerError: they died again and again.
    """
    vain, stood = 0, _reached(job)
    while True:
        found = (crew() if crew else Crew(job, listen)).work(arguments)
        if not isinstance(found, Failed):
            return found
        reached = _reached(job)
        vain, stood = (0 if reached != stood else vain + 1), reached
        if not found.again or vain >= IN_VAIN:
            raise found.error
        where = f"the checkpoint of step {reached[1]}" if reached else "the start"
        said = str(found.error).split("\n")[0]
        Reporter(listen).log(f"{said} All workers go on from {where}.")
        log = Run(job.run)
        log.line(WORKERS, {"time": time.time(), "why": said, "step": reached[1] if reached else 0})
        log.close()
        arguments = {**arguments, "resume": True}


@dataclass
class Failed:
    """Why an attempt ended, and whether another one may do better: after a death, or silence."""

    error: BaseException
    again: bool


@dataclass
class Crew:
    """The workers of one attempt at `entry`, which takes `place` and gives what the first one gives."""

    job: Job
    listen: Listener | None
    entry: str = ENTRY
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    workers: list[Any] = field(default_factory=list)  # `Worker`, or what has its methods
    address: str = ""
    asked: bool = False  # whether all were asked to stop
    open: threading.Event = field(default_factory=threading.Event)

    def work(self, arguments: dict[str, Any]) -> dict[str, Any] | Failed:
        """What the first one gives; where one fails, all end."""
        world = self.job.workers or 1
        with ExitStack() as stack:
            for rank in range(world):
                self.workers.append(stack.enter_context(self.start(rank)))
            host = self.ready()
            stack.enter_context(asked_politely(self._cancel))
            pool = stack.enter_context(ThreadPoolExecutor(world))
            calls = [pool.submit(self._call, rank, world, host, arguments) for rank in range(world)]
            try:
                _, left = wait(calls, return_when="FIRST_EXCEPTION")
                if left:
                    wait(left, timeout=5)  # they are told that one ended, and say what they know
                errors = [call.exception() if call.done() else None for call in calls]  # before any is ended here
            except BaseException:
                self._end()
                raise
            if any(errors) or not all(call.done() for call in calls):
                self._stacks(errors)
                self._end()
                wait(calls)
                return _failed(errors, asked=self.asked)
            result: dict[str, Any] = calls[0].result()
            return result

    def start(self, rank: int) -> AbstractContextManager[Any]:
        """A worker's process."""
        job = self.job
        return Worker(job.framework, device=job.device, threads=1, precision=job.precision)

    def ready(self) -> str:
        """The host at which the first one listens, once all are there."""
        return "127.0.0.1"

    def _call(self, rank: int, world: int, host: str, arguments: dict[str, Any]) -> Any:
        if rank:
            self.open.wait()
            if not self.address:
                raise PeerError("worker 0 ended before the others could join.")
        address = self.address if rank else f"{host}:0"
        place = Place(rank, world, address, self.token, seconds_of(self.job.worker_timeout))
        team = {} if self.job.workers is None else {"place": asdict(place)}
        try:
            return self.workers[rank].call(self.entry, self._heard(rank), **arguments, **team)
        finally:
            if not rank:
                self.open.set()

    def _heard(self, rank: int) -> Listener:
        def heard(message: dict[str, Any]) -> None:
            if message["kind"] == "listening":
                self.address = message["address"]
                self.open.set()
            elif rank == 0 and self.listen:
                self.listen(message)

        return heard

    def _cancel(self, code: int) -> None:
        self.asked = True
        for worker in self.workers:
            worker.cancel(code)

    def _stacks(self, errors: list[BaseException | None]) -> None:
        """Where one was silent for too long: the stacks of all threads of all workers, into a log in the run folder."""
        if not any(isinstance(error, PeerError) and "said nothing" in str(error) for error in errors):
            return
        for worker in self.workers:
            worker.ask_for_stacks()
        time.sleep(STACKS_S)
        text = "\n".join(f"worker {rank}:\n{worker.said()}" for rank, worker in enumerate(self.workers))
        write_text(Path(self.job.run) / "workers.log", text + "\n")

    def _end(self) -> None:
        for worker in self.workers:
            worker.kill()


def _failed(errors: list[BaseException | None], *, asked: bool) -> Failed:
    """The error that is the reason: of its own before a death, a death before what is only heard of another worker.

    Args:
        asked: whether all were asked to stop here; else one that stops may have heard it of one that is lost.
    """
    found = [(rank, error) for rank, error in enumerate(errors) if error is not None]
    for rank, error in sorted(found, key=lambda one: _weight(one[1], asked=asked)):
        if isinstance(error, WorkerError) and error.died:
            return Failed(WorkerError(f"worker {rank} of {len(errors)}: {error}"), again=True)
        return Failed(error, again=isinstance(error, PeerError))
    raise AssertionError("no worker failed")


def _weight(error: BaseException, *, asked: bool) -> int:
    if isinstance(error, PeerError) or (isinstance(error, Cancelled) and not asked):
        return 2
    return 1 if isinstance(error, WorkerError) and error.died else 0


def _reached(job: Job) -> tuple[int, int] | None:
    """The phase and step of the last checkpoint."""
    with suppress(BakeoffError):
        if (found := last(Path(job.run))) is not None:
            return found["phase"], found["state"]["step"]
    return None
