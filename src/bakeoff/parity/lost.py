"""What a source does in training that a graph can't hold: from what two of its training passes showed.

A graph is training pass and prediction in one; the two may differ by noise and batch statistics alone. A module that
does something else in training (an auxiliary head, a power iteration, an augmentation) predicts in the graph's training
pass, too, while all that it holds trains. One pass of the source is as its library runs it, the other as the graph.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from bakeoff.parity.difference import relative
from bakeoff.schemas import Array, Declared


@dataclass
class Seen:
    """What a training pass of a live model showed.

    Attributes:
        first: its first output.
        outputs: how many there were.
        changed: names of variables that it changed.
        drew: paths of modules that drew random numbers.
        terms: how many terms of the loss were in the model.
        failed: why it ended early.
    """

    first: Array | None = None
    outputs: int = 0
    changed: set[str] = field(default_factory=set)
    drew: set[str] = field(default_factory=set)
    terms: int = 0
    failed: str = ""


def lost(where: Iterable[str], whole: Seen, other: Seen) -> Declared:
    """What these modules do in training.

    Args:
        whole: as the library runs it.
        other: the same pass, in which they predict.
    """
    said = []
    if whole.failed:
        said.append(("training", f"fails ({whole.failed})"))
    elif whole.outputs != other.outputs:
        said.append(("outputs", f"gives {whole.outputs} outputs, of which the first is kept"))
    if whole.terms > other.terms:
        said.append(("loss", "adds to the loss"))
    if whole.drew - other.drew:
        said.append(("noise", "draws random numbers"))
    state = sorted({re.split(r"[./]", name)[-1] for name in whole.changed - other.changed})
    if state:
        said.append(("state", f"changes its {', '.join(state)}"))
    said = said or [("training", "computes something else than in prediction")]
    apart = math.inf if whole.first is None or other.first is None else relative(other.first, whole.first)
    what = f"in training it {' and '.join(words for _, words in said)}"
    return Declared(said[0][0], tuple(sorted(where)), what, apart if math.isfinite(apart) else None)


def merged(found: Iterable[Declared]) -> tuple[Declared, ...]:
    """One of a name: where any of them is, with the largest effect."""
    named: dict[str, Declared] = {}
    for one in found:
        had = named.get(one.name, one)
        whats = dict.fromkeys((*had.what.split("; "), one.what))
        effects = [each.effect for each in (had, one) if each.effect is not None]
        where = tuple(sorted({*had.where, *one.where}))
        named[one.name] = replace(one, where=where, what="; ".join(whats), effect=max(effects, default=None))
    return tuple(named.values())
