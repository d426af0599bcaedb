"""Which tensors of a program share memory, as its fake tensors say; what a change in place does to the others."""

from __future__ import annotations

import operator
from collections.abc import Iterator

import torch


class Aliases:
    """The memory of a program's tensors.

    Args:
        graph: of the exported program; every tensor's fake twin still knows its storage.
    """

    def __init__(self, graph: torch.fx.Graph) -> None:
        self.order = {node: index for index, node in enumerate(graph.nodes)}
        self._groups: dict[int, list[torch.fx.Node]] = {}
        for node in graph.nodes:
            if (storage := _storage(node)) is not None:
                self._groups.setdefault(storage, []).append(node)

    def source(self, node: torch.fx.Node) -> torch.fx.Node | None:
        """What a tensor is a view of: the argument that has its memory; None: memory of its own."""
        storage = _storage(node)
        if storage is None or node.op == "placeholder":
            return None
        given = node.all_input_nodes
        if node.target is operator.getitem:
            given = given[0].all_input_nodes
        return next((one for one in given if _storage(one) == storage), None)

    def before(self, node: torch.fx.Node) -> list[torch.fx.Node]:
        """The tensors of the same memory that are there when a call runs, the oldest first."""
        storage = _storage(node)
        same = self._groups.get(storage, []) if storage is not None else []
        return [one for one in same if self.order[one] < self.order[node]]

    def read_after(self, node: torch.fx.Node, call: torch.fx.Node) -> bool:
        """Whether a tensor is read once a call has run."""
        return any(self.order.get(user, -1) > self.order[call] for user in node.users)

    def way_up(self, node: torch.fx.Node) -> Iterator[tuple[torch.fx.Node, torch.fx.Node]]:
        """(view, what it is a view of), from a tensor to the one that owns the memory."""
        while (base := self.source(node)) is not None:
            yield node, base
            node = base


def _storage(node: torch.fx.Node) -> int | None:
    meta = node.meta.get("val")
    return meta.untyped_storage()._cdata if isinstance(meta, torch.Tensor) else None
