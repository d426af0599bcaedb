"""What a page sees of a lowering while one of its nodes is lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.errors import UnsupportedError
from bakeoff.graph.binding import permutation
from bakeoff.graph.graph import Node, Ref
from bakeoff.graph.layout import Laid, Value
from bakeoff.ops._dimension import Shape, Size
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.graph.lowering import Lowering


class NodeScope:
    """See `bakeoff.ops._page.Scope`."""

    def __init__(self, lowering: Lowering, node: Node, inputs: list[Value]) -> None:
        self._lowering, self._node, self._inputs = lowering, node, inputs
        self.lib, self.own, self.dtype = lowering.lib, lowering.own, lowering.dtype
        self.mixed = lowering.mixed
        self.batch_norm, self.name = lowering.batch_norm, lowering.node_name(node)
        self.shapes = tuple(value.shape for value in inputs)
        self.orders = tuple(value.axes for value in inputs)

    # modules and parameters

    def module(self, make: Any, *inputs: Any) -> Any:
        if not self.owned():
            raise UnsupportedError(
                f"{self._node.op} {self._node.name}: its parameters are computed, or shared with another operator.\n"
                f"That has no {self._lowering.library} form yet. Give the operator parameters of its own."
            )
        return self._lowering.module(self._node, make, inputs, self._inputs)

    def helper(self, make: Any, *inputs: Any, suffix: str) -> Any:
        return self._lowering.helper(self._node, make, inputs, self._inputs, suffix)

    def owned(self) -> bool:
        return self._lowering.owned(self._node)

    def parameter(self, slot: str, pattern: str | None = None, **sizes: int) -> Any:
        source = self._node.parameters[slot]
        if isinstance(source, Ref):
            value = self._lowering.values[source]
            order = permutation(pattern) if pattern else tuple(range(len(value.shape)))
            return self._lowering.moved(self._lowering.unfeatured(value), order).native
        if pattern is None:
            return self._lowering.hold(source, "", {})
        return self._lowering.hold(
            source, *self._lowering.with_features(self._node, slot, pattern, sizes, self._inputs)
        )

    def constant(self, array: Array) -> Any:
        return self._lowering.constant(array)

    def emit(self, op: str, inputs: list[Any], **attributes: Any) -> Any:
        return self._lowering.emit(self._node, op, inputs, attributes)

    def emit_many(self, op: str, inputs: list[Any], outputs: int, **attributes: Any) -> tuple[Any, ...]:
        return self._lowering.emit_many(self._node, op, inputs, outputs, attributes)

    # layouts

    def axis(self, canonical: int, of: int = 0) -> int:
        axes = self.orders[of]
        return axes.index(canonical % len(axes))

    def laid(self, native: Any, axes: tuple[int, ...]) -> Laid:
        return Laid(native, axes)

    def arranged(self, index: int, axes: tuple[int, ...]) -> Any:
        return self._lowering.moved(self._inputs[index], axes).native

    def reshaped(self, shape: Shape) -> Laid:
        found = self._lowering.reshaped(self._inputs[0], shape)
        return Laid(found.native, found.axes)

    def reshape(self, native: Any, before: Shape, shape: Shape) -> Any:
        return self._lowering.reshape(native, before, shape)

    def permute(self, native: Any, order: tuple[int, ...]) -> Any:
        return native if order == tuple(range(len(order))) else self._lowering.permute(native, order)

    def expand(self, native: Any, before: Shape, shape: Shape) -> Any:
        return native if before == shape else self._lowering.expand(native, before, shape)

    def size(self, size: Size) -> Any:
        return size if isinstance(size, int) else self._lowering.size(size)
