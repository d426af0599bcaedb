"""Collects nodes, and holds what is known of values: their order of axes, what made them, who has a weight."""

from __future__ import annotations

from collections.abc import Mapping, Set
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn

from bakeoff.errors import BakeoffError
from bakeoff.frameworks.torch.capture._blocks import blocks, merged_order
from bakeoff.frameworks.torch.capture._layout import Layout
from bakeoff.frameworks.torch.capture._values import Batch, Known, Noise, Value, Weight, inverse, plain
from bakeoff.graph.draws import UNREAD, Key, Place
from bakeoff.graph.graph import Node, Parameter, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim, Shape
from bakeoff.schemas import Array

IMAGE = (0, 3, 1, 2)  # the canonical axes of torch's N, C, H, W


class Builder:
    """One graph in the making.

    Args:
        batch: the stand-in for the batch.
        tensors: parameters and buffers of the module, by their names.
        learned: the names of those that training may change.
        modules: the module and those that it holds, by path.
        values: draws that are values of their own, whatever is made of them.
        hints: how bare weights lie, where that is open: as in the prediction.
    """

    def __init__(
        self,
        batch: Batch,
        tensors: Mapping[str, torch.Tensor],
        learned: frozenset[str],
        modules: Mapping[str, nn.Module],
        values: Set[Key] = frozenset(),
        hints: Mapping[str, Layout] | None = None,
    ) -> None:
        self.drawn_values, self.hints = values, hints or {}
        self.batch, self.tensors, self.learned, self.modules = batch, tensors, learned, modules
        self.containers = frozenset(path for path, module in modules.items() if [*module.children()])
        own = {path for path, module in modules.items() if type(module).__module__.startswith("torch.nn.")}
        self.leaves = frozenset(path for path in own if path and path not in self.containers)
        self.nodes: dict[str, Node] = {}
        self.inputs: dict[str, Shape] = {}
        self.shapes: dict[Ref, Shape] = {}
        self.values: dict[Ref, Value] = {}
        self.parameters: dict[str, Parameter] = {}
        self.layouts: dict[str, Layout] = {}
        self.image: Value | None = None
        self.settled: set[Any] = set()  # calls that an earlier one has done already
        self.moving: list[str] = []  # buffers that the forward pass changes by itself, batch norm's apart
        self.draws: dict[Key, Place] = {}
        self.keys: dict[Any, Key] = {}  # of calls that draw by hand
        self._drawn: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._bare: dict[str, Value] = {}

    def input(self, sizes: tuple[int, ...], dtype: torch.dtype) -> Value:
        """The image."""
        value = Value(Ref("input"), sizes, IMAGE, dtype)
        self.inputs["input"] = self.shapes[value.ref] = self.batch.shape(value.canonical)
        self.image = value
        return value

    # nodes

    def emit(
        self,
        op: str,
        attributes: Any,
        inputs: tuple[Value, ...],
        parameters: Mapping[str, str | Ref],
        order: tuple[int, ...] | None,
        dtype: torch.dtype,
        path: str,
    ) -> Value | tuple[Value, ...]:
        """Append a node; `path` is its name, and its id where no other has it."""
        chosen = page(op)
        a = chosen.Attributes(**attributes) if isinstance(attributes, dict) else attributes
        id = self._unique(path or op)
        node = Node(id, op, a, tuple(value.ref for value in inputs), dict(parameters), path or id)
        self.nodes[id] = node
        shape = chosen.shape(a, *(self.shapes[value.ref] for value in inputs))
        if shape and isinstance(shape[0], tuple):
            return tuple(self._valued(Ref(id, index), one, inputs, order, dtype) for index, one in enumerate(shape))
        return self._valued(Ref(id), shape, inputs, order, dtype)

    def _valued(
        self, ref: Ref, shape: Shape, inputs: tuple[Value, ...], order: tuple[int, ...] | None, dtype: torch.dtype
    ) -> Value:
        self.shapes[ref] = shape
        if order is None:
            order = inputs[0].order if inputs and inputs[0].rank == len(shape) else plain(len(shape))
        if len(order) != len(shape):
            raise BakeoffError(f"capture: {ref.node}: an order of {len(order)} axes for a value of {len(shape)}")
        found = Value(ref, tuple(self.batch.number(shape[axis]) for axis in order), order, dtype)
        self.values[ref] = found
        return found

    def _unique(self, name: str) -> str:
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        wanted = name if not count else f"{name}_{count}"
        return wanted if wanted not in self.nodes and wanted not in self.inputs else self._unique(name)

    def beside(self, path: str, name: str, *, leaf: bool = True) -> str:
        """A name for what a module does: in it if it holds others, else beside it; its own if it is one of torch's."""
        if leaf and path in self.leaves:
            return path
        return (
            ".".join(part for part in (path, name) if part) if path in self.containers or not path else f"{path}_{name}"
        )

    def single(self, op: str, attributes: Any, value: Value, order: tuple[int, ...], path: str) -> Value:
        """A node that only moves axes or numbers of one value."""
        found = self.emit(op, attributes, (value,), {}, order, value.dtype, path)
        assert isinstance(found, Value)
        return found

    def draw(self, path: str) -> Key:
        """The next draw of a module, by which its live pass knows it: the first of its names, and a count."""
        module = self.modules.get(path) or self.modules[""].get_submodule(path)
        home = next(name for name, one in self.modules.items() if one is module)
        self._drawn[home] = self._drawn.get(home, -1) + 1
        key = home, self._drawn[home]
        self.draws[key] = UNREAD
        return key

    def placed(self, node: str, order: tuple[int, ...], noise: Noise | None, path: str) -> None:
        """Note which draw of the live module a node is: `noise`, or the next one of the module that calls."""
        if noise is None:
            self.draws[self.draw(path)] = Place(node, order)
        else:
            sizes = (1,) * (len(order) - len(noise.sizes)) + noise.sizes
            shape = tuple(size if self.batch.size(size) == size else -1 for size in sizes)
            self.draws[noise.key] = Place(node, order, above=noise.above, opposite=noise.opposite, shape=shape)

    def like(self, sizes: tuple[int, ...], dtype: torch.dtype, path: str) -> Value:
        """A value of these sizes, or of more where they are 1: the image, the latest that is so, or zeros."""
        for one in (self.image, *reversed(self.values.values())):
            if one is None or len(sizes) != one.rank:
                continue
            if all(size in (1, own) for size, own in zip(sizes, one.sizes, strict=True)):
                return one
        return self.value(Known(torch.zeros((1,) * len(sizes), dtype=dtype), sizes), path)

    # axes

    def arranged(self, value: Value, order: tuple[int, ...], path: str) -> Value:
        """The value with torch's axes at these canonical places; a reshape where only axes of size 1 move."""
        if value.order == order:
            return value
        sizes = tuple(value.sizes[axis] for axis in inverse(order))
        real = [[axis for axis in inverse(o) if value.sizes[axis] != 1] for o in (value.order, order)]
        if real[0] == real[1]:
            return self._reshaped(value, sizes, value.sizes, order, path)
        axes = tuple(value.order[axis] for axis in inverse(order))
        return self.single("transpose", {"axes": axes}, value, order, self.beside(path, "transpose"))

    def reshaped(self, value: Value, sizes: tuple[int, ...], path: str) -> Value:
        """torch's view: block of axes by block, so that no transpose is needed where a block lies together."""
        if sizes == value.sizes:
            return value
        found = blocks(value.sizes, sizes)
        order = merged_order(value, found)
        if order is not None:
            value = self.arranged(value, order, path)
        place = {axis: rank for rank, axis in enumerate(inverse(value.order))}
        positions: list[float] = []
        for into, _ in found:
            real = [place[axis] for axis in into if value.sizes[axis] != 1] or [place[axis] for axis in into]
            positions.append(min(real) if real else (positions[-1] if positions else -1.0))
        ranked = sorted(range(len(found)), key=lambda index: (positions[index], index))
        axes = [axis for index in ranked for axis in found[index][1]]
        canonical = tuple(sizes[axis] for axis in axes)
        return self._reshaped(value, canonical, sizes, inverse(tuple(axes)), path)

    def _reshaped(
        self, value: Value, canonical: tuple[int, ...], sizes: tuple[int, ...], order: tuple[int, ...], path: str
    ) -> Value:
        """A reshape node, reading what an earlier reshape had read; none where that had this shape already."""
        source = value.ref
        while (node := self.nodes.get(source.node)) is not None and node.op == "reshape":
            source = node.inputs[0]
        shape = self.batch.shape(canonical)
        if self.shapes[source] == shape:
            return Value(source, sizes, order, value.dtype)
        read = self.sources(source)
        return self.single("reshape", {"shape": shape}, read, order, self.beside(path, "reshape"))

    def sources(self, ref: Ref) -> Value:
        """A value by its reference, counted canonically."""
        sizes = tuple(map(self.batch.number, self.shapes[ref]))
        return Value(ref, sizes, plain(len(sizes)), torch.float32)

    def flattened(self, value: Value, path: str) -> Value:
        """All axes but the first become one, counted as torch counts: no transpose for images."""
        sizes = (value.sizes[0], int(np.prod(value.sizes[1:])))
        free = merged_order(value, blocks(value.sizes, sizes)) is None
        if value.rank == 2 or not (free or value.order == IMAGE):
            return self.reshaped(value, sizes, path)
        order = "HWC" if free else "CHW"
        found = self.single("flatten", {"order": order}, value, (0, 1), self.beside(path, "flatten"))
        return found

    # parameters and constants

    def weight(self, path: str, order: tuple[int, ...], shape: tuple[int, ...] | None = None) -> str | None:
        """Claim a weight for a slot in this layout; None where it is claimed in another one already."""
        tensor = self.tensors[path]
        layout = Layout(path, tuple(tensor.shape), order, shape)
        if path in self.layouts:
            return path if self.layouts[path] == layout else None
        self.layouts[path] = layout
        array = layout.to_canonical(tensor.detach().cpu().numpy())
        learned = path in self.learned
        role = "weight" if isinstance(tensor, torch.nn.Parameter) else "state"
        self.parameters[path] = Parameter(path, array, role, learned)  # type: ignore[arg-type]
        return path

    def bare(self, weight: Weight, order: tuple[int, ...] | None = None, shape: tuple[int, ...] | None = None) -> Value:
        """A weight as a value, in the layout that it has, or in this one where it has none yet."""
        path = weight.path
        if path in self._bare:
            return self._bare[path]
        if path not in self.layouts:
            hint = self.hints.get(path)
            if order is None and hint is not None and hint.shape is None:
                order = hint.order
            self.weight(path, order or plain(len(weight.sizes)), shape)
        layout = self.layouts[path]
        array = self.parameters[path].array
        value = self.emit("parameter", {"shape": array.shape}, (), {"value": path}, None, weight.dtype, path)
        assert isinstance(value, Value)
        if layout.shape is None:
            value = Value(value.ref, weight.sizes, layout.order, weight.dtype)
        self._bare[path] = value
        return value

    def constant(self, array: Array, name: str) -> Value:
        """A constant as a value, as it lies."""
        key = self.stored(array, name)
        found = self.emit("constant", {"shape": array.shape}, (), {"value": key}, None, _dtype(array), key)
        assert isinstance(found, Value)
        return found

    def stored(self, array: Array, name: str) -> str:
        """A constant for a slot: the path of a new parameter."""
        key = self._unique(name)
        self.parameters[key] = Parameter(key, np.array(array, order="C"), "constant", trainable=False)
        return key

    def counted(self, number: int, dtype: torch.dtype, path: str) -> Value:
        """A multiple of the number of images, as x.numel() gives it: that number, once for each image, added up."""
        each = np.full(1, self.batch.one(number), str(dtype).removeprefix("torch."))
        many = self.expanded(self.constant(each, self.beside(path, "constant", leaf=False)), (self.batch.prime,), path)
        axes = {"axes": (0,), "keepdims": False}
        found = self.emit("reduce_sum", axes, (many,), {}, (), dtype, self.beside(path, "reduce_sum"))
        assert isinstance(found, Value)
        return found

    def expanded(self, value: Value, sizes: tuple[int, ...], path: str) -> Value:
        """torch's expand."""
        lead = len(sizes) - value.rank
        if lead:
            value = self.reshaped(value, (1,) * lead + value.sizes, path)
        if value.sizes == sizes:
            return value
        shape = self.batch.shape(tuple(sizes[axis] for axis in inverse(value.order)))
        new = [n for n, o in zip(sizes, value.sizes, strict=True) if n != o and isinstance(self.batch.size(n), Dim)]
        assert self.image is not None
        inputs = (value, self.image) if new else (value,)
        found = self.emit("expand", {"shape": shape}, inputs, {}, value.order, value.dtype, self.beside(path, "expand"))
        assert isinstance(found, Value)
        return found

    def value(self, given: Value | Weight | Known, path: str, *, full: bool = True) -> Value:
        """Anything as a value; `full`: constants get their batch."""
        if isinstance(given, Value):
            return given
        if isinstance(given, Weight):
            return self._plain_bare(given, path)
        value = self.constant(given.best.numpy(), self.beside(path, "constant", leaf=False))
        return self._of_batch(value, given.sizes, path) if full else value

    def _of_batch(self, value: Value, sizes: tuple[int, ...], path: str) -> Value:
        """A constant's rows again for every image, where an axis counts images and rows together."""
        pairs = list(zip(value.sizes, sizes, strict=True))
        if all(old in (1, new) for old, new in pairs):
            return self.expanded(value, sizes, path)
        apart = [(1, old) if old not in (1, new) else (old,) for old, new in pairs]
        wide = [(new // old, old) if old not in (1, new) else (new,) for old, new in pairs]
        value = self.reshaped(value, tuple(chain(*apart)), path)
        return self.reshaped(self.expanded(value, tuple(chain(*wide)), path), sizes, path)

    def _plain_bare(self, weight: Weight, path: str) -> Value:
        value = self.bare(weight)
        return value if value.sizes == weight.sizes else self.reshaped(value, weight.sizes, path)


def _dtype(array: Array) -> torch.dtype:
    return torch.from_numpy(np.zeros((), array.dtype)).dtype
