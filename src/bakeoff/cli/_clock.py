"""When this process started, so that times include Python's own start."""

from __future__ import annotations

import os
import time

LONGEST_S = 60.0  # an age above this is a clock that can't be trusted


def began() -> float:
    """The start of this process, seconds since 1970.

    On Linux from ticks since boot: psutil rounds the time of the boot to a second.
    """
    for source in (_from_boot, _from_psutil):
        try:
            start = source()
        except (OSError, ValueError, IndexError, AttributeError, ImportError):
            continue
        if 0 <= time.time() - start <= LONGEST_S:
            return start
    return time.time()


def _from_boot() -> float:
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
        ticks = int(stat.read().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - max(0.0, age)


def _from_psutil() -> float:
    import psutil

    return float(psutil.Process().create_time())
