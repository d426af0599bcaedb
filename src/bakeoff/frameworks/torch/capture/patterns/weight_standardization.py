"""Batch norm without running statistics: a value standardised by its own mean and variance.

F.batch_norm(weight.reshape(1, O, -1), None, None, training=True) is how timm standardises the kernels of a convolution
(Qiao et al., 2019): the same in training and prediction, with the biased variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.frameworks.torch.capture._values import NOT_MINE
from bakeoff.ops._importers import affine, torch_merged

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def standardized(call: Call) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * weight + bias, over all axes but the second."""
    if call["running_mean"] is not None or not call["training"]:
        return NOT_MINE
    x = call.value(call["input"])
    if x.rank > 1 and call.builder.batch.size(x.sizes[0]) != x.sizes[0]:
        raise call.refuse("batch statistics without running ones: its prediction depends on the other images")
    axes = tuple(sorted(place for axis, place in enumerate(x.order) if axis != 1))
    common = {"axes": axes, "keepdims": True}
    mean = call.emit("reduce_mean", common, x)
    variance = call.emit("reduce_var", {**common, "correction": 0}, x)
    factor = call.emit("rsqrt", {}, affine(call, variance, shift=call["eps"]))
    y = torch_merged(call, "mul", torch_merged(call, "sub", x, mean), factor)
    for name, op in (("weight", "mul"), ("bias", "add")):
        if call[name] is not None:
            rows = call.reshaped(call[name], (1, x.sizes[1], *(1 for _ in x.sizes[2:])))
            y = torch_merged(call, op, y, rows)
    return y


CALLS = {"aten.batch_norm": standardized}
