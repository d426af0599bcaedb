"""Regions of autocast and of switched-off gradients: their body as if it stood in the program."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx


def inline(module: fx.GraphModule) -> None:
    """Replace every region of the module's graph by its body, in place; regions within regions, too."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and str(node.target).startswith("wrap_with_"):
            _inlined(module, node)


def _inlined(module: fx.GraphModule, region: fx.Node) -> None:
    holder = next(one for one in region.all_input_nodes if one.op == "get_attr" and _is_graph(module, one))
    body = module.get_submodule(str(holder.target))
    assert isinstance(body, fx.GraphModule)
    inline(body)
    given = list(region.args[region.args.index(holder) + 1 :])
    inside = {one: given.pop(0) for one in body.graph.nodes if one.op == "placeholder"}
    with module.graph.inserting_before(region):
        out = module.graph.graph_copy(body.graph, inside)  # type: ignore[arg-type]
    for one in body.graph.nodes:
        if one.op == "get_attr":
            inside[one].target = f"{holder.target}.{one.target}"  # type: ignore[union-attr]
    if str(region.target).startswith("wrap_with_set_grad") and region.args[0] is False:
        out = _stopped(module, region, out)
    for user in list(region.users):
        if user.target is operator.getitem:
            user.replace_all_uses_with(out[user.args[1]])  # type: ignore[index, arg-type]
            module.graph.erase_node(user)
    if region.users:
        region.replace_all_uses_with(out)  # type: ignore[arg-type]
    module.graph.erase_node(region)


def _stopped(module: fx.GraphModule, region: fx.Node, out: Any) -> Any:
    """What a region without gradients gives, detached: nothing flows back into it."""

    def detached(given: Any) -> Any:
        if not isinstance(given, fx.Node) or not isinstance(given.meta.get("val"), torch.Tensor):
            return given
        with module.graph.inserting_before(region):
            node = module.graph.call_function(torch.ops.aten.detach.default, (given,))
        node.meta = dict(given.meta)
        return node

    return type(out)(map(detached, out)) if isinstance(out, list | tuple) else detached(out)


def _is_graph(module: torch.nn.Module, node: fx.Node) -> bool:
    try:
        return isinstance(module.get_submodule(str(node.target)), fx.GraphModule)
    except AttributeError:
        return False
