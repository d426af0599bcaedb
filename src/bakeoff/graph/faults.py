"""Where a library computes less than float64 in float64, for the reader of a certificate."""

from __future__ import annotations

from bakeoff.graph.graph import Graph
from bakeoff.ops import page


def faults(graph: Graph, framework: str) -> list[str]:
    """A sentence for each operator of the graph that this framework gets less exactly than it should."""
    known = {op: page(op).FAULTS.get(framework) for op in sorted({node.op for node in graph.nodes})}
    return [
        f"{op} in {framework}: {fault.what} (up to {fault.size:.0e}); done exactly where float64 is compared"
        for op, fault in known.items()
        if fault
    ]
