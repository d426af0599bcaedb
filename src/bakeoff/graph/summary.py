"""What a net is made of, as Keras's `summary` shows it: a row a layer with its output and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.graph.graph import Graph, Ref
from bakeoff.ops._dimension import Dim, Shape


@dataclass(frozen=True)
class Layer:
    """One operator.

    Attributes:
        name: its module path.
        op: the page, as `conv2d`.
        shape: of the output, channels last; the batch is None, and so is any size that is free.
        parameters: numbers that belong to it, running statistics among them; shared ones count where they come first.
        trainable: those that training changes.
        inputs: names of the layers whose outputs it takes.
    """

    name: str
    op: str
    shape: tuple[int | None, ...]
    parameters: int
    trainable: int
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """The layers in the order of computation, and their sums."""

    layers: tuple[Layer, ...]
    parameters: int
    trainable: int

    @property
    def fixed(self) -> int:
        """Numbers that training leaves alone, or keeps as running statistics."""
        return self.parameters - self.trainable


def summary(graph: Graph, sizes: Mapping[str, int] | None = None) -> Summary:
    """The summary of a net.

    Args:
        graph: the net.
        sizes: of symbols, as {"height": 224, "width": 224}; others stay None.
    """
    seen: set[str] = set()
    layers = []
    for node in graph.nodes:
        own = [path for path in node.parameters.values() if isinstance(path, str) and path not in seen]
        seen.update(own)
        counts = [(graph.parameters[path].array.size, graph.parameters[path]) for path in own]
        total = sum(size for size, _ in counts)
        learned = sum(size for size, parameter in counts if parameter.trainable and parameter.role == "weight")
        sources = [*node.inputs, *(ref for ref in node.parameters.values() if isinstance(ref, Ref))]
        shape = _shape(graph.shapes[Ref(node.id)], sizes or {})
        layers.append(Layer(node.name, node.op, shape, total, learned, tuple(ref.node for ref in sources)))
    return Summary(tuple(layers), sum(one.parameters for one in layers), sum(one.trainable for one in layers))


def _shape(shape: Shape, sizes: Mapping[str, int]) -> tuple[int | None, ...]:
    return tuple(_size(size, sizes) for size in shape)


def _size(size: int | Dim, sizes: Mapping[str, int]) -> int | None:
    from bakeoff.ops._dimension import at

    if isinstance(size, int):
        return size
    try:
        return int(at(size, **sizes))
    except (KeyError, TypeError, ValueError):
        return None
