"""The end of a budget: what still runs then is asked to stop, and the comparison goes on without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bakeoff.errors import Cancelled
from bakeoff.workers.channel import Reporter

OVER = 124  # the exit code that timeout(1) has for a time that was over; no signal is asked for with it


class Deadline:
    """When the budget is over.

    Args:
        at: of `time.monotonic`; None: never.
        stop: asks whatever runs to stop, with an exit code.
    """

    def __init__(self, at: float | None, reporter: Reporter, stop: Callable[[int], None]) -> None:
        self.at, self.reporter, self.stop = at, reporter, stop
        self.ended: dict[str, float] = {}  # what was stopped, and the seconds that it had run for

    @contextmanager
    def within(self, what: str, reserve: float = 0.0) -> Iterator[None]:
        """What is inside ends with the budget: it is left then, and stands in `ended`.

        Args:
            what: as it is said.
            reserve: seconds before the end, for what follows.

        Raises:
            Cancelled: somebody else asked to stop.
        """
        if self.at is None:
            yield
            return
        began = time.monotonic()
        timer = threading.Timer(max(0.0, self.at - reserve - began), self.stop, (OVER,))
        timer.start()
        try:
            yield
        except Cancelled as stopped:
            if stopped.exit_code != OVER:
                raise
            self.ended[what] = time.monotonic() - began
            self.reporter.log(f"the budget is over: {what}: stopped after {self.ended[what]:.0f} s")
        finally:
            timer.cancel()
            timer.join()  # it may be asking just now
            self.reporter.hear_anew(OVER)
