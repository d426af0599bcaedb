"""Terms of the loss that live in the model, stated beside a torch net, which has no place for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from bakeoff.frameworks.torch.layers import ActivityPenalty, l1_l2
from bakeoff.graph.binding import Binding
from bakeoff.graph.graph import Graph


def penalty(net: nn.Module, terms: Iterable[tuple[str, float, float]]) -> torch.Tensor:
    """What the net itself adds to a loss: terms (name, l1, l2) on weights that train, others of the last pass."""
    weights = [(net.get_parameter(name), l1, l2) for name, l1, l2 in terms]
    found = [l1_l2(weight, l1, l2) for weight, l1, l2 in weights if weight.requires_grad]
    found += [one.loss for one in net.modules() if isinstance(one, ActivityPenalty) and one.loss is not None]
    return sum(found[1:], found[0]) if found else torch.zeros(())


def on_weights(graph: Graph, bindings: Mapping[str, Binding]) -> list[tuple[str, float, float]]:
    """The terms on weights, by their names in the net."""
    on = [(bindings[one.on], one) for one in graph.penalties if isinstance(one.on, str)]
    return [(f"{to.owner}.{to.attribute}".lstrip("."), one.l1, one.l2) for to, one in on]
