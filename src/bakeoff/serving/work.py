"""Requests are computed in one thread a core; the event loop only reads and writes. What waits is bounded.

Measured: decoding and the engine one after the other in each of N threads, whose sessions have one thread, gives more
than a batcher between stages (a batch buys nothing on a CPU).
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from bakeoff.serving.refused import Refused

A = TypeVar("A")
B = TypeVar("B")
USUAL_S = 0.01  # of a request, until some were measured
LAST_S = 5.0  # for a request that is computed when all ends
WEIGHT = 0.05  # of the newest in the mean
NO_TIME = "Deadline exceeded before the request was computed."


class Workers:
    """Threads with a queue before them.

    Attributes:
        threads: how many.
        most: how many requests may wait.
        waiting: how many do.
        busy: how many are computed.
    """

    def __init__(self, threads: int, most: int) -> None:
        self.threads, self.most = threads, most
        self.waiting = self.busy = 0
        self._mean_s = USUAL_S
        self._counted = threading.Lock()
        self._jobs: deque[Callable[[], None] | None] = deque()
        self._there = threading.Semaphore(0)
        self._all = [
            threading.Thread(target=self._loop, name=f"bakeoff-serve-{n}", daemon=True) for n in range(threads)
        ]
        for thread in self._all:
            thread.start()

    async def run(self, work: Callable[[], A], seconds: float) -> A:
        """What `work` returns, computed in a thread within `seconds` of now.

        Raises:
            Refused: too many wait, or there was no time for it.
        """
        self.admit()
        loop, end = asyncio.get_running_loop(), time.monotonic() + seconds
        future: asyncio.Future[A] = loop.create_future()
        with self._counted:
            self.waiting += 1
        self._put(lambda: self._work(work, end, loop, future))
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError:
            raise Refused("DEADLINE_EXCEEDED", NO_TIME) from None

    def admit(self) -> None:
        """Refuse at once where the queue is full.

        Raises:
            Refused: it is.
        """
        if self.waiting >= self.most:
            seconds = max(1, math.ceil(self.waiting * self._mean_s / self.threads))
            message = f"The server is busy: {self.waiting} requests wait. Try again in {seconds} s."
            raise Refused("RESOURCE_EXHAUSTED", message, retry_after=seconds)

    def share(self, work: Callable[[A], B], items: Sequence[A]) -> list[B]:
        """`work` of each item, in order, by this thread and those that have nothing else to do; called in a worker.

        Raises:
            Exception: of the first item that failed.
        """
        if len(items) == 1:
            return [work(items[0])]
        found: list[Any] = [None] * len(items)
        left, lock, done = iter(enumerate(items)), threading.Lock(), threading.Semaphore(0)

        def some() -> None:
            while True:
                with lock:
                    place, item = next(left, (-1, None))
                if place < 0:
                    return
                try:
                    found[place] = (work(item), None)  # type: ignore[arg-type]
                except Exception as error:
                    found[place] = (None, error)
                done.release()

        for _ in range(min(self.threads, len(items)) - 1):
            self._put(some, first=True)
        some()
        for _ in items:
            done.acquire()
        for _, error in found:
            if error is not None:
                raise error
        return [result for result, _ in found]

    def close(self) -> None:
        """End the threads, after what waits; one that a library keeps is left behind."""
        for _ in self._all:
            self._put(None)
        for thread in self._all:
            thread.join(LAST_S)

    def _put(self, job: Callable[[], None] | None, *, first: bool = False) -> None:
        (self._jobs.appendleft if first else self._jobs.append)(job)
        self._there.release()

    def _loop(self) -> None:
        while True:
            self._there.acquire()
            job = self._jobs.popleft()
            if job is None:
                return
            job()

    def _work(self, work: Callable[[], Any], end: float, loop: Any, future: asyncio.Future[Any]) -> None:
        with self._counted:  # here, not in the loop: to wake it costs as much as all of HTTP
            self.waiting -= 1
            self.busy += 1
        begun, result, error = time.monotonic(), None, None
        try:
            if begun > end or future.cancelled():
                raise Refused("DEADLINE_EXCEEDED", NO_TIME)
            result = work()
        except BaseException as caught:  # it is the asker's
            error = caught
        took = time.monotonic() - begun
        loop.call_soon_threadsafe(self._ended, future, result, error, took)

    def _ended(self, future: asyncio.Future[Any], result: Any, error: BaseException | None, took: float) -> None:
        with self._counted:
            self.busy -= 1
        self._mean_s += WEIGHT * (took - self._mean_s)
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
