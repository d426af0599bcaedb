"""conv2d: a weighted sum under each place of a sliding kernel, for each output channel.

Shape    x (N, H, W, C), kernel (kh, kw, C / groups, O), bias (O,)  ->  y (N, H', W', O)
         H' = (H + top + bottom - dilation_h * (kh - 1) - 1) // stride_h + 1, and W' in the same way;
         pad "same": H' = ceil(H / stride_h)

Laws     linear in x and in the kernel; g groups are g convolutions side by side;
         a 1 x 1 kernel with stride 1 is dense at every place

Traps    torch   kernel OIHW; one pad for both sides of an axis: an uneven one comes first, as its own pad;
                 padding=k // 2 at stride 2 is not TensorFlow's "same" (an 8-pixel input: wrong by 16 of 16)
         keras   "same" pads unevenly at stride 2 and depends on the input's size;
                 groups == C has its own layer, with kernel (kh, kw, C, O / C)
         tf      on CPU the gradient of a grouped convolution fails in float64, or without oneDNN: there the groups
                 are split, convolved and joined; a depthwise kernel wants equal strides, and refuses stride > 1 with
                 dilation > 1
         onnx    pads are top, left, bottom, right
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._convolution import keras_convolution, keras_separable, kernel_and_bias, torch_slots
from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._importers import IMAGE, pair, symmetric
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.ops._window import Pad, Sliding, explicit, output, torch_same, windows
from bakeoff.schemas import Array

LAYOUT = "spatial"


# 1. attributes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attributes(Sliding):
    """`pad` is "same" or (top, bottom, left, right)."""

    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: Pad = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True


# 2. shape -----------------------------------------------------------------------------------------------------------


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    channels = fixed(x[3], "conv2d: the number of channels")
    if channels % a.groups or a.filters % a.groups:
        raise UnsupportedError(f"conv2d: {a.groups} groups must divide {channels} channels and {a.filters} filters")
    height, width = output(x, a.spans, a.stride, a.pad, "conv2d")
    return x[0], height, width, a.filters


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    kernel = Slot((*a.kernel, fixed(x[3], "conv2d: the number of channels") // a.groups, a.filters))
    return {"kernel": kernel, "bias": Slot((a.filters,))} if a.bias else {"kernel": kernel}


# 3. truth -----------------------------------------------------------------------------------------------------------


def truth(_: Mode, a: Attributes, x: Array, *, kernel: Array, bias: Array | None = None) -> Array:
    elements = windows(x, a.spans, a.stride, a.pad, 0.0, a.dilation)
    n, h, w, c = elements.shape[:4]
    elements = elements.reshape(n, h, w, a.groups, c // a.groups, *a.kernel)
    weights = kernel.reshape(*a.kernel, c // a.groups, a.groups, a.filters // a.groups)
    if a.groups == c and a.filters == c:  # depthwise: no sum over channels, so no matrix product to make of it
        y = np.einsum("nhwgij,ijg->nhwg", elements[:, :, :, :, 0], weights[:, :, 0, :, 0])
    else:
        y = np.einsum("nhwgcij,ijcgo->nhwgo", elements, weights, optimize=True)
    y = y.reshape(n, h, w, a.filters)
    return np.asarray(y if bias is None else y + bias)


# 4. layouts: an einops pattern each, so that the way back is the same pattern read backwards -------------------------


def depthwise(a: Attributes, x: Shape) -> bool:
    """Whether Keras's own depthwise layer can say it."""
    strided = a.stride[0] == a.stride[1] and (a.stride == (1, 1) or a.dilation == (1, 1))
    return a.groups > 1 and a.groups == x[3] and strided


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    keras = Native("kernel", "h w i o -> h w i o")
    if depthwise(a, x):
        keras = Native("kernel", "h w 1 (g m) -> h w g m", {"g": a.groups})
    return kernel_and_bias("h w i o -> o i h w", keras)


# 5. lowerings -------------------------------------------------------------------------------------------------------


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn = scope.lib.nn
    pads = explicit(scope.shapes[0], a.spans, a.stride, a.pad)
    if pads is None:
        x, pad = nn.functional.pad(x, torch_same(x, a.spans, a.stride)), (0, 0)
    elif pads[0::2] != pads[1::2]:
        top, bottom, left, right = pads
        x, pad = nn.functional.pad(x, (left, right, top, bottom)), (0, 0)
    else:
        pad = pads[0], pads[2]
    if not scope.owned():
        bias = scope.parameter("bias") if a.bias else None
        kernel = scope.parameter("kernel", "h w i o -> o i h w")
        return nn.functional.conv2d(x, kernel, bias, a.stride, pad, a.dilation, a.groups)
    channels = scope.shapes[0][3]
    return scope.module(nn.Conv2d(channels, a.filters, a.kernel, a.stride, pad, a.dilation, a.groups, a.bias), x)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    layers = scope.lib.layers
    symmetric = a.stride == (1, 1) and explicit(scope.shapes[0], a.spans, a.stride, "same") == a.pad
    padding = "same" if a.pad == "same" or symmetric else "valid"
    if a.pad != "same" and padding == "valid" and any(a.pad):
        top, bottom, left, right = a.pad
        x = scope.helper(
            layers.ZeroPadding2D(((top, bottom), (left, right)), name=f"{scope.name}_pad"), x, suffix="_pad"
        )
    if not scope.owned():
        return _keras_function(scope, a, x, padding)
    common = {"strides": a.stride, "padding": padding, "dilation_rate": a.dilation, "use_bias": a.bias}
    if depthwise(a, scope.shapes[0]):
        multiplier = a.filters // a.groups
        return scope.module(layers.DepthwiseConv2D(a.kernel, depth_multiplier=multiplier, name=scope.name, **common), x)
    if a.stride == (1, 1) or a.dilation == (1, 1):
        if scope.batch_norm == "stock" and a.groups > 1:
            return scope.module(layers.Conv2D(a.filters, a.kernel, groups=a.groups, name=scope.name, **common), x)
        if a.groups == 1:
            return scope.module(layers.Conv2D(a.filters, a.kernel, name=scope.name, **common), x)
    return scope.module(scope.own.GroupedConv2D(a.filters, a.kernel, groups=a.groups, name=scope.name, **common), x)


def _keras_function(scope: Scope, a: Attributes, x: Any, padding: str) -> Any:
    """A kernel that is shared or computed: the functional form."""
    kernel = scope.parameter("kernel")
    if depthwise(a, scope.shapes[0]):
        kernel = scope.lib.ops.reshape(kernel, (*a.kernel, a.groups, a.filters // a.groups))
        y = scope.lib.ops.depthwise_conv(x, kernel, a.stride[0], padding, dilation_rate=a.dilation)
    elif a.groups == 1 and (a.stride == (1, 1) or a.dilation == (1, 1)):
        y = scope.lib.ops.conv(x, kernel, a.stride, padding, dilation_rate=a.dilation)
    elif scope.batch_norm == "stock" and (a.stride == (1, 1) or a.dilation == (1, 1)):
        parts = (scope.lib.ops.split(value, a.groups, axis=-1) for value in (x, kernel))
        done = [
            scope.lib.ops.conv(*pair, a.stride, padding, dilation_rate=a.dilation) for pair in zip(*parts, strict=True)
        ]
        y = scope.lib.ops.concatenate(done, axis=-1)
    else:
        y = scope.helper(scope.own.KernelConv2D(a.stride, padding, a.dilation, name=scope.name), x, kernel, suffix="")
    return scope.lib.ops.add(y, scope.parameter("bias")) if a.bias else y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    inputs = [x, scope.parameter("kernel", "h w i o -> o i h w")] + ([scope.parameter("bias")] if a.bias else [])
    common = {"kernel_shape": a.kernel, "strides": a.stride, "dilations": a.dilation, "group": a.groups}
    pads = explicit(scope.shapes[0], a.spans, a.stride, a.pad)
    if pads is None:
        return scope.emit("Conv", inputs, auto_pad="SAME_UPPER", **common)
    top, bottom, left, right = pads
    return scope.emit("Conv", inputs, pads=(top, left, bottom, right), **common)


# 6. importers: what a captured graph calls this operator --------------------------------------------------------------


def from_torch(call: Call) -> Any:
    x = call.arranged(call["input"], IMAGE)
    filters, _, *kernel = call["weight"].sizes
    dilation, given = pair(call["dilation"]), call["padding"]
    if given == "same":  # of torch: stride 1 alone, the odd element at the end
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = tuple(side for total in totals for side in (total // 2, total - total // 2))
    else:
        pads = symmetric(0 if given == "valid" else given)
    attributes = {
        "filters": filters,
        "kernel": tuple(kernel),
        "stride": pair(call["stride"]),
        "pad": pads,
        "dilation": dilation,
        "groups": call["groups"],
        "bias": call["bias"] is not None,
    }
    return call.emit("conv2d", attributes, x, parameters=torch_slots(call, (3, 2, 0, 1)))


FROM_TORCH = {"aten.conv2d": from_torch}


def from_keras(call: LayerCall) -> Any:
    """Conv2D; and DepthwiseConv2D, whose kernel (h, w, C, m) counts its filters channel by channel, as groups do."""
    return keras_convolution(call, "conv2d", _keras_attributes(call.layer))


def from_separable(call: LayerCall) -> Any:
    """A depthwise convolution, and a 1 x 1 one that holds the bias."""
    return keras_separable(call, "conv2d", _keras_attributes(call.layer), (1, 1))


def _keras_attributes(layer: Any) -> dict[str, Any]:
    return {
        "kernel": tuple(layer.kernel_size),
        "stride": tuple(layer.strides),
        "pad": "same" if layer.padding == "same" else (0, 0, 0, 0),
        "dilation": tuple(layer.dilation_rate),
    }


FROM_KERAS = {
    "layers.Conv2D": from_keras,
    "layers.DepthwiseConv2D": from_keras,
    "layers.SeparableConv2D": from_separable,
}

# 7. cases, tolerance, mutations, gaps --------------------------------------------------------------------------------

CASES = {
    "the usual 3 x 3": Case(((2, 6, 6, 3),), Attributes(4, (3, 3), pad=(1, 1, 1, 1))),
    "1 x 1 is dense at every place": Case(((2, 3, 4, 5),), Attributes(4, (1, 1))),
    "stride 2 on an even size, same": Case(((1, 8, 7, 2),), Attributes(3, (3, 3), (2, 2), "same")),
    "stride 2, padded like torch": Case(((1, 8, 8, 2),), Attributes(3, (3, 3), (2, 2), (1, 1, 1, 1))),
    "an even kernel, same": Case(((1, 5, 5, 2),), Attributes(3, (2, 4), (1, 1), "same")),
    "uneven explicit pad": Case(((1, 6, 5, 2),), Attributes(3, (3, 2), pad=(0, 1, 2, 0))),
    "depthwise": Case(((2, 6, 6, 4),), Attributes(4, (3, 3), (2, 2), "same", groups=4, bias=False)),
    "depthwise with multiplier 2": Case(((1, 5, 5, 3),), Attributes(6, (3, 3), groups=3)),
    "depthwise, uneven strides": Case(((1, 7, 6, 2),), Attributes(2, (3, 3), (2, 1), groups=2)),
    "grouped, dilated": Case(((1, 9, 9, 4),), Attributes(6, (3, 3), dilation=(2, 2), groups=2)),
    "strided and dilated, same": Case(((1, 8, 7, 2),), Attributes(3, (3, 3), (2, 2), "same", (2, 2))),
    "strided and dilated": Case(((1, 9, 9, 2),), Attributes(3, (3, 3), (2, 2), dilation=(2, 2))),
}
TOLERANCE = roundings(3 * 3 * 5)
MUTATIONS: dict[str, Any] = {"pad": (1, 0, 0, 0), "dilation": (1, 2), "stride": (1, 1), "bias": False}
SHOWN = {
    "torch": ("stride 2 on an even size, same", "uneven explicit pad"),
    "keras": ("stride 2, padded like torch", "depthwise with multiplier 2"),
    "tf": ("grouped, dilated", "depthwise, uneven strides", "strided and dilated, same"),
    "onnx": ("uneven explicit pad",),
}
