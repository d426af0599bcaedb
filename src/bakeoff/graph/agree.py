"""Whether two graphs compute the same: by structure, never by numbers.

A training pass is captured, and so is the prediction; once noise is silenced and batch norm uses its running
statistics, both have to be one and the same graph. The same holds for two sizes of images, if a net takes any.

Where a pass draws by hand, they aren't: there `together` joins the two. Wherever a value of the training pass stands
that hangs on a draw, and one of the prediction in its place, `in_training` takes the one or the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.ops import page

LEFT = {"dropout": 0, "drop_path": 0, "in_training": 1}  # in prediction they are their input of that number


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
        if predicting and node.op in LEFT:
            found[Ref(node.id)] = found[node.inputs[LEFT[node.op]]]
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
    """The graph that trains as the one and predicts as the other; None: they differ in more than what is drawn."""
    joined = _Join(training, prediction).run()
    return joined if joined is not None and same_prediction(joined, prediction) else None


class _Join:
    """Goes through the prediction in its order and looks for each node's twin in the training pass.

    Whatever it pairs, training stays what it was; that prediction does, too, is checked at the end.
    """

    def __init__(self, training: Graph, prediction: Graph) -> None:
        self.training, self.prediction = training, prediction
        self.noisy = _noisy(training)
        known = marks(training, predicting=True)
        self.plain = {mark: ref for ref, mark in known.items() if ref.node not in self.noisy}
        self.by_id = {node.id: node for node in training.nodes}
        self.twins: dict[Ref, Ref] = {Ref(name): Ref(name) for name in prediction.inputs}
        self.pairs: dict[tuple[Ref, Ref], str] = {}  # (in training, in prediction): the node that takes one
        self.read: dict[str, dict[Ref, Ref]] = {}  # by node: what it reads instead
        self.more: list[Node] = []  # of the prediction alone

    def run(self) -> Graph | None:
        found = marks(self.prediction, predicting=True)
        left = [node for node in self.training.nodes if node.id in self.noisy and node.op not in LEFT]
        for node in self.prediction.nodes:
            refs = [ref for ref in found if ref.node == node.id]
            if all(found[ref] in self.plain for ref in refs):
                self.twins |= {ref: self.plain[found[ref]] for ref in refs}
                continue
            twin = next((one for one in left if self._fits(one, node)), None)
            if twin is not None:
                left.remove(twin)
                self.twins |= {ref: Ref(twin.id, ref.index) for ref in refs}
            elif node.op == "batch_norm":  # a second one would move its statistics twice
                return None
            else:
                self.more.append(node)
        return self._built()

    def _fits(self, mine: Node, node: Node) -> bool:
        """Whether a node of the training pass does what one of the prediction does, but for what is drawn before it."""
        alike = mine.op == node.op and _predicting(mine.attributes) == _predicting(node.attributes)
        if not alike or len(mine.inputs) != len(node.inputs) or mine.parameters.keys() != node.parameters.keys():
            return False
        read: dict[Ref, Ref] = {}
        for a, b in zip(mine.inputs, node.inputs, strict=True):
            if not self._stands_for(a, b, read):
                return False
        for slot, source in mine.parameters.items():
            if not self._same_slot(source, node.parameters[slot], read):
                return False
        self.read[mine.id] = read
        return True

    def _stands_for(self, a: Ref, b: Ref, read: dict[Ref, Ref]) -> bool:
        if self.twins.get(b) == self._through(a):
            return True
        return a.node in self.noisy and read.setdefault(a, b) == b

    def _same_slot(self, a: str | Ref, b: str | Ref, read: dict[Ref, Ref]) -> bool:
        if isinstance(a, str):
            return isinstance(b, str) and _slot(self.training, a, {}) == _slot(self.prediction, b, {})
        if isinstance(b, str):  # a weight that is drawn upon
            bare = self.plain.get(_slot(self.prediction, b, {}))
            if bare is None or a.node not in self.noisy:
                return False
            self.twins[Ref(b)] = bare  # no value of the prediction has a weight's name: its slot is in a node's
            return read.setdefault(a, Ref(b)) == Ref(b)
        return self._stands_for(a, b, read)

    def _through(self, ref: Ref) -> Ref:
        """The value before what leaves nothing in prediction."""
        while (node := self.by_id.get(ref.node)) is not None and node.op in LEFT:
            ref = node.inputs[LEFT[node.op]]
        return ref

    def _built(self) -> Graph | None:
        training, prediction = self.training, self.prediction
        taken = {*self.by_id, *training.inputs, *training.parameters}
        renamed = {node.id: _free(node.id, taken) for node in self.more}
        paths = {path: _free(path, taken) for path, p in prediction.parameters.items() if p.role == "constant"}
        parameters = dict(training.parameters)
        nodes: dict[str, Node] = dict(self.by_id)

        def own(ref: Ref) -> Ref:
            return self.twins.get(ref) or Ref(renamed.get(ref.node, ref.node), ref.index)

        for node in self.more:
            slots = {s: own(v) if isinstance(v, Ref) else paths.get(v, v) for s, v in node.parameters.items()}
            id = renamed[node.id]
            nodes[id] = replace(node, id=id, inputs=tuple(map(own, node.inputs)), parameters=slots)
            for path in (v for v in node.parameters.values() if isinstance(v, str)):
                given, new = prediction.parameters[path], paths.get(path, path)
                if parameters.setdefault(new, replace(given, path=new)).array.shape != given.array.shape:
                    return None  # a weight that each of them reads in a layout of its own

        def switch(a: Ref, b: Ref) -> Ref:
            if (a, b) not in self.pairs:
                id = self.pairs[a, b] = _free(f"{a.node}.in_training", taken)
                nodes[id] = Node(id, "in_training", page("in_training").Attributes(), (a, b), {}, id)
            return Ref(self.pairs[a, b])

        for id, read in self.read.items():
            instead = {a: switch(a, own(b)) for a, b in read.items()}
            node = nodes[id]
            slots = {s: instead.get(v, v) if isinstance(v, Ref) else v for s, v in node.parameters.items()}
            nodes[id] = replace(node, inputs=tuple(instead.get(ref, ref) for ref in node.inputs), parameters=slots)
        output, last = training.output, own(prediction.output)
        if self._through(output) != last:
            if output.node not in self.noisy:
                return None
            output = switch(output, last)
        ordered = _ordered(nodes)
        if ordered is None:
            return None
        return replace(training, nodes=ordered, outputs=dict.fromkeys(training.outputs, output), parameters=parameters)


def _noisy(graph: Graph) -> set[str]:
    """The nodes that hang on a value that is drawn."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.draws or any(ref.node in found for ref in sources(node)):
            found.add(node.id)
    return found


def sources(node: Node) -> list[Ref]:
    """All values that a node reads."""
    return [*node.inputs, *(source for source in node.parameters.values() if isinstance(source, Ref))]


def _free(name: str, taken: set[str]) -> str:
    found = next(one for one in (name, *(f"{name}_{n}" for n in range(2, len(taken) + 3))) if one not in taken)
    taken.add(found)
    return found


def _ordered(nodes: Mapping[str, Node]) -> tuple[Node, ...] | None:
    """As they stand, but each behind what it reads; None: they read each other."""
    found: dict[str, Node] = {}
    waiting: set[str] = set()

    def put(id: str) -> bool:
        if id in found or id not in nodes:
            return True
        if id in waiting:
            return False
        waiting.add(id)
        if not all(put(ref.node) for ref in sources(nodes[id])):
            return False
        found[id] = nodes[id]
        return True

    return tuple(found.values()) if all(map(put, nodes)) else None
