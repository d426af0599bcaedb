"""Activations that write over their input, as the nets of torchvision and timm have them: a pass over memory less.

Only where the input is new memory that nobody else reads, and that no gradient needs: what a convolution, a batch norm
or a sum gives. Autograd would refuse a tensor that is needed and was changed; it would not be wrong.
"""

from __future__ import annotations

import operator

import torch
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6)
FRESH = (nn.Conv2d, nn.BatchNorm2d)
SUMS = (operator.add, torch.add)


def save_memory(net: torch.fx.GraphModule) -> None:
    """Set `inplace` on every activation all of whose calls allow it."""
    allowed: dict[nn.Module, bool] = {}
    for node in net.graph.nodes:
        if node.op == "call_module":
            layer = net.get_submodule(node.target)
            if type(layer) in ACTIVATIONS:
                allowed[layer] = allowed.get(layer, True) and _free(net, node.args[0])
    for layer, may in allowed.items():
        layer.inplace = may


def _free(net: torch.fx.GraphModule, given: torch.fx.Node) -> bool:
    if len(given.users) != 1:
        return False
    if given.op == "call_module":
        return isinstance(net.get_submodule(given.target), FRESH)  # type: ignore[arg-type]
    return given.op == "call_function" and given.target in SUMS
