"""Rounds in turns: what is kept, what is measured again, and what is said of a machine that isn't alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from bakeoff.timing.load import Load, Reading
from bakeoff.timing.rounds import Rounds, measured


def quiet(busy: Iterator[float]) -> Load:
    """A load in which others take so many seconds of each second."""
    now = [0.0, 0.0]

    def read() -> Reading:
        now[0] += 1.0
        now[1] += next(busy)
        return Reading(now[0], now[1], 0.0)

    return Load(read=read)


def test_rounds_are_pairs_and_told_of() -> None:
    told: list[int] = []
    load = quiet(iter([0.0] * 100))
    found = measured(["a", "b"], 3, lambda name: (float(ord(name)), 0.1), load, after=lambda one: told.append(one.done))
    assert found.times == {"a": [(97.0, 97.0)] * 3, "b": [(98.0, 98.0)] * 3}
    assert told == [1, 2, 3]
    assert found.measured_s == pytest.approx(3 * 4 * 0.1)


def test_a_disturbed_round_is_measured_again() -> None:
    busy = iter([0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = measured(["a"], 4, lambda name: (1.0, 0.1), quiet(busy))
    assert (found.repeated, found.disturbed, found.done) == (1, 0, 4)


def test_what_stays_disturbed_is_said() -> None:
    found = measured(["a"], 4, lambda name: (1.0, 0.1), quiet(iter([0.9] * 100)))
    assert (found.repeated, found.disturbed, found.done) == (2, 4, 4)


def test_finished_rounds_are_kept() -> None:
    begun = Rounds({"a": [(5.0, 5.0)] * 3})
    found = measured(["a"], 4, lambda name: (1.0, 0.1), quiet(iter([0.0] * 9)), begun=begun)
    assert found.times["a"] == [(5.0, 5.0)] * 3 + [(1.0, 1.0)]


@pytest.mark.clock
def test_another_program_is_noticed_and_an_own_one_is_not() -> None:
    line = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(line) as other:
        try:
            time.sleep(0.3)
            other_s, own_s = Load(), Load([other.pid])
            begun = other_s.reading(), own_s.reading()
            before = psutil.Process(other.pid).cpu_times()
            time.sleep(1.0)
            assert other_s.disturbed(begun[0])
            without, with_it = other_s.reading().own - begun[0].own, own_s.reading().own - begun[1].own
            after = psutil.Process(other.pid).cpu_times()
            assert 0.0 < with_it - without <= after.user + after.system - before.user - before.system + 0.3
        finally:
            other.kill()
