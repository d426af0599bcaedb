"""What the convolutions share: how libraries lay out kernel and bias, and importers."""

from __future__ import annotations

from typing import Any

from bakeoff.ops._dimension import fixed
from bakeoff.ops._page import Call, LayerCall, Native


def kernel_and_bias(torch: str, keras: Native) -> dict[str, dict[str, Native]]:
    """torch's pattern of the kernel, and how Keras lays it out; the bias is a vector in both."""
    bias = Native("bias", "o -> o")
    return {"torch": {"kernel": Native("weight", torch), "bias": bias}, "keras": {"kernel": keras, "bias": bias}}


def torch_slots(call: Call, order: tuple[int, ...]) -> dict[str, Any]:
    """Kernel, torch's axes at these canonical places, and bias where there is one."""
    slots = {"kernel": call.parameter("weight", order)}
    if call["bias"] is not None:
        slots["bias"] = call.parameter("bias")
    return slots


def keras_convolution(call: LayerCall, op: str, attributes: dict[str, Any]) -> Any:
    """A convolution; or a depthwise one, whose kernel counts its filters channel by channel, as groups do."""
    layer, x = call.layer, call.inputs[0]
    multiplier = getattr(layer, "depth_multiplier", 0)
    sizes = _depthwise(call, op) if multiplier else {"filters": layer.filters, "groups": layer.groups}
    slots = {"kernel": layer.kernel, "bias": layer.bias if layer.use_bias else None}
    given = {**attributes, **sizes, "bias": bool(layer.use_bias)}
    return call.activated(call.emit(op, given, x, parameters=slots))


def keras_separable(call: LayerCall, op: str, attributes: dict[str, Any], point: int | tuple[int, int]) -> Any:
    """A depthwise convolution, and one of a single element (the kernel `point`) that holds the bias."""
    layer, x = call.layer, call.inputs[0]
    given = {**attributes, **_depthwise(call, op), "bias": False}
    x = call.emit(op, given, x, parameters={"kernel": layer.depthwise_kernel}, suffix=".depthwise")
    slots = {"kernel": layer.pointwise_kernel, "bias": layer.bias if layer.use_bias else None}
    given = {"filters": layer.filters, "kernel": point, "bias": layer.use_bias}
    return call.activated(call.emit(op, given, x, parameters=slots, suffix=".pointwise"))


def _depthwise(call: LayerCall, op: str) -> dict[str, int]:
    channels = fixed(call.inputs[0].shape[-1], f"{op}: the number of channels")
    return {"filters": channels * call.layer.depth_multiplier, "groups": channels}
