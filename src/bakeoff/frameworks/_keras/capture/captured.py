"""What a capture gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bakeoff.graph.binding import blocked, unblocked
from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.ops import page
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array, Declared

Head = Literal["", "softmax", "sigmoid"]


@dataclass(frozen=True)
class Origin:
    """Where a parameter comes from: a variable of a Keras model, and its layout there.

    Attributes:
        variable: Keras's path, as "block1_conv1/kernel".
        shape: of the variable. It holds the canonical array's numbers in the same order, unless `order` says otherwise.
        order: order[i] is the variable's axis that is canonical axis i; () if they are the same.
        blocks: the variable has equal parts of the last canonical axis in this order; () if they are in the same.
    """

    variable: str
    shape: tuple[int, ...]
    dtype: str
    order: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()

    def to_canonical(self, array: Array, shape: tuple[int, ...]) -> Array:
        """The variable's array in canonical layout; a copy."""
        moved = array.transpose(self.order) if self.order else array
        return unblocked(moved.reshape(shape), self.blocks).copy()

    def to_native(self, array: Array) -> Array:
        """The way back, bit for bit."""
        array = blocked(array, self.blocks)
        if not self.order:
            return array.reshape(self.shape).astype(self.dtype)
        moved = array.reshape(tuple(self.shape[axis] for axis in self.order))
        inverse = tuple(self.order.index(axis) for axis in range(len(self.order)))
        return moved.transpose(inverse).astype(self.dtype)


@dataclass(frozen=True)
class Captured:
    """A Keras model as a graph, and what the graph can't say.

    Attributes:
        graph: its output is "logits" (batch, classes), or "features" for a model without a classifier.
        head: what stood between the logits and the model's output. It is not in the graph: see `with_head`.
        signature: what the model wants of an image; None where nothing says it.
        origins: {path: where it comes from}, for every parameter but constants.
        notes: what a reader may want to know, a sentence each: flags that Keras ignores.
        declared: what of its training the graph doesn't hold.
        predicting: the layers that predict in the graph's training pass, too, whatever the source does there.
        variables: {path: keras.Variable}, the live ones.
        draws: {node: the live layer that draws for it}, in the order of their calls.
    """

    graph: Graph
    head: Head = ""
    signature: Signature | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()
    predicting: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    draws: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def with_head(self) -> Graph:
        """The graph with the model's own last step, so that it gives what the model gives: "probabilities"."""
        if not self.head:
            return self.graph
        ids = {node.id for node in self.graph.nodes}
        id = next(name for name in (self.head, f"{self.head}_head", f"{self.head}.head") if name not in ids)
        node = Node(id, self.head, page(self.head).Attributes(), (self.graph.output,), {}, id)
        return replace(self.graph, nodes=(*self.graph.nodes, node), outputs={"probabilities": Ref(id)})
