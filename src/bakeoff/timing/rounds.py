"""Rounds in which all take turns forth and back (A B B A), so that a machine that slows down favours nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bakeoff.timing.load import Load


@dataclass
class Rounds:
    """What was measured, and what it cost.

    Attributes:
        times: by contestant, a pair a round: what its way forth and its way back measured.
        disturbed: rounds among them in which other programs were at work.
        repeated: disturbed rounds that were measured again and aren't among them.
        wall_s, measured_s: seconds of all rounds, and those that were asked for.
    """

    times: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    disturbed: int = 0
    repeated: int = 0
    wall_s: float = 0.0
    measured_s: float = 0.0

    @property
    def done(self) -> int:
        """Rounds that count."""
        return min(map(len, self.times.values()), default=0)


def order(names: Sequence[str], number: int) -> list[str]:
    """Who measures when in a round: forth and back. Another one begins each time, for who stands in the middle measures
    twice in a row, with warm caches.
    """
    first = number % len(names)
    forth = [*names[first:], *names[:first]]
    return forth + forth[::-1]


def measured(
    names: Sequence[str],
    count: int,
    measure: Callable[[str], tuple[float, float]],
    load: Load,
    *,
    begun: Rounds | None = None,
    after: Callable[[Rounds], None] = lambda found: None,
    over: Callable[[Rounds], bool] = lambda found: False,
) -> Rounds:
    """So many rounds. One in which other programs worked is measured again, at most `count` // 2 of them; what is
    disturbed after that is kept and counted.

    Args:
        measure: gives (what is measured, the seconds that it took).
        begun: rounds of before, which count.
        after: told of every round, as to keep it.
        over: whether it ends here, with fewer rounds, and none is measured again.
    """
    found = begun or Rounds({name: [] for name in names})
    while found.done < count and not over(found):
        began, at = time.perf_counter(), load.reading()
        row: dict[str, list[float]] = {name: [] for name in names}
        for name in order(names, found.done + found.repeated):
            value, seconds = measure(name)
            row[name].append(value)
            found.measured_s += seconds
        busy = load.disturbed(at)
        found.wall_s += time.perf_counter() - began
        if busy and found.repeated < count // 2:
            found.repeated += 1
        else:
            found.disturbed += busy
            for name, (forth, back) in row.items():
                found.times[name].append((forth, back))
        after(found)
    return found
