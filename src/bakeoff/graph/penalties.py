"""Terms of the loss that live in the model: which stay where a graph is cut, as JSON, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from bakeoff.graph.graph import Graph, Node, Penalty, Ref


def on_these(penalties: Iterable[Penalty], inputs: Iterable[str], nodes: Iterable[Node]) -> tuple[Penalty, ...]:
    """Those on parameters that the nodes read, and on values of the nodes or of the inputs."""
    kept: set[str | Ref] = set()
    places = set(inputs)
    for node in nodes:
        places.add(node.id)
        kept |= set(node.parameters.values())
    return tuple(p for p in penalties if (p.on.node in places if isinstance(p.on, Ref) else p.on in kept))


def to_json(penalties: Iterable[Penalty]) -> list[dict[str, Any]]:
    """[{"on": "conv1.kernel", "l1": 0.0, "l2": 0.01}, {"on": ["relu1", 0], ...}]."""
    return [
        {"on": [p.on.node, p.on.index] if isinstance(p.on, Ref) else p.on, "l1": p.l1, "l2": p.l2} for p in penalties
    ]


def from_json(rows: Sequence[dict[str, Any]]) -> tuple[Penalty, ...]:
    """What `to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    found = []
    for row in rows:
        on = row["on"] if isinstance(row["on"], str) else Ref(*row["on"])
        factors = [msgspec.convert(row[name], float) for name in ("l1", "l2")]
        if not all(0 <= factor < math.inf for factor in factors):
            raise ValueError(f"a term of the loss with the factors {factors}")
        found.append(Penalty(on, *factors))
    return tuple(found)


def shortened(graph: Graph) -> Graph:
    """The graph with factors of the fewest digits that are the same numbers in float32: what a page shows."""

    def short(factor: float) -> float:
        return float(str(np.float32(factor)))

    terms = tuple(Penalty(one.on, short(one.l1), short(one.l2)) for one in graph.penalties)
    return replace(graph, penalties=terms)


def said(graph: Graph) -> tuple[str, ...]:
    """A sentence for who trains the net: what its loss adds, and where; none where there is nothing."""
    groups: dict[tuple[float, float], list[str]] = {}
    for penalty in graph.penalties:
        place = f"what {penalty.on.node} gives" if isinstance(penalty.on, Ref) else penalty.on
        groups.setdefault((penalty.l1, penalty.l2), []).append(place)
    if not groups:
        return ()
    terms = []
    for (l1, l2), places in groups.items():
        factors = " + ".join(f"{name} {factor:g}" for name, factor in (("L1", l1), ("L2", l2)) if factor)
        more = f" and {len(places) - 1} others" if len(places) > 1 else ""
        terms.append(f"{factors} on {places[0]}{more}")
    return (
        f"its loss has terms of its own: {'; '.join(terms)}. Keras nets carry them as regularizers; torch "
        "nets (of convert(), to_torch(), --source) state them: (criterion(net(x), y) + net.penalty()).backward()",
    )
