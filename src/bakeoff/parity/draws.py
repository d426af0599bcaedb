"""Random draws as arrays: what a training pass drew, node by node, and what it is to draw instead.

    source.given = {}                              from now on its training passes are watched
    source.gradients(images, labels)
    target.given = values(source.drawn)            the same draws, in another framework or process
    target.gradients(images, labels)               loss and gradients agree as without noise
    checks(target.drawn, source.drawn)             and each draw was the same draw

A draw belongs to a node of the graph, in canonical axes, whatever the order in which libraries draw. What has no node
goes by the module that drew it, and is there on one side alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bakeoff.parity.difference import check
from bakeoff.schemas import Array, Check, Drawn
from bakeoff.seeds import rng

RATES = 4 * float(np.finfo(np.float64).eps)  # 1 - p is taken on both sides, and on the way into the graph


OWN = 20  # passes at most in which a net draws by itself, besides the first
CHANCE = 1e-9  # that numbers drawn anew are the same again
Ledger = Mapping[str, Drawn]


def values(ledger: Ledger) -> dict[str, Array]:
    """The arrays by node."""
    return {node: drawn.values for node, drawn in ledger.items()}


def prescribed(ledger: Ledger, seed: int) -> dict[str, Array]:
    """Other values for the same draws; a mask drops half, so that each is seen: of rate .02 most drop nothing."""
    return {node: _drawn(drawn, rng(seed, "draws", record=node)) for node, drawn in ledger.items()}


def _drawn(drawn: Drawn, draw: np.random.Generator) -> Array:
    shape, count = drawn.values.shape, drawn.values.size
    if drawn.kind == "bernoulli":
        return draw.permutation((np.arange(count) + draw.integers(2)) % 2).reshape(shape).astype("float64")
    return draw.random(shape) if drawn.kind == "uniform" else draw.normal(size=shape)


def checks(found: Ledger, expected: Ledger, name: str = "draws") -> list[Check]:
    """Whether the same nodes drew the same kind of numbers, as many, with the same probability."""
    lost, strange = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    says = f"{len(found)} of {len(expected)}"
    says += f"; missing: {', '.join(lost[:3])}" if lost else ""
    says += f"; not in the source: {', '.join(strange[:3])}" if strange else ""
    both = [(node, found[node], expected[node]) for node in sorted(set(found) & set(expected))]
    rates = {node: abs(mine.rate - theirs.rate) for node, mine, theirs in both}
    worst = max(rates, key=rates.__getitem__, default="")
    return [
        check(name, float(len(lost) + len(strange)), 0.0, says),
        _alike(f"{name}.kinds", [(node, mine.kind, theirs.kind) for node, mine, theirs in both]),
        _alike(f"{name}.shapes", [(node, mine.values.shape, theirs.values.shape) for node, mine, theirs in both]),
        check(f"{name}.rates", rates.get(worst, 0.0), RATES, f"largest at {worst or 'none'}"),
    ]


def _alike(name: str, rows: list[tuple[str, Any, Any]]) -> Check:
    other = [f"{node}: {mine} for {theirs}" for node, mine, theirs in rows if mine != theirs]
    return check(name, float(len(other)), 0.0, "; ".join(other[:3]) or f"all {len(rows)} alike")


def still(net: Any, run: Callable[[], Any]) -> dict[str, Array]:
    """The nodes whose own draws are the same in pass after pass, which chance can't explain; the numbers of each.

    What a net draws by itself, nobody sees where it is handed another net's draws. Rare drops of few can't be told from
    a generator that stands still.
    """

    def drawn() -> Ledger:
        net.given = {}
        run()
        found: Ledger = net.drawn
        return found

    same, again = {node: one for node, one in drawn().items() if _chance(one, OWN) < CHANCE}, 0
    while any(_chance(one, again) >= CHANCE for one in same.values()):
        now, again = drawn(), again + 1
        same = {n: one for n, one in same.items() if n in now and np.array_equal(one.values, now[n].values)}
    net.given = None
    return {node: one.values for node, one in same.items()}


def _chance(drawn: Drawn, again: int) -> float:
    """That numbers drawn anew so often are the same."""
    likely = max(drawn.rate, 1 - drawn.rate) if drawn.kind == "bernoulli" else 0.5
    return float(likely ** (drawn.values.size * again))


class Draws:
    """What a net draws in its passes, one by one: its own, natural and prescribed in turn, or what another net drew.

    Args:
        given: ledgers by question; None: the net's own.

    Attributes:
        found: what was drawn, by question.
    """

    def __init__(self, given: Mapping[str, Ledger] | None = None) -> None:
        self.given = given
        self.found: dict[str, Ledger] = {}
        self._last: Ledger = {}

    def before(self, net: Any, question: str) -> None:
        """Tell a net what to draw in its next pass."""
        if self.given is not None:
            net.given = values(self.given.get(question, {}))
        else:  # natural masks, then such as drop half: of rate .02 most natural ones drop nothing
            number = len(self.found)
            net.given = prescribed(self._last, number) if number % 2 else {}

    def after(self, net: Any, question: str) -> None:
        """See what it drew."""
        self.found[question] = self._last = net.drawn
        net.given = None
