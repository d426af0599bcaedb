"""A graph as a record of Keras calls: layers as the expressions that construct them, operations as functions."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.exports.source._literals import plain
from bakeoff.exports.source._tree import REQUIRED, Expression, Leaves, Op, Value, compressed
from bakeoff.frameworks._keras.build import Built, KerasLowering
from bakeoff.frameworks._keras.penalties import regularize
from bakeoff.graph.binding import Binding
from bakeoff.graph.graph import Graph, Node
from bakeoff.schemas import Array

INFIX = {"Add": "+", "Subtract": "-", "Multiply": "*", "TrueDivide": "/", "Divide": "/", "Power": "**", "Matmul": "@"}
UNSAID = ("name", "dtype", "data_format", "autocast", "activity_regularizer")
UNNAMED = "unnamed_"  # the names of layers that nobody named begin so
PAIRS = ("kernel_size", "strides", "dilation_rate", "pool_size")
UNSAID_ENDS = ("_initializer", "_regularizer", "_constraint")


class TapeLowering(KerasLowering):
    """Knows for each call in which module of the source it happens."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph, graph.dtype, "stock")
        self.paths: dict[int, tuple[str, ...]] = {}
        self.order: dict[int, int] = {}  # the node of the graph that made the call
        self._count = 0
        self.dotted = any("." in node.name for node in graph.nodes)

    def _lower(self, node: Node) -> None:
        super()._lower(node)
        self._count += 1
        parts = re.split(r"\." if self.dotted else r"[._]", node.name)
        path = tuple(part for part in parts if part)[:-1]
        waiting = [value.native for ref, value in self.values.items() if ref.node == node.id]
        while waiting:
            operation, index, _ = waiting.pop()._keras_history
            call = operation._inbound_nodes[index]
            if id(call) not in self.paths and call.input_tensors:
                self.paths[id(call)] = path
                self.order[id(call)] = self._count
                waiting += call.input_tensors

    def _holder(self, path: str, array: Array, name: str, *, trainable: bool) -> tuple[Binding, Any]:
        kind = {"f": "", "b": "bool"}.get(array.dtype.kind, "int32")
        layer = self.own.Parameter(array.shape, trainable=trainable, kind=kind, name=name)
        return Binding(path, layer.name, "value", dtype=array.dtype.name if kind else ""), layer(self.inputs[0])


class KerasTape:
    """The calls of a graph's Keras form; `model` and `bindings` are that form."""

    def __init__(self, graph: Graph) -> None:
        lowering = TapeLowering(graph)
        self.keras, self.lowering = lowering.lib, lowering
        before = self.keras.config.dtype_policy()
        self.keras.config.set_dtype_policy(graph.dtype)
        try:
            out = lowering.walk().native
            self.model = self.keras.Model(lowering.inputs[0], out)
        finally:
            self.keras.config.set_dtype_policy(before)
        self.built = Built(self.model, lowering.bindings, {})
        self.built.load(graph.arrays())
        for binding, array in lowering.constants.values():
            self.built.put(binding, binding.to_native(array))
        regularize(graph, self.built, graph.dtype)
        self.separator = "." if lowering.dotted else "_"
        self.ops: list[Op] = []
        self.leaves: Leaves = {}
        self.own: dict[str, type] = {}
        self._ids: dict[int, Value] = {}
        self._scope_of: dict[Value, tuple[str, ...]] = {}
        self._leaf_of: dict[str, tuple[tuple[str, ...], str]] = {}
        self.inputs = (self._value(lowering.inputs[0]),)
        self.outputs = (self._value(self.model.outputs[0]),)
        self._walk()
        self.frozen = [
            (binding.owner, binding.attribute)
            for path, binding in lowering.bindings.items()
            if graph.parameters[path].role == "weight" and not graph.parameters[path].trainable
        ]

    def _value(self, tensor: Any) -> Value:
        return self._ids.setdefault(id(tensor), Value(len(self._ids)))

    def _walk(self) -> None:
        """In the order of the lowering, which is that of the graph."""
        calls = {id(call): call for calls in self.model._nodes_by_depth.values() for call in calls}
        depth = {id(call): d for d, some in self.model._nodes_by_depth.items() for call in some}
        order = self.lowering.order
        for key, call in sorted(calls.items(), key=lambda one: (order.get(one[0], 0), -depth[one[0]])):
            if call.input_tensors:
                self._record(call, self.lowering.paths.get(key, ()))
        self.ops = compressed(self.ops, self.leaves) if not self.lowering.dotted else self.ops

    def _record(self, call: Any, scope: tuple[str, ...]) -> None:
        operation = call.operation
        given = [self._argument(arg) for arg in call.arguments.args]
        settings = {k: v for k, v in call.arguments.kwargs.items() if k not in ("training", "mask") and v is not None}
        outs = tuple(self._value(tensor) for tensor in call.output_tensors)
        if isinstance(operation, self.keras.Layer):
            if operation.name not in self._leaf_of:
                self._leaf_of[operation.name] = self._place(operation, scope, call)
            scope, name = self._leaf_of[operation.name]
            if (scope, name) not in self.leaves:
                self.leaves[scope, name] = self._layer(operation), operation.name
            expression = Expression("use", name, tuple(given))
        else:
            scope = scope if self.lowering.dotted else self._near(call)
            expression = self._function(operation, given, {k: self._argument(v) for k, v in settings.items()})
        self.ops.append(Op(outs, expression, scope))
        self._scope_of.update(dict.fromkeys(outs, scope))

    def _place(self, layer: Any, scope: tuple[str, ...], call: Any) -> tuple[tuple[str, ...], str]:
        """The scope of a layer and its name there; one that nobody named counts where its input is made."""
        name = layer.name
        if not layer.weights and re.fullmatch(rf"{_snake(type(layer).__name__)}(_\d+)?", name):
            scope = scope if self.lowering.dotted else self._near(call)
            kind = f"{UNNAMED}{_snake(type(layer).__name__)}"
            count = sum(at == scope and leaf.startswith(kind) for at, leaf in self._leaf_of.values())
            return scope, f"{kind}{count}"
        head = self.separator.join(scope) + self.separator
        leaf = name[len(head) :] if name.startswith(head) else name
        leaf = re.sub(r"\W", "_", leaf)
        while (scope, leaf) in self.leaves:  # another layer's, whose name differs in a mark alone
            leaf += "_"
        return scope, leaf

    def _near(self, call: Any) -> tuple[str, ...]:
        made = [self._value(x) for x in call.input_tensors if self._value(x) in self._scope_of]
        return self._scope_of[max(made, key=lambda value: value.id)] if made else ()

    def _argument(self, given: Any) -> Any:
        if isinstance(given, self.keras.KerasTensor):
            return self._value(given)
        if isinstance(given, list | tuple):
            return Expression("list" if isinstance(given, list) else "tuple", "", tuple(map(self._argument, given)))
        if isinstance(given, slice):
            return Expression("slice", "", tuple(self._argument(x) for x in (given.start, given.stop, given.step)))
        if hasattr(given, "shape") and hasattr(given, "dtype"):
            array = np.asarray(given)
            if array.ndim == 0:
                return array.item()
            listed = _listed(array.tolist())
            return Expression("call", "ops.convert_to_tensor", (listed, array.dtype.name), ("", "dtype"))
        return given

    def _function(self, operation: Any, given: list[Any], settings: dict[str, Any]) -> Expression:
        kind = type(operation).__name__
        if kind == "GetItem":
            return Expression("item", "", tuple(given))
        if kind in INFIX and len(given) == 2 and any(isinstance(one, Value) for one in given):
            return Expression("binary", INFIX[kind], tuple(given))
        name = _snake(kind)
        function = getattr(self.keras.ops, name, None)
        keywords = {k: v for k, v in vars(operation).items() if not k.startswith("_") and k not in ("name", "built")}
        known = inspect.signature(function).parameters if function else {}
        if function is None or any(key not in known for key in keywords):
            raise UnsupportedError(f"--source: no plain name for the Keras operation {kind}. Convert without --source.")
        if any(one.kind is one.VAR_POSITIONAL for one in known.values()):  # einsum(subscripts, *operands)
            given = [keywords.pop(key) for key in list(keywords)[:1]] + given
        defaults = {key: known[key].default for key in keywords}
        keywords = {k: self._argument(v) for k, v in keywords.items() if not _equal(v, defaults[k])} | settings
        return Expression("call", f"ops.{name}", (*given, *keywords.values()), ("",) * len(given) + tuple(keywords))

    def _regularizer(self, layer: Any, name: str) -> Expression | None:
        """The term of the loss that a layer's setting of that name is."""
        term = getattr(layer, name, None) if name.endswith("_regularizer") and name not in UNSAID else None
        if term is None:
            return None
        factors = {key: factor for key, factor in term.get_config().items() if factor}
        return Expression("call", f"keras.regularizers.{type(term).__name__}", tuple(factors.values()), tuple(factors))

    def _layer(self, layer: Any) -> Expression:
        kind = type(layer)
        head = kind.__name__
        if not kind.__module__.startswith("keras."):
            self.own[head] = kind
        else:
            head = f"layers.{head}"
        config = layer.get_config()
        args, names, defaults = [], [], []
        for name, parameter in inspect.signature(kind).parameters.items():
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            term = self._regularizer(layer, name)
            if term is None and (name in UNSAID or name.endswith(UNSAID_ENDS)):
                continue
            value = term or config.get(name, getattr(layer, name, parameter.default))
            value = None if value == "linear" and name == "activation" else value
            if isinstance(value, dict):
                raise UnsupportedError(f"--source: {layer.name}: {name} of {head} has no plain form yet.")
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            args.append(_tidy(value, head, name))
            names.append(name)
            defaults.append(_tidy(default, head, name))
        return Expression("make", head, tuple(args), tuple(names), tuple(defaults))


def _snake(name: str) -> str:
    """As Keras itself makes names of classes: ReLU is re_lu."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()


def _tidy(value: Any, head: str, name: str) -> Any:
    """(3, 3) as 3 where Keras takes the one for the other; lists as tuples."""
    if isinstance(value, list):
        value = tuple(value)
    if head.startswith("layers.") and name in PAIRS:
        return plain(value)
    if not isinstance(value, tuple):
        return value
    if head.startswith("layers.") and name == "axis" and len(value) == 1:
        return value[0]
    sides = {side for pair in value if isinstance(pair, tuple) for side in pair}
    if head == "layers.ZeroPadding2D" and len(sides | {side for side in value if isinstance(side, int)}) == 1:
        return next(iter(sides), value[0])
    return Expression("tuple", "", tuple(_tidy(one, "", "") for one in value))


def _equal(value: Any, default: Any) -> bool:
    try:
        return bool(value == default)
    except (ValueError, TypeError):
        return False


def _listed(value: Any) -> Any:
    return Expression("list", "", tuple(map(_listed, value))) if isinstance(value, list) else value
