"""Whether two graphs compute the same: by structure, never by numbers.

A training pass is captured, and so is the prediction; once noise is silenced and batch norm uses its running
statistics, both have to be one and the same graph. The same holds for two sizes of images, if a net takes any.

Where a net does something else in training, as one that draws by hand, they aren't: `together` joins the two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.ops import page


def same_prediction(training: Graph, prediction: Graph) -> bool:
    """Whether the graph of a training pass predicts as that of the prediction does."""
    return fingerprint(training, predicting=True) == fingerprint(prediction, predicting=True)


def same_attributes(first: Graph, second: Graph) -> bool:
    """Whether two graphs differ in nothing but the size of their input."""
    return fingerprint(first) == fingerprint(second)


def fingerprint(graph: Graph, *, predicting: bool = False) -> str:
    """What the graph computes from its input and its parameters, whatever its nodes are called."""
    found = marks(graph, predicting=predicting)
    return _digest("|".join(found[ref] for ref in graph.outputs.values()))


def marks(graph: Graph, *, predicting: bool = False) -> dict[Ref, str]:
    """What each value is, by all that it comes from; no two draws are one."""
    found: dict[Ref, str] = {Ref(name): name for name in graph.inputs}
    drawn = 0
    for node in graph.nodes:
        if predicting and node.predicts:
            found[Ref(node.id)] = found[node.predicts]
            continue
        if node.op == "parameter":  # as a slot has it
            found[Ref(node.id)] = _slot(graph, node.parameters["value"], found)
            continue
        alone = node.draws and not predicting
        drawn += alone
        mark = _digest(_described(graph, node, found, predicting) + f"draw {drawn}" * alone)
        found |= {Ref(node.id, index): f"{mark}.{index}" for index in range(_outputs(graph, node))}
    return found


def _described(graph: Graph, node: Node, marks: dict[Ref, str], predicting: bool) -> str:
    attributes = _predicting(node.attributes) if predicting else node.attributes
    slots = [f"{slot}={_slot(graph, node.parameters[slot], marks)}" for slot in sorted(node.parameters)]
    return repr((node.op, attributes, [marks[ref] for ref in node.inputs], slots))


def _slot(graph: Graph, source: str | Ref, marks: dict[Ref, str]) -> str:
    if isinstance(source, Ref):
        return marks[source]
    parameter = graph.parameters[source]
    if parameter.role != "constant":
        return source
    array = np.ascontiguousarray(parameter.array)
    return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"


def _predicting(attributes: Any) -> Any:
    """Without noise, on running statistics."""
    names = {field.name for field in fields(attributes)}
    wanted: dict[str, Any] = {"statistics": "frozen", "rate": 0.0}
    return replace(attributes, **{key: value for key, value in wanted.items() if key in names})


def _outputs(graph: Graph, node: Node) -> int:
    shape = node.page.shape(node.attributes, *graph.input_shapes(node))
    return len(shape) if shape and isinstance(shape[0], tuple) else 1


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# a training pass and a prediction as one graph ------------------------------------------------------------------------


def together(training: Graph, prediction: Graph) -> Graph | None:
    """The graph that trains as the one and predicts as the other; None: a batch norm of the prediction has no twin."""
    return _Join(training, prediction).run()


class _Join:
    """Goes through the prediction in its order, and looks for each node's twin in the training pass.

    A twin may read other values in training than in prediction: `in_training` takes the one or the other. Whatever is
    paired, training stays what it was; that prediction does, too, is checked at the end.
    """

    def __init__(self, training: Graph, prediction: Graph) -> None:
        self.training, self.prediction = training, prediction
        self.mine, self.other = marks(training, predicting=True), marks(prediction, predicting=True)
        known = set(self.other.values())
        self.left = [node for node in training.nodes if self.mine[Ref(node.id)] not in known and not node.predicts]
        self.plain = {mark: ref for ref, mark in reversed(self.mine.items())}  # the first of each
        self.twins: dict[Ref, Ref] = {Ref(name): Ref(name) for name in prediction.inputs}
        self.read: dict[str, dict[Ref, Ref]] = {}  # by node of the training pass: what it reads in prediction
        self.more: list[Node] = []  # of the prediction alone

    def run(self) -> Graph | None:
        by_node: dict[str, list[Ref]] = {}
        for ref in self.other:
            by_node.setdefault(ref.node, []).append(ref)
        for node in self.prediction.nodes:
            refs = by_node[node.id]
            if all(self.other[ref] in self.plain for ref in refs):
                self.twins |= {ref: self.plain[self.other[ref]] for ref in refs}
                continue
            twin = next((one for one in self.left if self._fits(one, node)), None)
            if twin is not None:
                self.left.remove(twin)
                self.twins |= {ref: Ref(twin.id, ref.index) for ref in refs}
            elif hasattr(node.page, "update"):  # a second one would move its state twice
                return None
            else:
                self.more.append(node)
        joined = self._built()
        return joined if joined is not None and same_prediction(joined, self.prediction) else None

    def _fits(self, mine: Node, node: Node) -> bool:
        """Whether a node of the training pass does what one of the prediction does, on whatever values."""
        alike = mine.op == node.op and _predicting(mine.attributes) == _predicting(node.attributes)
        if not alike or len(mine.inputs) != len(node.inputs) or mine.parameters.keys() != node.parameters.keys():
            return False
        read: dict[Ref, Ref] = {}
        pairs = [*zip(mine.inputs, node.inputs, strict=True)]
        for slot, source in mine.parameters.items():
            other = node.parameters[slot]
            if isinstance(source, Ref):
                pairs.append((source, other if isinstance(other, Ref) else self._bare(other)))
            elif isinstance(other, Ref) or _slot(self.training, source, {}) != _slot(self.prediction, other, {}):
                return False
        fits = all(self._stands_for(a, b) or read.setdefault(a, b) == b for a, b in pairs)
        if fits and len(read) < max(len(pairs), 2):  # of two or more one is the same
            self.read[mine.id] = read
            return True
        return False

    def _stands_for(self, a: Ref, b: Ref) -> bool:
        twin = self.twins.get(b)
        return twin is not None and self.mine[a] == self.mine[twin]

    def _bare(self, path: str) -> Ref:
        """A weight that is computed with in training, and in prediction isn't, as a value."""
        ref = Ref(f"weight {path}")
        bare = self.plain.get(_slot(self.prediction, path, {}))
        if bare is not None:
            self.twins[ref] = bare
        return ref

    def _built(self) -> Graph | None:
        training, prediction = self.training, self.prediction
        nodes = {node.id: node for node in training.nodes}
        taken = {*nodes, *training.inputs, *training.parameters}
        renamed = {node.id: _free(node.id, taken) for node in self.more}
        paths = {path: _free(path, taken) for path, p in prediction.parameters.items() if p.role == "constant"}
        parameters = dict(training.parameters)
        pairs: dict[tuple[Ref, Ref], Ref] = {}

        def own(ref: Ref) -> Ref:
            return self.twins.get(ref) or Ref(renamed.get(ref.node, ref.node), ref.index)

        def switch(a: Ref, b: Ref) -> Ref:
            if (a, b) not in pairs:
                id = _free(f"{a.node}.in_training", taken)
                nodes[id] = Node(id, "in_training", page("in_training").Attributes(), (a, b), {}, id)
                pairs[a, b] = Ref(id)
            return pairs[a, b]

        for node in self.more:
            slots = {s: own(v) if isinstance(v, Ref) else paths.get(v, v) for s, v in node.parameters.items()}
            id = renamed[node.id]
            nodes[id] = replace(node, id=id, inputs=tuple(map(own, node.inputs)), parameters=slots)
            for path in (v for v in node.parameters.values() if isinstance(v, str)):
                given, new = prediction.parameters[path], paths.get(path, path)
                if parameters.setdefault(new, replace(given, path=new)).array.shape != given.array.shape:
                    return None  # a weight that each of them reads in a layout of its own
        for id, read in self.read.items():
            moved = {a: switch(a, own(b)) for a, b in read.items()}
            slots = {s: moved.get(v, v) if isinstance(v, Ref) else v for s, v in nodes[id].parameters.items()}
            inputs = tuple(moved.get(ref, ref) for ref in nodes[id].inputs)
            nodes[id] = replace(nodes[id], inputs=inputs, parameters=slots)
        output = training.output
        if not self._stands_for(output, prediction.output):
            output = switch(output, own(prediction.output))
        outputs = dict.fromkeys(training.outputs, output)
        try:
            return replace(training, nodes=_ordered(nodes), outputs=outputs, parameters=parameters)
        except BakeoffError:  # a value that isn't there, or that comes too late: two that read each other
            return None


def _free(name: str, taken: set[str]) -> str:
    found = next(one for one in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if one not in taken)
    taken.add(found)
    return found


def _ordered(nodes: Mapping[str, Node]) -> tuple[Node, ...]:
    """As they stand, but each behind what it reads."""
    found: dict[str, Node] = {}
    seen: set[str] = set()
    for id in nodes:
        stack = [] if id in found else [id]
        while stack:
            node = nodes[stack[-1]]
            seen.add(node.id)
            refs = (ref.node for ref in (*node.inputs, *node.parameters.values()) if isinstance(ref, Ref))
            waits = next((name for name in refs if name in nodes and name not in seen), None)
            if waits is None:
                found[stack.pop()] = node
            else:
                stack.append(waits)
    return tuple(found.values())
