"""The stages of any classifier: where it can be cut, and what "the last two stages" means.

A stage ends where the image gets smaller: nodes from one halving to the next. A net that never shrinks its tokens (a
vision transformer) is divided at its repeated blocks instead. Stages are called stage1, stage2, ...; besides, every
module path of the source is a place to cut at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from bakeoff.errors import UsageError
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.graph.passes import head_paths, prune
from bakeoff.ops._dimension import Dim, at
from bakeoff.registry import nearest

SIZE = 224  # images of free size are looked at in this one
LAST = re.compile(r"all but (?:the )?last (\d+) stages?")
LAST_SHARE = re.compile(r"all but (?:the )?last (\d+) ?%(?: of the weights)?")


def stages(graph: Graph) -> dict[str, tuple[Node, ...]]:
    """The nodes of each stage by its name, in order; the head is in none."""
    nodes = backbone(graph)
    found = _by_size(graph, nodes)
    if len(found) < 3:
        found = _by_blocks(nodes) or found
    return {f"stage{number}": tuple(group) for number, group in enumerate(found, 1)}


def backbone(graph: Graph) -> tuple[Node, ...]:
    """The nodes before the one that gives the logits."""
    if next(iter(graph.outputs)) == "features":
        return prune(graph).nodes
    paths = head_paths(graph)
    nodes = prune(graph).nodes
    head = next((i for i, n in enumerate(nodes) if paths & {p for p in n.parameters.values() if isinstance(p, str)}), 0)
    return nodes[:head]


def features_node(graph: Graph) -> Ref:
    """What the head reads: the features of a classifier.

    Raises:
        UsageError: it has no head to take off.
    """
    paths = head_paths(graph)
    for node in reversed(prune(graph).nodes):
        if paths & {source for source in node.parameters.values() if isinstance(source, str)}:
            return node.inputs[0]
    raise UsageError("the net has no layer with weights: there is no head to take off.")


def place(graph: Graph, wanted: str) -> str:
    """The node behind which to cut: of a stage, of a module path, or of a node.

    Raises:
        UsageError: nothing is called so; the message lists the stages.
    """
    found = stages(graph)
    if wanted in found:
        return last_on_way(graph, found[wanted]).id
    nodes = backbone(graph)
    inside = [n for n in nodes if n.path == wanted or n.path.startswith((f"{wanted}.", f"{wanted}_")) or n.id == wanted]
    if inside:
        return last_on_way(graph, inside).id
    heads = dict.fromkeys(node.path.split(".")[0] for node in nodes if node.path)
    known = [*found, *heads]
    shown = ", ".join(known[:24]) + (", ..." if len(known) > 24 else "")
    raise UsageError(f"--until {wanted}: no such stage or module{nearest(wanted, known)}\nStages: {shown}")


def last_on_way(graph: Graph, nodes: Sequence[Node]) -> Node:
    """The last of these nodes through which the whole image goes: its value is what others read, not a gate."""
    ids = {node.id for node in nodes}
    read: set[str] = set()
    for node in prune(graph).nodes:
        if node.id not in ids:
            read |= {ref.node for ref in node.inputs if ref.node in ids}
    outside = [node for node in nodes if node.id in read and _spatial(graph, node) != 1]
    return outside[-1] if outside else nodes[-1]


def frozen_by(graph: Graph, pattern: str) -> frozenset[str] | None:
    """The weights that "all but the last 2 stages" or "all but the last 70 % of the weights" freezes.

    None where the pattern says something else.

    Raises:
        UsageError: the net has fewer stages.
    """
    if match := LAST_SHARE.fullmatch(pattern.strip()):
        return _first_weights(graph, 1 - int(match[1]) / 100)
    match = LAST.fullmatch(pattern.strip())
    if match is None:
        return None
    count, found = int(match[1]), stages(graph)
    if count > len(found):
        raise UsageError(f"freeze: {pattern!r}, but the net has {len(found)} stages: {', '.join(found)}.")
    groups = list(found.values())
    early, late = (
        {str(path) for group in part for node in group for path in node.parameters.values() if isinstance(path, str)}
        for part in (groups[: len(groups) - count], groups[len(groups) - count :])
    )
    return frozenset(path for path in early - late if graph.parameters[path].role == "weight")


def _first_weights(graph: Graph, share: float) -> frozenset[str]:
    """Those of the first layers, which together hold at most that share of all but the head's."""
    paths = dict.fromkeys(str(p) for node in backbone(graph) for p in node.parameters.values() if isinstance(p, str))
    sizes = {path: graph.parameters[path].array.size for path in paths if graph.parameters[path].role == "weight"}
    held = np.cumsum(list(sizes.values()), dtype="int64")
    return frozenset(list(sizes)[: int(np.searchsorted(held, share * held[-1], "right"))] if sizes else ())


def _by_size(graph: Graph, nodes: Sequence[Node]) -> list[list[Node]]:
    groups: list[list[Node]] = []
    smallest = 0
    for node in nodes:
        size = _spatial(graph, node)
        if groups and (size <= 1 or size >= smallest):
            groups[-1].append(node)
        else:
            groups.append([node])
            smallest = size
    return groups


def _by_blocks(nodes: Sequence[Node]) -> list[list[Node]]:
    """Divided at the children of the module list that most nodes lie in, as blocks.0, blocks.1, ..."""
    lists = Counter(match[1] for node in nodes if (match := _numbered(node.path)))
    if not lists:
        return []
    (name, _), *_ = lists.most_common(1)
    groups: list[list[Node]] = []
    current = None
    for node in nodes:
        match = _numbered(node.path)
        child = match[2] if match and match[1] == name else None
        if groups and (child is None or child == current):
            groups[-1].append(node)
        elif child is None:
            groups.append([node])
        elif groups and current is None:
            groups[-1].append(node)
        else:
            groups.append([node])
        current = child if child is not None else current
    return groups


@cache
def _numbered(path: str) -> re.Match[str] | None:
    """(module list, number) of a path: "blocks.3.attn.qkv" is in ("blocks", "3")."""
    return re.match(r"(.*?[A-Za-z_]\w*)\.(\d+)(?:\.|$)", path)


def _spatial(graph: Graph, node: Node) -> int:
    """Height times width of a node's image, or its number of tokens; 1 for vectors."""
    shape = graph.shapes[Ref(node.id)]
    if len(shape) not in (3, 4):
        return 1
    known = {"batch": 1, "height": SIZE, "width": SIZE}
    sizes = [at(size, **known) if isinstance(size, Dim) else size for size in shape[1:-1]]
    return sizes[0] * (sizes[1] if len(sizes) == 2 else 1)
