"""A root of what a ReLU gives: sqrt(relu(x)), nn.LPPool2d.

The slope of a root is infinite at 0. torch's ReLU chooses, and gives 0 for what it shut; TensorFlow's multiplies that
infinity by 0, which is no number. Chosen by `where`, it is 0 in all libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bakeoff.frameworks.torch.capture._values import NOT_MINE, Condition

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call

PASSING = ("mul", "div", "view", "reshape", "flatten", "permute", "transpose", "sum", "mean")  # what keeps a 0 a 0


def chosen(call: Call) -> Any:
    """x where it is above 0, else 0."""
    if not call.is_computed(call["self"]) or not _rooted(call.node):
        return NOT_MINE
    x = call.value(call["self"])
    return call.chosen(Condition(x, 0.0, False, x.sizes), x, call.filled(0.0))


def _rooted(node: torch.fx.Node) -> bool:
    """Whether a root is taken of it, or of a product or sum of it."""
    for user in node.users:
        name = getattr(user.target, "__name__", "").split(".")[0].rstrip("_")
        exponent = user.args[1] if name == "pow" and user.args[0] is node else 1
        if name == "sqrt" or not isinstance(exponent, int | float) or 0 < exponent < 1:
            return True
        if name in PASSING and _rooted(user):
            return True
    return False


CALLS = {"aten.relu": chosen}
