"""From a graph to a library's own: walks the nodes, keeps track of layouts and of who holds which parameter.

The layout of a value is known here alone: which canonical axis each physical axis is, and, after a flatten, in which
order the features lie. A page says what it needs (`LAYOUT`); the fewest moves are put in, and moves of axes of size 1
are reshapes. A parameter that one operator uses lives in that operator's native module under its own name; one that is
shared by different operators, used bare or computed becomes a parameter of its own, and the operator takes its
functional form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.graph.binding import Binding, load, permutation, read
from bakeoff.graph.graph import Graph, Node, Penalty, Ref
from bakeoff.graph.layout import Features, Laid, Value, real, reshape_orders
from bakeoff.graph.scope import NodeScope
from bakeoff.ops._dimension import Dim, Shape, fixed
from bakeoff.schemas import Array

__all__ = ["CHANNELS_FIRST", "Binding", "Features", "Laid", "Lowering", "Value", "load", "permutation", "read"]

CHANNELS_FIRST = (0, 3, 1, 2)


class Lowering(ABC):
    """One walk over a graph; subclasses say how a library registers modules, holds parameters and moves axes."""

    library: ClassVar[str]
    image_axes: ClassVar[tuple[int, ...]]  # of an image in this library
    views: ClassVar[bool] = False  # whether a transpose costs nothing: then sequences go the usual way soon
    lib: Any
    own: Any

    def __init__(self, graph: Graph, dtype: str, batch_norm: str = "exact", *, mixed: bool = False) -> None:
        self.graph, self.dtype, self.batch_norm, self.mixed = graph, dtype, batch_norm, mixed
        self.bindings: dict[str, Binding] = {}
        self.draws: dict[str, tuple[str, Value, bool]] = {}
        self.values: dict[Ref, Value] = {}
        self._terms: Counter[str] = Counter()
        self._moved: dict[Any, tuple[Any, Any]] = {}  # keeps what it was made of, so that no other value has its id

    def walk(self) -> Value:
        """Lower every node; the output in canonical layout."""
        for name, shape in self.graph.inputs.items():
            axes = self.image_axes if len(shape) == 4 else tuple(range(len(shape)))
            given = Value(self.placeholder(name, tuple(shape[axis] for axis in axes)), shape, axes)
            self.values[Ref(name)] = self._penalized(Ref(name), name, given)
        for node in self.graph.nodes:
            self._lower(node)
        return self.canonical(self.values[self.graph.output])

    def _lower(self, node: Node) -> None:
        page = node.page
        inputs = self._arranged(node, [self.values[ref] for ref in node.inputs])
        scope = NodeScope(self, node, inputs)
        out = getattr(page, f"to_{self.library}")(scope, node.attributes, *(value.native for value in inputs))
        for index, native in enumerate(out if isinstance(out, tuple) else (out,)):
            ref = Ref(node.id, index)
            value = self._valued(node, native, self.graph.shapes[ref], inputs)
            self.values[ref] = self._penalized(ref, node.name, value)

    def _penalized(self, ref: Ref, name: str, value: Value) -> Value:
        """The value, passed through what adds the terms of the loss that are on it."""
        for penalty in (one for one in self.graph.penalties if one.on == ref):
            if value.axes and value.axes[0] != 0:  # the term is divided by the size of the first axis
                value = self.canonical(value)
            self._terms[name] += 1
            count = f"_{self._terms[name]}" if self._terms[name] > 1 else ""
            value = replace(value, native=self.penalized(value.native, penalty, f"{name}_activity{count}"))
        return value

    def _valued(self, node: Node, native: Any, shape: Shape, inputs: list[Value]) -> Value:
        if isinstance(native, Laid):
            return Value(native.native, shape, native.axes)
        plain = tuple(range(len(shape)))
        layout = node.page.LAYOUT
        if hasattr(node.page, "feature_axes") and len(inputs[0].shape) > 2:
            return Value(native, shape, plain, _features(node, inputs[0]))
        if layout == "spatial":
            keeps = inputs[0].features if len(shape) == 2 else None
            return Value(native, shape, self.spatial(len(shape)), keeps)
        if layout in ("elementwise", "any", "last") and inputs and len(inputs[0].axes) == len(shape):
            return Value(native, shape, inputs[0].axes, inputs[0].features if layout == "elementwise" else None)
        return Value(native, shape, plain)

    def spatial(self, rank: int) -> tuple[int, ...]:
        """Where the library wants the axes of an image, a row of elements or a volume of that rank."""
        if rank < 3 or self.image_axes != CHANNELS_FIRST:
            return tuple(range(rank))
        return (0, rank - 1, *range(1, rank - 1))

    def _arranged(self, node: Node, inputs: list[Value]) -> list[Value]:
        layout, takes_features = node.page.LAYOUT, hasattr(node.page, "FEATURES") and self.alone(node)
        if layout == "elementwise":
            return self._aligned(self._counted(node, inputs))
        if layout == "any":
            return [self.unfeatured(value) for value in inputs]
        if layout == "free":
            if hasattr(node.page, "feature_axes") and inputs[0].axes[0] == 0:
                return inputs
            return [self.canonical(value) for value in inputs]
        if layout == "spatial":
            inputs = [self.moved(value, self.spatial(len(value.axes))) for value in inputs]
        elif layout == "last":
            inputs = [self._with_last(value) for value in inputs]
        else:
            inputs = [self.moved(value, tuple(range(len(value.axes)))) for value in inputs]
        return inputs if takes_features else [self.unfeatured(value) for value in inputs]

    def _with_last(self, value: Value) -> Value:
        """With the last canonical axis last, the others as they lie."""
        last = len(value.axes) - 1
        if value.axes[-1] == last:
            return value
        return self.moved(value, (*(axis for axis in value.axes if axis != last), last))

    def _counted(self, node: Node, inputs: list[Value]) -> list[Value]:
        """A flattened axis keeps its order of features only where it stays one axis: joined ones are put in order."""
        featured = [value for value in inputs if value.features is not None]
        if all(self.graph.shapes[Ref(node.id)][-1] == value.shape[-1] for value in featured):
            return inputs
        return [self.unfeatured(value) for value in inputs]

    def _aligned(self, inputs: list[Value]) -> list[Value]:
        """All of one rank and one layout: that of the input with the most axes that aren't 1; or else the usual one."""
        if len(inputs) == 1:
            return inputs
        if len({value.features for value in inputs}) > 1:
            inputs = [self.unfeatured(value) for value in inputs]
        rank = max(len(value.axes) for value in inputs)
        inputs = [self._lifted(value, rank) for value in inputs]
        usual = self.image_axes if rank == 4 else tuple(range(rank))

        def weight(value: Value) -> tuple[bool, int, bool]:
            moved = len(real(value.axes, value.shape))
            return self.views and rank != 4 and moved > 0 and value.axes == usual, moved, value.axes == usual

        leader = max(inputs, key=weight)
        return [self.moved(value, leader.axes) for value in inputs]

    def _lifted(self, value: Value, rank: int) -> Value:
        """With axes of size 1 in front, as NumPy broadcasts."""
        missing = rank - len(value.axes)
        if not missing:
            return value
        value = self.unfeatured(value)
        shape = (1,) * missing + tuple(value.shape)
        axes = (*range(missing), *(axis + missing for axis in value.axes))
        native = self.reshape(value.native, value.sizes, tuple(shape[axis] for axis in axes))
        return Value(native, shape, axes)

    def canonical(self, value: Value) -> Value:
        """The value with its axes and features in canonical order."""
        return self.unfeatured(self.moved(value, tuple(range(len(value.axes)))))

    def moved(self, value: Value, axes: tuple[int, ...]) -> Value:
        """The value with its axes in that order: nothing, a reshape, or one transpose."""
        if value.axes == axes:
            return value
        value = self.unfeatured(value)
        shape = tuple(value.shape[axis] for axis in axes)
        same = real(value.axes, value.shape) == real(axes, value.shape)
        if same and sum(isinstance(size, Dim) for size in shape) < 2:  # a reshape can leave one size open
            return Value(self.reshape(value.native, value.sizes, shape), value.shape, axes)
        key = id(value.native), value.axes, axes
        if key not in self._moved:  # a second use takes the same transpose
            order = tuple(value.axes.index(axis) for axis in axes)
            self._moved[key] = value.native, self.permute(value.native, order)
        return Value(self._moved[key][1], value.shape, axes)

    def reshaped(self, value: Value, shape: Shape) -> Value:
        """A graph's reshape: free where the axes that are joined or split lie side by side, else one transpose."""
        value = self.unfeatured(value)
        if shape == value.shape:
            return value
        before, after = reshape_orders(value.axes, value.shape, shape)
        if real(before, value.shape) != real(value.axes, value.shape):
            value = self.moved(value, before)
        sizes = tuple(shape[axis] for axis in after)
        return Value(self.reshape(value.native, value.sizes, sizes), shape, after)

    def unfeatured(self, value: Value) -> Value:
        """The value with its flattened features in canonical order."""
        features = value.features
        if features is None:
            return value
        sizes = dict(zip(features.canonical, features.sizes, strict=True))
        unflattened = (value.shape[0], *(sizes[axis] for axis in features.physical))
        native = self.reshape(value.native, value.sizes, unflattened)
        order = (0, *(1 + features.physical.index(axis) for axis in features.canonical))
        native = self.permute(native, order)
        native = self.reshape(native, tuple(unflattened[axis] for axis in order), value.shape)
        return Value(native, value.shape, value.axes)

    # who holds a parameter

    def key(self, node: Node) -> tuple[Any, ...]:
        """Nodes with the same key are one module used more than once."""
        if not node.parameters:
            return (node.id,)
        return node.op, node.attributes, tuple(sorted((slot, str(path)) for slot, path in node.parameters.items()))

    def owned(self, node: Node) -> bool:
        """Whether the native module may hold the node's parameters."""
        if not all(isinstance(path, str) for path in node.parameters.values()):
            return False
        if self._half_frozen(node):
            return False
        users = {user for path in node.parameters.values() for user in self.graph.users[str(path)]}
        return all(self.key(self.graph.node(user)) == self.key(node) for user in users)

    def _half_frozen(self, node: Node) -> bool:
        """Whether a buffer stands beside weights that are learned: no layer keeps one of its kernels still for good."""
        paths = [str(path) for path in node.parameters.values()]
        if all(self.graph.parameters[path].role == "weight" for path in paths):
            return False
        meant = self.graph.slots(node)
        roles = {self.graph.parameters[str(p)].role for s, p in node.parameters.items() if meant[s].role == "weight"}
        return len(roles) > 1

    def alone(self, node: Node) -> bool:
        """Whether no other node uses its parameters."""
        paths = node.parameters.values()
        return all(isinstance(path, str) and self.graph.users[path] == (node.id,) for path in paths)

    def bind(self, node: Node, owner: str, inputs: list[Value]) -> None:
        """Note where the node's parameters went."""
        layouts = node.page.native(node.attributes, *self.graph.input_shapes(node))[self.library]
        for slot, path in node.parameters.items():
            native = layouts[slot]
            pattern, sizes = self.with_features(node, slot, native.pattern, dict(native.sizes), inputs)
            laid = Binding(str(path), owner, native.attribute, pattern, tuple(sizes.items()), blocks=native.blocks)
            self.bindings.setdefault(str(path), laid)

    def drawing(self, node: Node, owner: str, inputs: list[Value]) -> None:
        """Note who draws for a node, and how its mask lies."""
        if node.draws:
            plain = Value(None, inputs[0].shape, tuple(range(len(inputs[0].axes))))
            gaussian = self.library == "keras" and getattr(node.attributes, "kind", "") == "uniform"
            self.draws[node.id] = owner, inputs[0] if node.page.LAYOUT == "elementwise" else plain, gaussian

    def with_features(
        self, node: Node, slot: str, pattern: str, sizes: dict[str, int], inputs: list[Value]
    ) -> tuple[str, dict[str, int]]:
        """A slot's pattern, with the letter that runs over flattened features spelled out."""
        letter = getattr(node.page, "FEATURES", {}).get(slot)
        features = inputs[0].features if inputs else None
        if letter is None or features is None:
            return pattern, sizes
        left, right = (side.split(" ") for side in pattern.split(" -> "))
        left = [features.group(physical=False) if token == letter else token for token in left]
        right = [features.group(physical=True) if token == letter else token for token in right]
        return " ".join(left) + " -> " + " ".join(right), {**sizes, **features.named_sizes()}

    # what a library says

    @abstractmethod
    def placeholder(self, name: str, shape: Shape) -> Any:
        """An input of the net, of that physical shape."""

    @abstractmethod
    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        """A transpose."""

    @abstractmethod
    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        """A reshape from one physical shape to another; sizes may be symbols."""

    @abstractmethod
    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        """Axes of size 1 repeated, of a physical shape, to another of the same rank; the batch may be among them."""

    def size(self, size: Dim) -> Any:
        """The number that a symbolic size is when the net runs, as a value."""
        raise UnsupportedError(f"{self.library}: a size of {size} that is only known when the net runs: not yet.")

    @abstractmethod
    def module(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value]) -> Any:
        """Register a module that holds the node's parameters, bind them, and apply it; a shared one is used again."""

    @abstractmethod
    def helper(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value], suffix: str) -> Any:
        """Register a module without parameters, and apply it; say who draws, if it does."""

    @abstractmethod
    def hold(self, path: str, pattern: str, sizes: dict[str, int]) -> Any:
        """A parameter of its own as a value."""

    @abstractmethod
    def constant(self, array: Array) -> Any:
        """A constant as a value."""

    def penalized(self, native: Any, penalty: Penalty, name: str) -> Any:
        """The value, with a term of the loss on it; where a library only predicts, the value."""
        return native

    def emit(self, node: Node, op: str, inputs: list[Any], attributes: dict[str, Any]) -> Any:
        """ONNX only: append an operator, give its output."""
        raise BakeoffError(f"{self.library} has no `emit`: it is ONNX's")

    def emit_many(
        self, node: Node, op: str, inputs: list[Any], outputs: int, attributes: dict[str, Any]
    ) -> tuple[Any, ...]:
        """ONNX only: append an operator of several outputs, give them."""
        raise BakeoffError(f"{self.library} has no `emit_many`: it is ONNX's")

    def source(self, symbol: str) -> tuple[Any, int] | None:
        """An input of the net that has this symbol, and at which physical axis."""
        for name in self.graph.inputs:
            value = self.values[Ref(name)]
            for place, size in enumerate(value.sizes):
                if isinstance(size, Dim) and size == Dim(symbol):
                    return value.native, place
        return None

    def node_name(self, node: Node) -> str:
        """The name under which the page registers its native layer."""
        return node.id


def _features(node: Node, x: Value) -> Features | None:
    canonical = node.page.feature_axes(node.attributes, x.shape)
    sizes = {axis: fixed(x.shape[axis], "flatten") for axis in canonical}
    physical = tuple(axis for axis in x.axes if axis != 0)
    real = [[axis for axis in order if sizes[axis] != 1] for order in (canonical, physical)]
    if real[0] == real[1]:
        return None
    return Features(canonical, physical, tuple(sizes[axis] for axis in canonical))
