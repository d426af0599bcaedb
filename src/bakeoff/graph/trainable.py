"""What training may change: weights frozen or thawed by name or by stage, batch norm's statistics frozen.

graph = freeze(graph, ["backbone"])
graph = freeze_statistics(graph)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from bakeoff.errors import UsageError
from bakeoff.graph.graph import Graph, Node
from bakeoff.graph.passes import head_paths
from bakeoff.graph.stages import frozen_by
from bakeoff.registry import nearest


def matching(graph: Graph, patterns: Sequence[str]) -> frozenset[str]:
    """The weights whose paths match one of the fnmatch patterns.

    "backbone" stands for all but the head's; "all but the last 2 stages", or "all but the last 70 % of the weights",
    for those of the layers before (graph.stages).

    Raises:
        UsageError: a pattern matches nothing.
    """
    weights = [path for path, parameter in graph.parameters.items() if parameter.role == "weight"]
    found: set[str] = set()
    for pattern in patterns:
        by_stage = frozen_by(graph, pattern)
        if by_stage is not None:
            hits = set(by_stage)
        elif pattern == "backbone":
            hits = set(weights) - head_paths(graph)
        else:
            hits = {path for path in weights if fnmatchcase(path, pattern)}
        if not hits and pattern != "backbone" and by_stage is None:  # a net of one layer has an empty backbone
            raise UsageError(
                f"freeze: no weight matches {pattern!r}{nearest(pattern, weights)}.\n"
                f"A path looks like {weights[0]!r}; * stands for anything, 'backbone' for all but the head."
            )
        found |= hits
    return frozenset(found)


def freeze(graph: Graph, patterns: Sequence[str]) -> Graph:
    """The matching weights stay as they are in training; the others stay what they were.

    Raises:
        UsageError: a pattern matches nothing.
    """
    frozen = {path: replace(graph.parameters[path], trainable=False) for path in matching(graph, patterns)}
    return replace(graph, parameters={path: frozen.get(path, p) for path, p in graph.parameters.items()})


def freeze_statistics(graph: Graph, patterns: Sequence[str] = ("*",)) -> Graph:
    """Batch norm of the matching module paths uses its running statistics in training, and leaves them as they are."""

    def frozen(node: Node) -> Node:
        chosen = node.op == "batch_norm" and any(fnmatchcase(node.name, pattern) for pattern in patterns)
        return replace(node, attributes=replace(node.attributes, statistics="frozen")) if chosen else node

    return replace(graph, nodes=tuple(map(frozen, graph.nodes)))
