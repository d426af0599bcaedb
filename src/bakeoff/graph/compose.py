"""Writing a graph by hand, node by node; parameters get their start values as they are declared.

Example:
    net = Composer((Dim("batch"), 28, 28, 1), seed=0)
    x = net.add("conv2d", "conv1", net.input, filters=4, kernel=(3, 3))
    x = net.add("relu", "relu1", x)
    graph = net.finish(x)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph, Node, Parameter, Ref
from bakeoff.graph.initialize import Initializer, glorot_uniform
from bakeoff.ops import page
from bakeoff.ops._dimension import Shape
from bakeoff.schemas import Array


class Composer:
    """Collects nodes and parameters.

    Args:
        input_shape: (batch, height, width, channels); dimensions may be symbols.
        seed: what start weights are drawn from; each by its own path, so that they don't depend on the order.
        initializer: gives the start values of a weight.
    """

    def __init__(self, input_shape: Shape, seed: int = 0, initializer: Initializer = glorot_uniform) -> None:
        self.seed, self.initializer = seed, initializer
        self._graph = Graph({"input": input_shape}, (), {}, {})
        self.input = Ref("input")

    def shape(self, ref: Ref) -> Shape:
        """The shape of a value so far."""
        return self._graph.shapes[ref]

    def add(
        self,
        op: str,
        name: str,
        *inputs: Ref,
        share: str | None = None,
        weights: Mapping[str, Array] | None = None,
        **attributes: Any,
    ) -> Ref:
        """Append a node.

        Args:
            op: the name of its page.
            name: its module path, unique.
            inputs: the values it reads.
            share: the name of an earlier node whose parameters it uses.
            weights: start values by slot, instead of drawn ones.
            attributes: those of the page.
        """
        chosen = page(op)
        a = chosen.Attributes(**{key: tuple(v) if isinstance(v, list) else v for key, v in attributes.items()})
        shapes = [self._graph.shapes[ref] for ref in inputs]
        declare: Callable[..., Any] | None = getattr(chosen, "parameters", None)
        slots = declare(a, *shapes) if declare else {}
        parameters = dict(self._graph.parameters)
        owner = share or name
        for slot, spec in slots.items():
            path = f"{owner}.{slot}"
            if path not in parameters:
                given = (weights or {}).get(slot)
                array = self.initializer(self.seed, path, op, slot, spec) if given is None else np.asarray(given)
                parameters[path] = Parameter(path, array, spec.role, spec.role == "weight")
        node = Node(name, op, a, tuple(inputs), {slot: f"{owner}.{slot}" for slot in slots}, owner)
        self._graph = Graph(self._graph.inputs, (*self._graph.nodes, node), {}, parameters)
        return Ref(name)

    def parameter(self, path: str, array: Array, *, trainable: bool = True) -> Ref:
        """A parameter that is used bare: a token, a position, a layer scale."""
        parameters = {**self._graph.parameters, path: Parameter(path, array, "weight", trainable)}
        node = Node(path, "parameter", page("parameter").Attributes(array.shape), (), {"value": path}, path)
        self._graph = Graph(self._graph.inputs, (*self._graph.nodes, node), {}, parameters)
        return Ref(path)

    def finish(self, logits: Ref) -> Graph:
        """The graph whose output this is."""
        return Graph(self._graph.inputs, self._graph.nodes, {"logits": logits}, self._graph.parameters)
