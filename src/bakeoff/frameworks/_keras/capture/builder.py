"""Collects nodes and parameters: names, shapes, and which Keras variable is which parameter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.frameworks._keras.capture.captured import Origin
from bakeoff.frameworks._keras.capture.importers import AUGMENTATION, IDENTITY
from bakeoff.frameworks._keras.capture.trust import check_taken, factors, refusal
from bakeoff.frameworks._keras.capture.values import Value, array_of
from bakeoff.graph.graph import Graph, Node, Parameter, Penalty, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Shape
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.frameworks._keras.capture.call import LayerCall


class Builder:
    """One graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.inputs: dict[str, Shape] = {}
        self.parameters: dict[str, Parameter] = {}
        self.origins: dict[str, Origin] = {}
        self.variables: dict[str, Any] = {}
        self.penalties: list[Penalty] = []
        self.notes: list[str] = []
        self.draws: dict[str, Any] = {}
        self.predicting: dict[str, Any] = {}  # layers that predict in training, too, by path
        self._paths: dict[int, str] = {}  # of variables, by identity
        self._places: dict[int, str] = {}  # of layers, by identity
        self._owners: dict[int, str] = {}  # of variables: the path of their layer
        self._kept: list[Any] = []
        self._names: set[str] = set()
        self._bare: dict[int, Value] = {}

    # names

    def reserve(self, layer: Any, prefix: str, name: str = "") -> str:
        """The path of a layer, the same at every call of it: its name after its model's."""
        if id(layer) not in self._places:
            self._places[id(layer)] = self.place(prefix, name or layer.name)
            self._kept.append(layer)  # else another object may get its id
        return self._places[id(layer)]

    def own(self, layer: Any, path: str) -> None:
        """Variables that a layer of the user's own holds itself go by its path."""
        for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
            self._owners[id(variable)] = path

    def place(self, prefix: str, name: str) -> str:
        """A free module path below another; dots part modules, so a name's own become underscores."""
        part = re.sub(r"[^\w\-]", "_", name) or "layer"
        return self._free(f"{prefix}.{part}" if prefix else part)

    def sibling(self, path: str, name: str) -> str:
        """A free path beside a layer, for what it does besides: its activation."""
        return self._free(f"{path}_{name}")

    def _free(self, wanted: str) -> str:
        found, count = wanted, 1
        while found in self._names:
            count += 1
            found = f"{wanted}_{count}"
        self._names.add(found)
        return found

    # nodes

    def begin(self) -> None:
        """Another graph of the same parameters."""
        self.nodes, self.penalties, self._bare = [], [], {}

    def input(self, shape: Shape) -> Value:
        """The image."""
        self.inputs["input"] = shape
        self._names.add("input")
        return Value(Ref("input"), shape)

    def emit(
        self,
        call: LayerCall,
        op: str,
        attributes: Any,
        inputs: tuple[Value, ...],
        parameters: Mapping[str, Any],
        suffix: str,
    ) -> Any:
        """Append a node; a Value, or a tuple of them where the page has several outputs."""
        chosen = page(op)
        path = call.path + suffix
        a = chosen.Attributes(**attributes) if isinstance(attributes, dict) else attributes
        shapes = [value.shape for value in inputs]
        try:
            shape = chosen.shape(a, *shapes)
            declare = getattr(chosen, "parameters", None)
            slots = declare(a, *shapes) if declare else {}
        except UnsupportedError as error:
            raise UnsupportedError(f"{call.kind} {call.path!r}: {error}") from None
        if set(slots) != {slot for slot, given in parameters.items() if given is not None}:
            raise BakeoffError(f"capture: {call.path}: {op} wants {sorted(slots)}, and got {sorted(parameters)}")
        held = {slot: self._held(call, f"{path}.{slot}", parameters[slot], spec) for slot, spec in slots.items()}
        id = self._free_id(path)
        self.nodes.append(Node(id, op, a, tuple(value.ref for value in inputs), held, path))
        if self.nodes[-1].draws:
            self.draws[id] = call.layer
        if shape and isinstance(shape[0], tuple):
            return tuple(Value(Ref(id, index), one) for index, one in enumerate(shape))
        return Value(Ref(id), shape)

    def _free_id(self, path: str) -> str:
        taken = {node.id for node in self.nodes} | set(self.inputs)
        if path not in taken:
            return path
        return next(name for n in range(2, len(taken) + 3) if (name := f"{path}.call_{n}") not in taken)

    # parameters

    def _held(self, call: LayerCall, path: str, given: Any, spec: Any) -> str | Ref:
        if isinstance(given, Value):
            return given.ref
        variable, order, *blocks = given if isinstance(given, tuple) else (given, ())
        if isinstance(variable, keras.Variable):
            return self.parameter(path, variable, order, spec.shape, spec.role, call.path, call.kind, *blocks)
        return self._constant(path, np.asarray(variable).reshape(spec.shape))

    def parameter(
        self,
        path: str,
        variable: Any,
        order: tuple[int, ...],
        shape: tuple[int, ...],
        role: Any,
        owner: str,
        kind: str,
        blocks: tuple[int, ...] = (),
    ) -> str:
        """The path of a variable as a parameter; a variable that is read twice is one parameter."""
        origin = Origin(variable.path, tuple(variable.shape), str(variable.dtype), tuple(order), blocks)
        known = self._paths.get(id(variable))
        if known is not None:
            if self.origins[known] != origin or self.parameters[known].array.shape != tuple(shape):
                why = f"its weight {variable.path} is read in another layout elsewhere"
                raise refusal(owner, kind, why, "Give each of the layers a weight of its own.")
            return known
        array = origin.to_canonical(array_of(variable), tuple(shape))
        learned = role == "weight"
        self.parameters[path] = Parameter(path, array, role, learned and bool(variable.trainable))
        self.origins[path], self.variables[path] = origin, variable
        self._paths[id(variable)] = path
        self.penalize(path, variable.regularizer, owner, kind)
        return path

    def penalize(self, on: str | Ref, regularizer: Any, owner: str, kind: str) -> None:
        """Note the term that a regularizer adds to the loss; refuse one that has no form here."""
        l1, l2 = factors(regularizer, owner, kind)
        if l1 or l2:
            self.penalties.append(Penalty(on, l1, l2))

    def activity(self, layer: Any, path: str, outputs: Iterable[Value]) -> None:
        """Note what a layer's regularizer of what it gives adds to the loss, at each call."""
        for value in outputs if layer.activity_regularizer is not None else ():
            self.penalize(value.ref, layer.activity_regularizer, path, type(layer).__name__)

    def bare(self, variable: Any, owner: str, kind: str) -> Value:
        """A variable that is used bare: a scale, a token, a position."""
        if id(variable) not in self._bare:
            shape = tuple(variable.shape)
            place = self._owners.get(id(variable), owner)
            path = self.parameter(f"{place}.{variable.name}".lstrip("."), variable, (), shape, "weight", owner, kind)
            node = Node(path, "parameter", page("parameter").Attributes(shape), (), {"value": path}, path)
            self.nodes.append(node)
            self._bare[id(variable)] = Value(Ref(path), shape)
        return self._bare[id(variable)]

    def constant(self, array: Array, owner: str) -> Value:
        """A constant as a value."""
        path = self._constant(self._free(f"{owner}.constant"), array)
        attributes = page("constant").Attributes(array.shape)
        self.nodes.append(Node(path, "constant", attributes, (), {"value": path}, path))
        return Value(Ref(path), array.shape)

    def _constant(self, path: str, array: Array) -> str:
        floating = np.issubdtype(array.dtype, np.floating)
        stored = np.array(array, np.promote_types(array.dtype, self.dtype) if floating else array.dtype)
        self.parameters[path] = Parameter(path, stored, "constant", trainable=False)
        return path

    @property
    def dtype(self) -> str:
        """The precision that the model computes in."""
        return str(keras.config.floatx())

    # what leaves no node

    def without_trace(self, call: LayerCall, key: str) -> Value | None:
        """The input again, for layers that are the identity, or are it in prediction."""
        if key in IDENTITY:
            return call.inputs[0]
        if key not in AUGMENTATION:
            return None
        self.predicting[call.path] = call.layer
        return call.inputs[0]

    def note(self, text: str) -> None:
        """A sentence for the reader, once."""
        if text not in self.notes:
            self.notes.append(text)

    def check_taken(self, layer: Any, path: str) -> None:
        """Refuse a layer some of whose weights nothing reads."""
        check_taken(layer, path, set(self._paths))

    def carry(self, layer: Any, path: str) -> None:
        """What a layer reads in training alone travels along, unused."""
        for variable in layer.variables:
            if id(variable) not in self._paths and "seed_generator" not in variable.path:
                role = "weight" if variable.trainable else "state"
                place = self._free(f"{path}.{variable.path.rpartition('/')[2]}".lstrip("."))
                self.parameter(place, variable, (), tuple(variable.shape), role, path, type(layer).__name__)

    def finish(self, output: Value, name: str) -> Graph:
        """The graph so far."""
        read = {source for node in self.nodes for source in node.parameters.values()}
        held = {path: p for path, p in self.parameters.items() if path in read or p.role != "constant"}
        return Graph(self.inputs, tuple(self.nodes), {name: output.ref}, held, tuple(self.penalties))
