"""How much of the machine was taken by others meanwhile, from the system's own accounts of processor time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

SHARE = 0.1  # of one core, taken by others: above it a round is disturbed (an idle machine's own is 0.01 to 0.03)
TICKS = 0.05  # seconds: five ticks of the system's clock, by which the two accounts may be apart


@dataclass(frozen=True)
class Reading:
    """Seconds so far: of the clock, of all processors at work, and of ours."""

    wall: float
    busy: float
    own: float


class Load:
    """Watches what others do beside some processes and this one.

    Args:
        pids: of those that measure; what they start belongs to them.
        read: gives a reading; the system's where none is given.
    """

    def __init__(self, pids: Iterable[int] = (), read: Callable[[], Reading] | None = None) -> None:
        self.pids = [os.getpid(), *pids]
        self.reading = read or self._read

    def _read(self) -> Reading:
        import psutil

        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0)  # guest is in user, too
        own, ours = 0.0, set(self.pids)
        for process in sorted(psutil.process_iter(["pid", "ppid"]), key=lambda one: one.pid):  # parents come first
            if process.pid in ours or (process.info["ppid"] in ours and process.info["ppid"] != os.getpid()):
                ours.add(process.pid)
                with suppress(psutil.Error):
                    spent = process.cpu_times()
                    own += spent.user + spent.system
        return Reading(time.perf_counter(), sum(times) - idle - getattr(times, "guest_nice", 0.0), own)

    def taken(self, since: Reading) -> tuple[float, float]:
        """Seconds of processors that others used since a reading, and seconds of the clock."""
        now = self.reading()
        return now.busy - since.busy - (now.own - since.own), now.wall - since.wall

    def disturbed(self, since: Reading) -> bool:
        """Whether others took enough of the machine since then to spoil what was measured."""
        taken, wall = self.taken(since)
        return taken > SHARE * wall + TICKS
