"""Graph -> torch.fx.GraphModule of native modules under the source's paths, with a forward that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch import layers
from bakeoff.frameworks.torch.in_place import save_memory
from bakeoff.frameworks.torch.penalties import on_weights, penalty
from bakeoff.graph.binding import Binding, load, permutation, read
from bakeoff.graph.draws import Key, Place, placed
from bakeoff.graph.graph import Graph, Node, Penalty
from bakeoff.graph.layout import Value
from bakeoff.graph.lowering import CHANNELS_FIRST, Lowering
from bakeoff.graph.names import torch_path
from bakeoff.ops._dimension import Dim, Shape, Size
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Built:
    """A native net, and where its parameters live in it."""

    module: torch.fx.GraphModule
    bindings: dict[str, Binding]
    draws: dict[Key, Place]

    def tensor(self, binding: Binding) -> torch.Tensor:
        """The parameter or buffer behind a binding."""
        owner = self.module.get_submodule(binding.owner)
        found: torch.Tensor = getattr(owner, binding.attribute)
        return found

    def load(self, arrays: dict[str, Array]) -> None:
        """Copy canonical arrays in."""

        def put(binding: Binding, array: Array) -> None:
            with torch.no_grad():
                self.tensor(binding).copy_(torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape)))

        load(self.bindings, arrays, put)

    def arrays(self) -> dict[str, Array]:
        """Canonical copies of all parameters."""
        return read(self.bindings, lambda binding: self.tensor(binding).detach().cpu().numpy())


def build(graph: Graph, dtype: str = "float32", *, mixed: bool = False) -> Built:
    """The native net with the graph's numbers in it, in predict mode.

    The module takes (N, C, H, W) and gives (N, classes). Frozen weights have requires_grad False.

    Args:
        mixed: for a run under autocast: what must not be computed in 16 bits says so itself.
    """
    lowering = TorchLowering(graph, dtype, mixed=mixed)
    lowering.tape.output(lowering.walk().native.node)
    module = Net(lowering.root, lowering.tape, "Net").to(getattr(torch, dtype))
    save_memory(module)
    built = Built(module, lowering.bindings, placed(lowering.draws))
    built.load(graph.arrays())
    for path, binding in built.bindings.items():
        tensor = built.tensor(binding)
        if isinstance(tensor, nn.Parameter):
            parameter = graph.parameters[path]
            if parameter.role == "weight":
                tensor.requires_grad_(parameter.trainable)
            else:
                _buffered(module.get_submodule(binding.owner), binding.attribute)
    module.meta["penalties"] = on_weights(graph, built.bindings)
    module.eval()
    return built


class Net(torch.fx.GraphModule):  # type: ignore[misc]  # torch.fx has no types
    """A net that says what its own terms of the loss are."""

    def penalty(self) -> torch.Tensor:
        """To be added to the loss, after the training pass: criterion(net(x), y) + net.penalty()."""
        return penalty(self, self.meta["penalties"])


def _buffered(layer: nn.Module, name: str) -> None:
    """A buffer of the source that serves as a kernel is a buffer here, too: it is no parameter to count or to train."""
    tensor = getattr(layer, name).detach()
    delattr(layer, name)
    layer.register_buffer(name, tensor)


class TorchLowering(Lowering):
    """Registers nn.Modules in nested containers, and records the calls on an fx tape."""

    library, image_axes, views = "torch", CHANNELS_FIRST, True

    def __init__(self, graph: Graph, dtype: str = "float32", *, mixed: bool = False) -> None:
        super().__init__(graph, dtype, mixed=mixed)
        self.lib, self.own = torch, layers
        self.root, self.tape = nn.Module(), torch.fx.Graph()
        self._tracer = torch.fx.proxy.GraphAppendingTracer(self.tape)
        self._shared: dict[Any, str] = {}
        self._held: dict[str, Any] = {}

    def _proxy(self, node: torch.fx.Node) -> torch.fx.Proxy:
        return torch.fx.Proxy(node, self._tracer)

    def placeholder(self, name: str, shape: Shape) -> Any:
        return self._proxy(self.tape.placeholder(name))

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        return native.permute(*order)

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        free = [place for place, size in enumerate(shape) if isinstance(size, Dim)]
        first = free[0] if free else None
        if not shape:  # a number: no size to be named
            return native.reshape(())
        return native.reshape(*(-1 if place == first else self.number(size) for place, size in enumerate(shape)))

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        return native.expand(*(-1 if old == new else self.number(new) for old, new in zip(before, shape, strict=True)))

    def number(self, size: Size) -> Any:
        """A size as a number or, where it is a symbol, as what the net works out."""
        return size if isinstance(size, int) else self.size(size)

    def size(self, size: Dim) -> Any:
        if isinstance(size.atom, str):
            found = self.source(size.atom)
            if found is None:
                raise UnsupportedError(f"torch: no input of the net has the size {size.atom}")
            base = found[0].size(found[1])
        else:
            base = self.number(size.atom.numerator) // size.atom.divisor
        scaled = base if size.scale == 1 else base * size.scale
        return scaled + size.offset if size.offset else scaled

    def module(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value]) -> Any:
        key = self.key(node)
        if key not in self._shared:
            self._shared[key] = self._register(node, "", native)
            self.bind(node, self._shared[key], inputs)
        return self._call(self._shared[key], natives)

    def helper(self, node: Node, native: Any, natives: tuple[Any, ...], inputs: list[Value], suffix: str) -> Any:
        path = self._register(node, suffix, native)
        self.drawing(node, path, inputs)
        return self._call(path, natives)

    def _call(self, path: str, natives: tuple[Any, ...]) -> Any:
        return self._proxy(self.tape.call_module(path, tuple(x.node for x in natives)))

    def _register(self, node: Node, suffix: str, native: nn.Module) -> str:
        for name in (node.name, node.id, f"{node.id}_{node.op}"):  # the last where parameters alone have the others
            path = torch_path(name + suffix)
            *parents, last = path.split(".")
            place = self._container(parents)
            held = getattr(place, last, None)
            if held is None:
                place.add_module(last, native)
                return path
            if not list(native.parameters()) and repr(held) == repr(native):
                return path  # the source calls one module twice
        raise ValueError(f"{node.id}: the name {path} is taken")

    def _container(self, parents: list[str]) -> nn.Module:
        place = self.root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, nn.Module())
            place = getattr(place, parent)
        return place

    def penalized(self, native: Any, penalty: Penalty, name: str) -> Any:
        *parents, last = torch_path(name).split(".")
        self._container(parents).add_module(last, layers.ActivityPenalty(penalty.l1, penalty.l2))
        return self._call(".".join([*parents, last]), (native,))

    def hold(self, path: str, pattern: str, sizes: dict[str, int]) -> Any:
        if path not in self._held:
            parameter = self.graph.parameters[path]
            *parents, last = torch_path(path).split(".")
            tensor = torch.from_numpy(parameter.array.copy())
            place = self._container(parents)
            if parameter.role == "weight":
                place.register_parameter(last, nn.Parameter(tensor))
            else:
                place.register_buffer(last, tensor)
            self.bindings[path] = Binding(path, ".".join(parents), last)
            self._held[path] = partial(self.tape.get_attr, ".".join([*parents, last]))
        value = self._proxy(self._held[path]())
        order = _order(pattern) if pattern else None
        return value.permute(*order) if order else value

    def constant(self, array: Array) -> Any:
        name = f"constant_{len(self._held)}"
        self.root.register_buffer(name, torch.from_numpy(array.copy()), persistent=False)
        self._held[name] = None
        return self._proxy(self.tape.get_attr(name))


def _order(pattern: str) -> tuple[int, ...] | None:
    order = permutation(pattern)
    return None if order == tuple(range(len(order))) else order
