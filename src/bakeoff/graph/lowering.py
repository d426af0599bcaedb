"""From a graph to a library's own: walks the nodes, keeps track of layouts and of who holds which parameter.

The layout of a value is known here alone: which canonical axis each physical axis is, and, after a flatten, in which
order the features lie. A page says what it needs (`LAYOUT`); the fewest moves are put in, and moves of axes of size 1
are reshapes. A parameter that one operator uses lives in that operator's native module under its own name; one that is
shared by different operators, used bare or computed becomes a parameter of its own, and the operator takes its
functional form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from einops import rearrange

from bakeoff.errors import BakeoffError, UnsupportedError
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.ops._dimension import Dim, Shape, fixed
from bakeoff.schemas import Array

CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class Features:
    """How a flattened axis is counted: canonical axes in canonical and in physical order, and their sizes."""

    canonical: tuple[int, ...]
    physical: tuple[int, ...]
    sizes: tuple[int, ...]  # by position in `canonical`

    def group(self, physical: bool) -> str:
        """An einops group of the axes, as "(f1 f2 f3)"."""
        return "(" + " ".join(f"f{axis}" for axis in (self.physical if physical else self.canonical)) + ")"

    def named_sizes(self) -> dict[str, int]:
        """The sizes under the names of `group`."""
        return {f"f{axis}": size for axis, size in zip(self.canonical, self.sizes, strict=True)}


@dataclass(frozen=True)
class Value:
    """A library's symbolic value; `axes[i]` is the canonical axis that physical axis i is."""

    native: Any
    shape: Shape
    axes: tuple[int, ...]
    features: Features | None = None


@dataclass(frozen=True)
class Binding:
    """Where a parameter lives in the native net, and how it is laid out there."""

    path: str
    owner: str
    attribute: str
    pattern: str = ""
    sizes: tuple[tuple[str, int], ...] = ()

    def to_native(self, array: Array) -> Array:
        """Canonical -> native; a copy."""
        return array.copy() if not self.pattern else np.array(rearrange(array, self.pattern, **dict(self.sizes)))

    def to_canonical(self, array: Array) -> Array:
        """Native -> canonical, by the same pattern read backwards; a copy."""
        if not self.pattern:
            return array.copy()
        left, right = self.pattern.split(" -> ")
        return np.array(rearrange(array, f"{right} -> {left}", **dict(self.sizes)))


class Lowering(ABC):
    """One walk over a graph; subclasses say how a library registers modules, holds parameters and moves axes."""

    library: ClassVar[str]
    image_axes: ClassVar[tuple[int, ...]]  # of a picture in this library
    lib: Any
    own: Any

    def __init__(self, graph: Graph, dtype: str, batch_norm: str = "exact") -> None:
        self.graph, self.dtype, self.batch_norm = graph, dtype, batch_norm
        self.bindings: dict[str, Binding] = {}
        self.values: dict[Ref, Value] = {}

    def walk(self) -> Value:
        """Lower every node; the output in canonical layout."""
        for name, shape in self.graph.inputs.items():
            axes = self.image_axes if len(shape) == 4 else tuple(range(len(shape)))
            self.values[Ref(name)] = Value(self.placeholder(name, tuple(shape[axis] for axis in axes)), shape, axes)
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
            self.values[ref] = self._valued(node, native, self.graph.shapes[ref], inputs)

    def _valued(self, node: Node, native: Any, shape: Shape, inputs: list[Value]) -> Value:
        plain = tuple(range(len(shape)))
        layout = node.page.LAYOUT
        if hasattr(node.page, "feature_axes") and len(inputs[0].shape) > 2:
            return Value(native, shape, plain, _features(node, inputs[0]))
        if layout == "spatial":
            keeps = inputs[0].features if len(shape) == 2 else None
            return Value(native, shape, self.image_axes if len(shape) == 4 else plain, keeps)
        if layout == "elementwise" and len(inputs[0].axes) == len(shape):
            return Value(native, shape, inputs[0].axes, inputs[0].features)
        return Value(native, shape, plain)

    def _arranged(self, node: Node, inputs: list[Value]) -> list[Value]:
        layout, takes_features = node.page.LAYOUT, hasattr(node.page, "FEATURES") and self.alone(node)
        if layout == "elementwise":
            return self._aligned(self._counted(node, inputs))
        if layout == "free":
            return inputs if hasattr(node.page, "feature_axes") else [self.canonical(value) for value in inputs]
        if layout == "spatial":
            inputs = [self.moved(v, self.image_axes) if len(v.axes) == 4 else v for v in inputs]
        else:
            inputs = [self.moved(value, tuple(range(len(value.axes)))) for value in inputs]
        return inputs if takes_features else [self._unfeatured(value) for value in inputs]

    def _counted(self, node: Node, inputs: list[Value]) -> list[Value]:
        """A flattened axis keeps its order of features only where it stays one axis: joined ones are put in order."""
        featured = [value for value in inputs if value.features is not None]
        if all(self.graph.shapes[Ref(node.id)][-1] == value.shape[-1] for value in featured):
            return inputs
        return [self._unfeatured(value) for value in inputs]

    def _aligned(self, inputs: list[Value]) -> list[Value]:
        """All of one rank and one layout: that of the input with the most axes that aren't 1."""
        if len(inputs) == 1:
            return inputs
        if len({value.features for value in inputs}) > 1:
            inputs = [self._unfeatured(value) for value in inputs]
        leader = max(inputs, key=lambda value: (len(value.axes), sum(size != 1 for size in value.shape)))
        return [self.moved(self._lifted(value, len(leader.axes)), leader.axes) for value in inputs]

    def _lifted(self, value: Value, rank: int) -> Value:
        """With axes of size 1 in front, as NumPy broadcasts."""
        missing = rank - len(value.axes)
        if not missing:
            return value
        value = self.canonical(value)
        shape = (1,) * missing + tuple(value.shape)
        return Value(self.reshape(value.native, shape), shape, tuple(range(rank)))

    def canonical(self, value: Value) -> Value:
        """The value with its axes and features in canonical order."""
        return self._unfeatured(self.moved(value, tuple(range(len(value.axes)))))

    def moved(self, value: Value, axes: tuple[int, ...]) -> Value:
        """The value with its axes in that order: nothing, a reshape, or one transpose."""
        if value.axes == axes:
            return value
        shape = tuple(value.shape[axis] for axis in axes)
        same = [a for a in value.axes if value.shape[a] != 1] == [a for a in axes if value.shape[a] != 1]
        if same and sum(isinstance(size, Dim) for size in shape) < 2:  # a reshape can leave one size open
            return Value(self.reshape(value.native, shape), value.shape, axes)
        order = tuple(value.axes.index(axis) for axis in axes)
        return Value(self.permute(value.native, order), value.shape, axes)

    def _unfeatured(self, value: Value) -> Value:
        features = value.features
        if features is None:
            return value
        sizes = dict(zip(features.canonical, features.sizes, strict=True))
        native = self.reshape(value.native, (value.shape[0], *(sizes[axis] for axis in features.physical)))
        order = (0, *(1 + features.physical.index(axis) for axis in features.canonical))
        native = self.reshape(self.permute(native, order), value.shape)
        return Value(native, value.shape, value.axes)

    # who holds a parameter

    def key(self, node: Node) -> tuple[Any, ...]:
        """Nodes with the same key are one module used more than once."""
        return node.op, node.attributes, tuple(sorted((slot, str(path)) for slot, path in node.parameters.items()))

    def owned(self, node: Node) -> bool:
        """Whether the native module may hold the node's parameters."""
        if not all(isinstance(path, str) for path in node.parameters.values()):
            return False
        users = {user for path in node.parameters.values() for user in self.graph.users[str(path)]}
        return all(self.key(self.graph.node(user)) == self.key(node) for user in users)

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
            self.bindings.setdefault(
                str(path), Binding(str(path), owner, native.attribute, pattern, tuple(sizes.items()))
            )

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
    def reshape(self, native: Any, shape: Shape) -> Any:
        """A reshape; the batch axis may be a symbol."""

    @abstractmethod
    def module(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value]) -> Any:
        """Register a module that holds the node's parameters, bind them, and apply it; a shared one is used again."""

    @abstractmethod
    def helper(self, node: Node, native: Any, natives: tuple[Any, ...], suffix: str) -> Any:
        """Register a module without parameters, and apply it."""

    @abstractmethod
    def hold(self, path: str, pattern: str, sizes: dict[str, int]) -> Any:
        """A parameter of its own as a value."""

    @abstractmethod
    def constant(self, array: Array) -> Any:
        """A constant as a value."""

    def emit(self, node: Node, op: str, inputs: list[Any], attributes: dict[str, Any]) -> Any:
        """ONNX only: append an operator, give its output."""
        raise BakeoffError(f"{self.library} has no `emit`: it is ONNX's")

    def node_name(self, node: Node) -> str:
        """The name under which the page registers its native layer."""
        return node.id


class NodeScope:
    """What a page sees of a lowering; see `bakeoff.ops._page.Scope`."""

    def __init__(self, lowering: Lowering, node: Node, inputs: list[Value]) -> None:
        self._lowering, self._node, self._inputs = lowering, node, inputs
        self.lib, self.own, self.dtype = lowering.lib, lowering.own, lowering.dtype
        self.batch_norm, self.name = lowering.batch_norm, lowering.node_name(node)
        self.shapes = tuple(value.shape for value in inputs)

    def module(self, make: Any, *inputs: Any) -> Any:
        if not self.owned():
            raise UnsupportedError(
                f"{self._node.op} {self._node.name}: its parameters are computed, or shared with another operator.\n"
                f"That has no {self._lowering.library} form yet. Give the operator parameters of its own."
            )
        return self._lowering.module(self._node, make, inputs, self._inputs)

    def helper(self, make: Any, *inputs: Any, suffix: str) -> Any:
        return self._lowering.helper(self._node, make, inputs, suffix)

    def owned(self) -> bool:
        return self._lowering.owned(self._node)

    def parameter(self, slot: str, pattern: str | None = None, **sizes: int) -> Any:
        source = self._node.parameters[slot]
        if isinstance(source, Ref):
            value = self._lowering.canonical(self._lowering.values[source]).native
            order = permutation(pattern) if pattern else ()
            return value if order == tuple(range(len(order))) else self._lowering.permute(value, order)
        if pattern is None:
            return self._lowering.hold(source, "", {})
        return self._lowering.hold(
            source, *self._lowering.with_features(self._node, slot, pattern, sizes, self._inputs)
        )

    def constant(self, array: Array) -> Any:
        return self._lowering.constant(array)

    def axis(self, canonical: int) -> int:
        axes = self._inputs[0].axes
        return axes.index(canonical % len(axes))

    def emit(self, op: str, inputs: list[Any], **attributes: Any) -> Any:
        return self._lowering.emit(self._node, op, inputs, attributes)


def permutation(pattern: str) -> tuple[int, ...]:
    """The transpose that a pattern without groups means: "h w i o -> o i h w" is (3, 2, 0, 1)."""
    left, right = (side.split() for side in pattern.split(" -> "))
    return tuple(left.index(letter) for letter in right)


def _features(node: Node, x: Value) -> Features | None:
    canonical = node.page.feature_axes(node.attributes, x.shape)
    sizes = {axis: fixed(x.shape[axis], "flatten") for axis in canonical}
    physical = tuple(axis for axis in x.axes if axis != 0)
    real = [[axis for axis in order if sizes[axis] != 1] for order in (canonical, physical)]
    if real[0] == real[1]:
        return None
    return Features(canonical, physical, tuple(sizes[axis] for axis in canonical))


def load(bindings: Mapping[str, Binding], arrays: Mapping[str, Array], put: Any) -> None:
    """Copy parameters into a native net: `put(binding, native array)`; nothing is aliased."""
    for path, binding in bindings.items():
        if path in arrays:
            put(binding, binding.to_native(arrays[path]))


def read(bindings: Mapping[str, Binding], get: Any) -> dict[str, Array]:
    """Copy parameters out of a native net: `get(binding)` gives the native array."""
    return {path: binding.to_canonical(get(binding)) for path, binding in bindings.items()}
