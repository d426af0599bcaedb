"""conv1d: a weighted sum under each place of a kernel that slides along a row of elements, for each output channel.

Shape    x (N, L, C), kernel (k, C / groups, O), bias (O,)  ->  y (N, L', O)
         L' = (L + left + right - dilation * (k - 1) - 1) // stride + 1; pad "same": L' = ceil(L / stride)

Laws     linear in x and in the kernel; conv2d of an image with one row, with a kernel of one row

Traps    torch   channels first here, too: (N, C, L), kernel (O, C, k); one pad for both ends
         keras   "causal" pads the start alone; groups == C has its own layer, with kernel (k, C, O / C)
         tf      on CPU the gradient of a grouped convolution fails: the groups are split, convolved and joined
         eca     efficient channel attention slides along the *channels* of (N, 1, C), or (N, C, 1) turned
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._convolution import keras_convolution, keras_separable, kernel_and_bias, torch_slots
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.ops._window import explicit, length, reach, torch_same, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`pad` is "same" or (left, right)."""

    filters: int
    kernel: int
    stride: int = 1
    pad: Literal["same"] | tuple[int, int] = (0, 0)
    dilation: int = 1
    groups: int = 1
    bias: bool = True

    @property
    def span(self) -> int:
        """Positions that the dilated kernel covers."""
        return reach(self.kernel, self.dilation)


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    channels = fixed(x[2], "conv1d: the number of channels")
    if channels % a.groups or a.filters % a.groups:
        raise UnsupportedError(f"conv1d: {a.groups} groups must divide {channels} channels and {a.filters} filters")
    return x[0], length(x[1], a.span, a.stride, None if a.pad == "same" else a.pad, "conv1d"), a.filters


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    kernel = Slot((a.kernel, fixed(x[2], "conv1d: the number of channels") // a.groups, a.filters))
    return {"kernel": kernel, "bias": Slot((a.filters,))} if a.bias else {"kernel": kernel}


def truth(_: Mode, a: Attributes, x: Array, *, kernel: Array, bias: Array | None = None) -> Array:
    pad = a.pad if a.pad == "same" else (0, 0, *a.pad)
    elements = windows(x[:, None], (1, a.span), (1, a.stride), pad, 0.0, (1, a.dilation))[:, 0, :, :, 0]
    n, steps, channels = elements.shape[:3]
    elements = elements.reshape(n, steps, a.groups, channels // a.groups, a.kernel)
    weights = kernel.reshape(a.kernel, channels // a.groups, a.groups, a.filters // a.groups)
    y = np.einsum("nlgck,kcgo->nlgo", elements, weights).reshape(n, steps, a.filters)
    return np.asarray(y if bias is None else y + bias)


def depthwise(a: Attributes, x: Shape) -> bool:
    """Whether Keras's own depthwise layer can say it."""
    return a.groups > 1 and a.groups == x[2] and 1 in (a.stride, a.dilation)


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    keras = Native("kernel", "w i o -> w i o")
    if depthwise(a, x):
        keras = Native("kernel", "w 1 (g m) -> w g m", {"g": a.groups})
    return kernel_and_bias("w i o -> o i w", keras)


def _ends(scope: Scope, a: Attributes) -> tuple[int, int] | None:
    """The pad in two integers; None where "same" meets a length that is not known yet."""
    n, elements, channels = scope.shapes[0]
    pads = explicit(
        (n, 1, elements, channels), (1, a.span), (1, a.stride), "same" if a.pad == "same" else (0, 0, *a.pad)
    )
    return None if pads is None else pads[2:]


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, L)
    nn, ends, pad = scope.lib.nn, _ends(scope, a), 0
    if ends is None:
        x = nn.functional.pad(x, torch_same(x.unsqueeze(2), (1, a.span), (1, a.stride))[:2])
    elif ends[0] != ends[1]:
        x = nn.functional.pad(x, ends)
    else:
        pad = ends[0]
    if scope.owned():
        channels = scope.shapes[0][2]
        return scope.module(nn.Conv1d(channels, a.filters, a.kernel, a.stride, pad, a.dilation, a.groups, a.bias), x)
    bias = scope.parameter("bias") if a.bias else None
    kernel = scope.parameter("kernel", "w i o -> o i w")
    return nn.functional.conv1d(x, kernel, bias, a.stride, pad, a.dilation, a.groups)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, L, C)
    layers, ends = scope.lib.layers, _ends(scope, a)
    if a.stride > 1 and a.dilation > 1:
        raise UnsupportedError(f"conv1d {scope.name}: stride and dilation together have no Keras form yet")
    same = a.pad == "same" or (a.stride == 1 and ends == ((a.span - 1) // 2, a.span - 1 - (a.span - 1) // 2))
    if not same and ends is not None and any(ends):
        x = scope.helper(layers.ZeroPadding1D(ends, name=f"{scope.name}_pad"), x, suffix="_pad")
    padding = "same" if same else "valid"
    common = {"strides": a.stride, "padding": padding, "dilation_rate": a.dilation, "use_bias": a.bias}
    if scope.owned() and depthwise(a, scope.shapes[0]):
        multiplier = a.filters // a.groups
        made = layers.DepthwiseConv1D(a.kernel, depth_multiplier=multiplier, name=scope.name, **common)
        return scope.module(made, x)
    if scope.owned() and a.groups == 1:
        return scope.module(layers.Conv1D(a.filters, a.kernel, name=scope.name, **common), x)
    return _keras_groups(scope, a, x, padding)


def _keras_groups(scope: Scope, a: Attributes, x: Any, padding: str) -> Any:
    """Groups, each a convolution; also a kernel that is shared or computed."""
    ops, kernel = scope.lib.ops, scope.parameter("kernel", "w i o -> w i o")
    parts = ops.split(x, a.groups, axis=-1) if a.groups > 1 else [x]
    kernels = ops.split(kernel, a.groups, axis=-1) if a.groups > 1 else [kernel]
    pairs = zip(parts, kernels, strict=True)
    done = [ops.conv(part, own, a.stride, padding, dilation_rate=a.dilation) for part, own in pairs]
    y = ops.concatenate(done, axis=-1) if len(done) > 1 else done[0]
    return y + scope.parameter("bias") if a.bias else y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, L)
    inputs = [x, scope.parameter("kernel", "w i o -> o i w")] + ([scope.parameter("bias")] if a.bias else [])
    common = {"kernel_shape": (a.kernel,), "strides": (a.stride,), "dilations": (a.dilation,), "group": a.groups}
    ends = _ends(scope, a)
    if ends is None:
        return scope.emit("Conv", inputs, auto_pad="SAME_UPPER", **common)
    return scope.emit("Conv", inputs, pads=ends, **common)


def from_torch(call: Call) -> Any:
    x = call.channels_last(call["input"])
    filters, _, kernel = call["weight"].sizes
    dilation, given = _single(call["dilation"]), call["padding"]
    if given == "same":
        total = dilation * (kernel - 1)
        pads = (total // 2, total - total // 2)
    else:
        pads = (0, 0) if given == "valid" else (_single(given), _single(given))
    biased = call["bias"] is not None
    attributes = {"filters": filters, "kernel": kernel, "stride": _single(call["stride"]), "pad": pads}
    more = {"dilation": dilation, "groups": call["groups"], "bias": biased}
    return call.emit("conv1d", attributes | more, x, parameters=torch_slots(call, (2, 1, 0)))


def _single(given: Any) -> int:
    return int(given if isinstance(given, int) else given[0])


FROM_TORCH = {"aten.conv1d": from_torch}


def from_keras(call: LayerCall) -> Any:
    """Conv1D; and DepthwiseConv1D, whose kernel (k, C, m) counts its filters channel by channel, as groups do."""
    return keras_convolution(call, "conv1d", _keras_attributes(call.layer))


def from_separable(call: LayerCall) -> Any:
    """A depthwise convolution, and one of a single element that holds the bias."""
    return keras_separable(call, "conv1d", _keras_attributes(call.layer), 1)


def _keras_attributes(layer: Any) -> dict[str, Any]:
    (kernel,), (stride,), (dilation,) = layer.kernel_size, layer.strides, layer.dilation_rate
    pads = {"same": "same", "valid": (0, 0), "causal": (dilation * (kernel - 1), 0)}
    return {"kernel": kernel, "stride": stride, "pad": pads[layer.padding], "dilation": dilation}


FROM_KERAS = {
    "layers.Conv1D": from_keras,
    "layers.DepthwiseConv1D": from_keras,
    "layers.SeparableConv1D": from_separable,
}
CASES = {
    "tokens": Case(((2, 9, 3),), Attributes(4, 3, pad=(1, 1))),
    "strided, uneven pad": Case(((2, 8, 3),), Attributes(4, 3, 2, (0, 1))),
    "strided, same": Case(((2, 8, 3),), Attributes(4, 3, 2, "same", bias=False)),
    "dilated": Case(((2, 9, 3),), Attributes(4, 3, dilation=2)),
    "grouped": Case(((2, 9, 4),), Attributes(6, 3, pad=(1, 1), groups=2)),
    "depthwise": Case(((2, 9, 4),), Attributes(8, 3, 2, (1, 1), groups=4)),
    "channel attention": Case(((2, 8, 1),), Attributes(1, 3, pad=(1, 1), bias=False)),
}
TOLERANCE = roundings(3 * 4)
MUTATIONS: dict[str, Any] = {"pad": (2, 0), "dilation": 1, "stride": 1, "bias": False}
BOTH = Case(((2, 9, 3),), Attributes(4, 3, 2, dilation=2))
GAPS = {"stride and dilation together": Gap("keras", BOTH, "stride and dilation together")}
SHOWN = {"torch": ("strided, uneven pad",), "keras": ("depthwise",), "tf": ("grouped",), "eca": ("channel attention",)}
