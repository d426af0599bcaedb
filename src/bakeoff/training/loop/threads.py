"""How many threads a net is worth."""

from __future__ import annotations

from bakeoff.graph import Graph, Ref
from bakeoff.ops._dimension import at
from bakeoff.system import cpus

SMALL = 3e8  # multiply-adds of a step: below it, handing work to a second thread costs more than it saves (measured)
SMALL_TORCH = 5e6  # torch shares work among threads more cheaply


def multiply_adds(graph: Graph) -> float:
    """Multiply-adds of one image through the convolutions and dense layers; symbols other than the batch count 32."""
    total = 0.0
    for node in graph.nodes:
        slots = graph.slots(node)
        kernel = slots.get("kernel")
        if kernel is None:
            continue
        shape = graph.shapes[Ref(node.id)]
        places = 1
        for size in shape[1:-1]:
            places *= at(size, batch=1, height=32, width=32)
        count = 1
        for side in kernel.shape:
            count *= side
        total += float(places * count)
    return total


def threads_for(graph: Graph, batch_size: int, framework: str) -> int:
    """1 for a net that is small for this framework, else every core."""
    small = SMALL_TORCH if framework == "torch" else SMALL
    return 1 if 3 * batch_size * multiply_adds(graph) < small else cpus()
