"""Which causes make the difference: each is switched alone and must close the gap, and back, and must open it.

With d(S) the distance between A, with B's choice in the causes S, and B: the gap is d({}), a cause alone closes
1 - d({c}) / d({}) of it, and what remains is d(all) / d({}). Where there are several causes, the gap is apportioned by
their Shapley values (Shapley, 1953): the mean, over all orders, of what a cause closes when it is switched next.
What only one side shows is guessed: the other's value is what makes the outcomes the same.

A cause counts beyond what is measured of no cause, in the same world:
    what somebody chose   beyond what both libraries do by themselves, where nothing can be chosen: the same script in
                          the other library does as much
    what nobody can       beyond what other seeds do, see `Training.reseeded`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from bakeoff.difference.account import NET, Account
from bakeoff.difference.causes import Cause, Changes
from bakeoff.difference.nets import WHOLE
from bakeoff.difference.worlds import World, distance, distances
from bakeoff.errors import BakeoffError
from bakeoff.schemas import Array
from bakeoff.seeds import rng

EXACT = 5  # causes whose subsets are all tried; more: forwards and backwards, one after the other
EXPLAINED, MUCH = 0.05, 0.6  # of the gap: what a guess may leave; what it must close where nothing leaves so little
NO_OPTION = {"train.epsilon_form", "train.momentum_form", "net.batch_norm.variance"}  # a library's only way
HARMLESS = 0.01  # of the gap, closed or, where two work against each other, opened
CANT = (BakeoffError, ValueError, TypeError, IndexError)  # of a net that was switched and can't be asked
LITTLE = 0.9  # of the gap: where no guess leaves less, none is right, and pairs aren't tried
BEAM, DEPTH = 3, 2  # of guesses: how many are gone on with, and how many more join them


@dataclass(frozen=True)
class Suspect:
    """A cause that two sides differ in.

    Attributes:
        there: what makes A's choice into B's.
        back: what makes B's choice into A's; None: B can't be switched.
        guessed: whether B's choice isn't visible.
    """

    cause: Cause
    there: Changes
    back: Changes | None = None
    guessed: bool = False


@dataclass(frozen=True)
class Share:
    """What a suspect was found to do.

    Attributes:
        closes: share of the gap that switching it alone closes.
        opens: distance that the reverse switch opens between B and what it was; None: B can't be switched.
        share: of the gap, apportioned.
        effect: mean |change of the logits| by switching it alone in A.
        interval: of the effect, 95 %, by bootstrap over images.
        accuracy: change of A's accuracy, and its interval; None: no labels.
    """

    suspect: Suspect
    closes: float
    opens: float | None
    share: float
    effect: float
    interval: tuple[float, float]
    accuracy: tuple[float, tuple[float, float]] | None


@dataclass(frozen=True)
class Verdict:
    """What was found in one world.

    Attributes:
        gap: the distance between A and B.
        causes: by their share, the largest first.
        harmless: differences that don't matter.
        remaining: share of the gap that all causes together leave.
    """

    gap: float
    floor: float
    causes: tuple[Share, ...] = ()
    harmless: tuple[Share, ...] = ()
    remaining: float = 0.0


def verdict(world: World, a: Account, b: Account, causes: Sequence[Cause]) -> Verdict:
    """The causes of the gap between two accounts."""
    mine, theirs = world.outcome(a), world.outcome(b)
    gap = distance(mine, theirs)
    if gap <= world.floor:
        return Verdict(gap, world.floor)
    suspects = seen(world, a, b, causes)
    left = _left(world, a, theirs, suspects)
    if left > max(world.floor, EXPLAINED * gap):
        suspects += guessed(world, _with(a, suspects), a, b, causes, left, {one.cause.name for one in suspects})
    value = _Value(world, a, theirs, suspects, gap)
    every = range(len(suspects))
    shares = [_share(world, a, b, one, value, number, mine) for number, one in enumerate(suspects)]
    libraries = [one for one in suspects if set(one.there) <= NO_OPTION]
    null = max(world.floor, distance(world.outcome(_with(a, libraries)), mine))
    unchosen = [one.cause.name for one in libraries]
    counted = {
        name
        for name, one in ((one.suspect.cause.name, one) for one in shares)
        if abs(one.share) >= HARMLESS and one.effect > (max(world.floor, world.noise) if name in unchosen else null)
    }
    by_share = sorted(shares, key=lambda one: -one.share)
    return Verdict(
        gap,
        world.floor,
        tuple(one for one in by_share if one.suspect.cause.name in counted),
        tuple(one for one in by_share if one.suspect.cause.name not in counted),
        1 - value(frozenset(every)),
    )


def seen(world: World, a: Account, b: Account, causes: Iterable[Cause]) -> list[Suspect]:
    """What both show and differ in; a setting counts for the first cause that takes it."""
    found, taken = [], set[str]()
    for cause in causes:
        there = cause.suspect(a, b) if cause.world in (world.name, "both") else None
        if there and not taken & set(there) and not (WHOLE in taken and all(key.startswith(NET) for key in there)):
            taken |= set(there)
            fixed = b.graph is None and all(key.startswith(NET) for key in there)
            found.append(Suspect(cause, there, None if fixed else cause.suspect(b, a)))
    return found


def guessed(
    world: World, a: Account, first: Account, b: Account, causes: Iterable[Cause], gap: float, known: set[str]
) -> list[Suspect]:
    """The fewest choices that B may have made, unseen, and that close the gap; none where nothing does.

    Args:
        a: A with what is known already.
        first: A as it is.
        gap: what is left between `a` and B.
        known: names of causes that are seen already.
    """
    theirs = world.outcome(b)
    tried: list[tuple[float, tuple[Suspect, ...]]] = []
    for cause in sorted(causes, key=lambda one: one.alone):
        if cause.world not in (world.name, "both") or cause.name in known:
            continue
        if cause.alone and min((left for left, _ in tried), default=gap) <= max(world.floor, EXPLAINED * gap):
            break  # the slow ones come last, where nothing else explains it
        for changes in cause.guesses(first):
            hidden = {key: value for key, value in changes.items() if not b.sees(key)}
            if hidden == dict(changes):
                one = (Suspect(cause, changes, guessed=True),)
                tried.append((_left(world, a, theirs, one), one))
    tried.sort(key=lambda pair: pair[0])
    best, beam = tried[:1], [pair for pair in tried if not pair[1][0].cause.alone][:BEAM]
    for _ in range(DEPTH):
        if not best or best[0][0] <= max(world.floor, EXPLAINED * gap) or best[0][0] > LITTLE * gap:
            break
        more = [
            (_left(world, a, theirs, (*group, one)), (*group, one))
            for _, group in beam
            for _, (one,) in tried
            if not one.cause.alone and one.cause not in [other.cause for other in group]
        ]
        beam = sorted(more, key=lambda pair: pair[0])[:BEAM]
        best = beam[:1] if beam and beam[0][0] < MUCH * best[0][0] else best
    if not best or best[0][0] > max(world.floor, (1 - MUCH) * gap):
        return []
    return list(best[0][1])


class _Value:
    """Share of the gap that switching a set of suspects closes; each set is asked once."""

    def __init__(self, world: World, a: Account, theirs: Array, suspects: Sequence[Suspect], gap: float) -> None:
        self.world, self.a, self.theirs, self.suspects, self.gap = world, a, theirs, suspects, gap
        self._known: dict[frozenset[int], float] = {frozenset(): 0.0}

    def __call__(self, chosen: frozenset[int]) -> float:
        if chosen not in self._known:
            left = _left(self.world, self.a, self.theirs, [self.suspects[i] for i in sorted(chosen)])
            self._known[chosen] = 1 - left / self.gap if np.isfinite(left) else 0.0
        return self._known[chosen]

    def shapley(self, one: int) -> float:
        """A suspect's part."""
        count = len(self.suspects)
        others = [i for i in range(count) if i != one]
        if count > EXACT:
            before, after = frozenset(range(one)), frozenset(range(one + 1, count))
            gains = (self(before | {one}) - self(before), self(after | {one}) - self(after))
            return sum(gains) / 2
        total = 0.0
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            sets = map(frozenset, combinations(others, size))
            total += weight * sum(self(chosen | {one}) - self(chosen) for chosen in sets)
        return total


def _with(a: Account, suspects: Iterable[Suspect]) -> Account:
    for one in suspects:
        a = a.switched(one.there)
    return a


def _left(world: World, a: Account, theirs: Array, suspects: Iterable[Suspect]) -> float:
    """The distance that is left; infinite where the switched net can't be asked."""
    found = _asked(world.outcome, _with(a, suspects))
    return float("inf") if found is None or found.shape != theirs.shape else distance(found, theirs)


def _share(world: World, a: Account, b: Account, suspect: Suspect, value: _Value, number: int, mine: Array) -> Share:
    alone = value(frozenset([number]))
    changed = _asked(world.outcome, a.switched(suspect.there))
    moved = distances(changed, mine) if changed is not None and changed.shape == mine.shape else np.zeros(1)
    opens = None
    if suspect.back is not None:
        turned = _asked(world.outcome, b.switched(suspect.back))
        opens = None if turned is None else distance(turned, world.outcome(b))
    share = value.shapley(number)
    return Share(
        suspect,
        alone,
        opens,
        share if np.isfinite(share) else 0.0,
        float(moved.mean()),
        bootstrap(moved),
        _accuracy(world, a, suspect),
    )


def _asked(ask: Callable[[Account], Array | None], account: Account) -> Array | None:
    try:
        return ask(account)
    except CANT:
        return None


def bootstrap(values: Array, draws: int = 1000) -> tuple[float, float]:
    """The 95 % interval of a mean, by the percentiles of means of resampled values (Efron, 1979)."""
    rows = rng(0, "bootstrap").integers(0, len(values), (draws, len(values)))
    low, high = np.percentile(values[rows].mean(1), [2.5, 97.5])
    return float(low), float(high)


def _accuracy(world: World, a: Account, suspect: Suspect) -> tuple[float, tuple[float, float]] | None:
    """How switching a suspect in A changes its accuracy."""
    from bakeoff.evaluation.statistics.paired import paired

    before = world.scores(a)
    after = None if before is None else _asked(world.scores, a.switched(suspect.there))
    if world.labels is None or before is None or after is None:
        return None
    found = paired(after.argmax(1) == world.labels, before.argmax(1) == world.labels)
    return found.difference, found.interval
