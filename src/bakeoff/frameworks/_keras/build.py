"""Graph -> functional keras.Model of keras.layers, channels last; the same for TensorFlow and JAX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import count
from operator import attrgetter
from typing import Any

import keras
import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras import layers
from bakeoff.frameworks._keras.penalties import acting, regularize
from bakeoff.graph.binding import Binding, load, permutation, read
from bakeoff.graph.draws import Key, Place, placed
from bakeoff.graph.graph import Graph, Node, Penalty
from bakeoff.graph.layout import Value, show
from bakeoff.graph.lowering import Lowering
from bakeoff.graph.names import keras_name
from bakeoff.ops._dimension import Dim, Shape
from bakeoff.schemas import Array

MOVES = (keras.layers.Permute, keras.layers.Reshape)  # layers that the lowering makes without a name
INLINE = 32  # numbers of a constant that a file may list as text; larger ones are weights that are not trained


@dataclass(frozen=True)
class Built:
    """A native model, and where its parameters live in it."""

    model: Any
    bindings: dict[str, Binding]
    draws: dict[Key, Place]

    def variable(self, binding: Binding) -> Any:
        """The keras.Variable behind a binding."""
        return attrgetter(binding.attribute)(self.model.get_layer(binding.owner))

    def load(self, arrays: dict[str, Array]) -> None:
        """Copy canonical arrays in."""
        load(self.bindings, arrays, self.put)

    def put(self, binding: Binding, array: Array) -> None:
        """Copy a native array in."""
        variable = self.variable(binding)
        variable.assign(array if array.dtype.kind == "f" else array.astype(variable.dtype))
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # it keeps copies of its statistics

    def arrays(self) -> dict[str, Array]:
        """Canonical copies of all parameters."""

        def get(binding: Binding) -> Array:
            value = self.variable(binding).value
            value = value.detach().cpu() if hasattr(value, "detach") else value  # a torch.Tensor
            return np.array(value.numpy() if hasattr(value, "numpy") else value)  # a tf.Variable, or a JAX array

        return read(self.bindings, get)


def build(graph: Graph, dtype: str = "float32", batch_norm: str = "exact", *, compute: str = "") -> Built:
    """The native model with the graph's numbers in it; it takes (N, H, W, C) and gives (N, classes), or
    a list of what the graph gives.

    Args:
        batch_norm: "exact" keeps the running variance that the graph asks for, through a registered layer where Keras
            differs; "stock" uses keras.layers.BatchNormalization alone, whose running variance is the biased one.
        compute: bfloat16 or float16 where the layers compute in it, under Keras's mixed policy.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(f"mixed_{compute}" if compute else dtype)
    try:
        lowering = KerasLowering(graph, dtype, batch_norm, mixed=bool(compute))
        out = lowering.walk().native
        more = [lowering.canonical(lowering.values[ref]).native for ref in list(graph.outputs.values())[1:]]
        held = [*lowering.bindings.values(), *(binding for binding, _ in lowering.constants.values())]
        _rename(lowering.named([out, *more]), {binding.owner for binding in held})
        built = Built(
            keras.Model(
                lowering.inputs if len(lowering.inputs) > 1 else lowering.inputs[0],
                [out, *more] if more else out,
                name="net",
            ),
            lowering.bindings,
            placed(lowering.draws),
        )
    finally:
        keras.config.set_dtype_policy(before)
    built.load(graph.arrays())
    for binding, array in lowering.constants.values():
        built.put(binding, binding.to_native(array))
    _freeze(graph, built)
    regularize(graph, built, dtype)
    return built


def _rename(values: Iterable[tuple[str, Any]], owners: set[str]) -> None:
    """Names that depend on the graph alone, each once in a model.

    Keras numbers what it names itself by all that was made before in the process. Such an operation takes the name of
    the graph's node that it stands for, the others of that node one with their kind behind it.

    Args:
        values: nodes by name, and what they gave.
        owners: names of layers that hold weights; they stay.
    """
    operations = _operations(values)
    numbered = {id(one) for one, _ in operations if not isinstance(one, keras.Layer) or isinstance(one, MOVES)}
    taken = {one.name for one, _ in operations if id(one) not in numbered}
    held: set[str] = set()
    for one, node in sorted(operations, key=lambda pair: (pair[0].name not in owners, id(pair[0]) in numbered)):
        given = node if id(one) in numbered else one.name
        kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(one).__name__).lower()
        others = (f"{given}_{kind}{f'_{number}' if number else ''}" for number in count())
        free = (name for name in others if name not in held | taken)
        one.name = next(free) if given in (held | taken if id(one) in numbered else held) else given
        held.add(one.name)


def _operations(values: Iterable[tuple[str, Any]]) -> list[tuple[Any, str]]:
    """Layers and operations, each once, and the first node that needs them."""
    found: dict[int, tuple[Any, str]] = {}
    seen: set[tuple[int, int]] = set()
    for node, value in values:
        left = [value]
        while left:
            operation, index, _ = getattr(left.pop(), "_keras_history", (None, 0, 0))  # none: a constant
            if operation is not None and (id(operation), index) not in seen:
                seen.add((id(operation), index))
                found.setdefault(id(operation), (operation, node))
                left += operation._inbound_nodes[index].input_tensors
    return list(found.values())


def _freeze(graph: Graph, built: Built) -> None:
    """Layers whose weights are all frozen become untrainable; in others the variables do, one by one.

    A buffer that is a layer's kernel is frozen, too; what a layer never trains (running statistics) stays as it is.
    """
    by_layer: dict[str, list[str]] = {}
    for path, binding in built.bindings.items():
        if built.variable(binding).trainable:
            by_layer.setdefault(binding.owner, []).append(path)
    for owner, paths in by_layer.items():
        frozen = [p for p in paths if not graph.parameters[p].trainable or graph.parameters[p].role != "weight"]
        layer = built.model.get_layer(owner)
        exact = isinstance(layer, layers.BatchNorm) or not isinstance(layer, keras.layers.BatchNormalization)
        if len(frozen) == len(paths) and exact:
            layer.trainable = False
        else:
            for path in frozen:
                built.variable(built.bindings[path]).trainable = False


class KerasLowering(Lowering):
    """Applies layers to symbolic tensors; names are the source's module paths."""

    library, image_axes = "keras", (0, 1, 2, 3)

    def __init__(self, graph: Graph, dtype: str = "float32", batch_norm: str = "exact", *, mixed: bool = False) -> None:
        super().__init__(graph, dtype, batch_norm, mixed=mixed)
        self.lib, self.own = keras, layers
        self.inputs: list[Any] = []
        self._shared: dict[Any, Any] = {}
        self._held: dict[str, Any] = {}
        self.constants: dict[str, tuple[Binding, Array]] = {}
        self._below: Any = None
        self._names: dict[str, str] = {}

    def named(self, outs: list[Any]) -> list[tuple[str, Any]]:
        """What each node gave, by its name in the model; and the model's own outputs."""
        given = [(self._names.get(ref.node, ref.node), value.native) for ref, value in self.values.items()]
        return [*given, *zip(("logits", *list(self.graph.outputs)[1:]), outs, strict=True)]

    def placeholder(self, name: str, shape: Shape) -> Any:
        sizes = tuple(None if isinstance(size, Dim) else size for size in shape[1:])
        self.inputs.append(keras.Input(sizes, name=name, dtype=self.dtype))
        return self.inputs[-1]

    def node_name(self, node: Node) -> str:
        if node.id not in self._names:
            wanted = keras_name(node.name)
            taken = {*self._names.values(), *self.graph.inputs}
            self._names[node.id] = keras_name(node.id) if wanted in taken else wanted
        return self._names[node.id]

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        if order[0] == 0:
            return keras.layers.Permute(order[1:])(native)
        return keras.ops.transpose(native, order)

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        free = [size for size in shape if isinstance(size, Dim)]
        leads = bool(before) and bool(shape) and before[0] == shape[0] and isinstance(shape[0], Dim)
        if len(free) - leads > 1:
            raise UnsupportedError(f"Keras: a reshape to {show(shape)} with two free sizes. Fix the input size.")
        target = tuple(-1 if isinstance(size, Dim) else size for size in shape)
        return keras.layers.Reshape(target[1:])(native) if leads else keras.ops.reshape(native, target)

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        """Numbers by tiling; the batch by a factor of ones made from the net's input, which any Keras can load."""
        repeats = [new if old != new else 1 for old, new in zip(before, shape, strict=True)]
        free = [place for place, times in enumerate(repeats) if isinstance(times, Dim)]
        counts = [1 if place in free else times for place, times in enumerate(repeats)]
        if any(times != 1 for times in counts):
            native = keras.ops.tile(native, counts)
        for place in free:
            native = keras.ops.multiply(native, self._ones(shape[place], place, len(shape)))
        return native

    def _ones(self, size: Any, place: int, rank: int) -> Any:
        """Ones along an axis of a symbolic size."""
        found = self.source(size.atom) if isinstance(size.atom, str) and not size.offset else None
        if found is None:
            raise UnsupportedError(
                f"Keras: an axis repeated to {size}, which is no multiple of an input's size: not yet."
            )
        image, axis = found
        elements = image[tuple(slice(None) if at == axis else 0 for at in range(len(image.shape)))]
        ones = keras.ops.reshape(keras.ops.ones_like(elements), (*(1,) * place, -1, *(1,) * (rank - place - 1)))
        if size.scale == 1:
            return ones
        return keras.ops.tile(ones, tuple(size.scale if at == place else 1 for at in range(rank)))

    def module(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value]) -> Any:
        key = self.key(node)
        if key in self._shared:
            return self._shared[key](*natives)
        self._shared[key] = native
        out = native(*natives)
        self._keep_vectors(native)
        self.bind(node, native.name, inputs)
        return out

    def _keep_vectors(self, layer: Any) -> None:
        """Where 16 bits are mixed in on JAX, biases, scales and bare parameters join in float32.

        Their gradients are sums over all elements of a batch. XLA takes such a sum on a CPU in bfloat16 itself, one
        after the other, where it stands still after 256 alike; of a float32 value it takes it in float32.
        """
        if self.mixed and keras.backend.backend() == "jax":
            for variable in layer.weights:
                if len(variable.shape) < 2 or isinstance(layer, layers.Parameter):
                    variable._autocast = False  # what add_weight(autocast=False) sets, and layers don't let through

    def helper(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value], suffix: str) -> Any:
        self.drawing(node, native.name, inputs)
        return native(*natives) if len(natives) == 1 else native(list(natives))

    def penalized(self, native: Any, penalty: Penalty, name: str) -> Any:
        layer = keras.layers.ActivityRegularization(penalty.l1, penalty.l2, name=keras_name(name))
        layer.activity_regularizer = acting(layer.l1, layer.l2, own=self.mixed or self.dtype == "float64")
        return layer(native)

    def hold(self, path: str, pattern: str, sizes: dict[str, int]) -> Any:
        if path not in self._held:
            parameter = self.graph.parameters[path]
            learns = parameter.trainable and parameter.role == "weight"
            binding, self._held[path] = self._holder(path, parameter.array, keras_name(path), trainable=learns)
            self.bindings[path] = binding
        value = self._held[path]
        order = permutation(pattern) if pattern else ()
        return value if order == tuple(range(len(order))) else keras.ops.transpose(value, order)

    def _holder(self, path: str, array: Array, name: str, *, trainable: bool) -> tuple[Binding, Any]:
        """Where an array lives in a layer of its own, and the value that the layer gives."""
        kind = {"f": "", "b": "bool"}.get(array.dtype.kind, "int32")
        dtype = array.dtype.name if kind else ""
        if self.batch_norm == "stock":
            return self._stock_holder(Binding(path, name, "alpha", dtype=dtype), array, kind, trainable=trainable)
        layer = layers.Parameter(array.shape, trainable=trainable, kind=kind, name=name)
        value = layer(self.inputs[0])
        self._keep_vectors(layer)
        return Binding(path, layer.name, "value", dtype=dtype), value

    def _stock_holder(self, binding: Binding, array: Array, kind: str, *, trainable: bool) -> tuple[Binding, Any]:
        """The same without a layer of ours: PReLU multiplies -1, made from the input, by a weight for each place.

        No layer of Keras's holds a bare array. This one does, in exact arithmetic and with a dense gradient.
        """
        if not array.shape:
            binding = replace(binding, pattern=" -> 1")
        if self._below is None:
            image = self.inputs[0]
            element = image[(slice(0, 1), *(0 for _ in image.shape[1:]))]
            self._below = keras.ops.negative(keras.ops.ones_like(element))
        shape = array.shape or (1,)
        below = keras.ops.reshape(self._below, (1,) * (1 + len(shape)))
        layer = keras.layers.PReLU(name=binding.owner, trainable=trainable)
        value = keras.ops.negative(layer(keras.ops.broadcast_to(below, (1, *shape))))
        value = keras.ops.reshape(value, array.shape)
        if kind == "bool":
            value = keras.ops.greater(value, 0.5)
        return binding, keras.ops.cast(value, kind) if kind == "int32" else value

    def constant(self, array: Array) -> Any:
        if array.size <= INLINE:
            return keras.ops.convert_to_tensor(array)
        name = f"constant_{len(self.constants)}"
        binding, value = self._holder(name, array, name, trainable=False)
        self.constants[name] = (binding, array)
        return value
