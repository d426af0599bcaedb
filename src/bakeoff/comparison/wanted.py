"""What is asked of a comparison beside its trainings: who takes part, how often, how exactly, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bakeoff import frameworks as registered
from bakeoff.comparison import contestants as entered
from bakeoff.comparison.statistics.accuracy import MARGIN
from bakeoff.errors import UsageError


@dataclass(frozen=True)
class Wanted:
    """What is asked of a comparison beside its trainings.

    Attributes:
        contestants: who is timed, one of a kind.
        seeds: trainings of each framework.
        predict: whether predictions are timed, too.
        budget: seconds for all of it; None: whatever it takes.
        margin: within which accuracies are as good as equal.
        price: of an hour of this machine.
    """

    contestants: tuple[str, ...]
    seeds: int = 1
    predict: bool = False
    budget: float | None = None
    margin: float = MARGIN
    price: float | None = None


def entrants_of(frameworks: Sequence[str] | None, contestants: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Frameworks and contestants, each by its whole name.

    Raises:
        UsageError: none, or one framework with a single way to run it.
    """
    entrants = entered.numbered(contestants or ())
    own = dict.fromkeys(entered.load(name).FRAMEWORK for name in entrants)
    usual = [name for name in registered.installed() if name in ("torch", "tensorflow")] or registered.installed()[:1]
    names = [registered.ALIASES.get(name, name) for name in frameworks or ()] or [*own] or [*usual]
    names = list(dict.fromkeys([*names, *own]))
    for name in names:
        registered.require(name, "comparing it")
    entrants = entrants or entered.numbered(entered.of_frameworks(names))
    if len(entrants) < 2 and len(names) < 2:
        raise UsageError(
            f"compare needs two contestants or more, got {', '.join(entrants) or 'none'}. "
            "As: --frameworks torch,tensorflow, or --contestants torch-eager,torch-compiled"
        )
    return names, entrants


def check_numbers(seeds: int, margin: float, price: float | None) -> None:
    """Refuse what no comparison can be made with.

    Raises:
        UsageError: names the option.
    """
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: expected 1 or more.")
    if not 0 < margin < 1:
        raise UsageError(f"--margin {margin:g}: expected a share of the images above 0 and below 1, as 0.02.")
    if price is not None and not 0 <= price < float("inf"):
        raise UsageError(f"--price {price:g}: expected the price of an hour, 0 or more.")
