"""conv_transpose2d: each element spreads its kernel over the output: the gradient of conv2d, used forwards.

Shape    x (N, H, W, C), kernel (kh, kw, O / groups, C), bias (O,)  ->  y (N, H', W', O)
         H' = (H - 1) stride_h - top - bottom + dilation_h * (kh - 1) + 1 + more_h, and W' in the same way

Laws     linear in x and in the kernel; with stride = kernel each element becomes a block of its own;
         <conv2d(u), x> = <u, conv_transpose2d(x)> with the same kernel

Traps    torch   kernel (C, O / groups, kh, kw): channels *in* come first, the reverse of Conv2d; padding cuts;
                 output_padding (`more`) adds rows at the end that the kernel may not reach: bias alone
         keras   kernel (kh, kw, O, C); its "same" cuts kernel - stride elements, the odd one at the end; its "valid"
                 has stride - kernel rows more where the stride is the larger
                 keras.ops.conv_transpose can't be part of a functional model: in Keras 3.15 its node swaps padding and
                 output_padding, and fails. Groups, dilation and `more` are a conv2d of the image with zeros between
         tf      on CPU it dilates nothing in float64
         onnx    torch's kernel and pads, as top, left, bottom, right
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._convolution import kernel_and_bias, torch_slots
from bakeoff.ops._dimension import Shape, Size, fixed, too_small
from bakeoff.ops._importers import IMAGE, pair, symmetric
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.ops._window import Sliding, reach
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes(Sliding):
    """`pad` is cut off: (top, bottom, left, right); `more` rows and columns are added at the end."""

    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    more: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True


def _length(a: Attributes, size: Size, axis: int) -> Size:
    """The output's size along an axis (0: height, 1: width)."""
    cut = a.pad[2 * axis] + a.pad[2 * axis + 1]
    return (size - 1) * a.stride[axis] + (a.spans[axis] + a.more[axis] - cut)


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    channels = fixed(x[3], "conv_transpose2d: the number of channels")
    height, width = (_length(a, x[axis + 1], axis) for axis in (0, 1))
    if channels % a.groups or a.filters % a.groups or too_small(height) or too_small(width):
        raise UnsupportedError(
            f"conv_transpose2d: {a.groups} groups of {channels} channels and {a.filters} filters, output {height} x "
            f"{width}; groups must divide both, and sizes be at least 1"
        )
    return x[0], height, width, a.filters


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    channels = fixed(x[3], "conv_transpose2d: the number of channels")
    kernel = Slot((*a.kernel, a.filters // a.groups, channels))
    return {"kernel": kernel, "bias": Slot((a.filters,))} if a.bias else {"kernel": kernel}


def truth(_: Mode, a: Attributes, x: Array, *, kernel: Array, bias: Array | None = None) -> Array:
    n, h, w, c = x.shape
    (rows, columns), per = a.stride, a.filters // a.groups
    sizes = [(size - 1) * a.stride[axis] + a.spans[axis] + a.more[axis] for axis, size in enumerate((h, w))]
    y = np.zeros((n, *sizes, a.groups, per), x.dtype)
    elements = x.reshape(n, h, w, a.groups, c // a.groups)
    weights = kernel.reshape(*a.kernel, per, a.groups, c // a.groups)
    for i, j in np.ndindex(*a.kernel):
        top, left = i * a.dilation[0], j * a.dilation[1]
        spread = np.einsum("nhwgc,ogc->nhwgo", elements, weights[i, j])
        y[:, top : top + (h - 1) * rows + 1 : rows, left : left + (w - 1) * columns + 1 : columns] += spread
    top, bottom, left, right = a.pad
    y = y.reshape(n, *sizes, a.filters)[:, top : sizes[0] - bottom, left : sizes[1] - right]
    return np.asarray(y if bias is None else y + bias)


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    return kernel_and_bias("h w o i -> i o h w", Native("kernel", "h w o i -> h w o i"))


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    nn, (top, bottom, left, right), channels = scope.lib.nn, a.pad, scope.shapes[0][3]
    even = a.pad[0::2] == a.pad[1::2]
    pad = (top, left) if even else (0, 0)
    if scope.owned():
        kind = nn.ConvTranspose2d
        made = kind(channels, a.filters, a.kernel, a.stride, pad, a.more, a.groups, a.bias, a.dilation)
        y = scope.module(made, x)
    else:
        kernel, bias = scope.parameter("kernel", "h w o i -> i o h w"), scope.parameter("bias") if a.bias else None
        y = nn.functional.conv_transpose2d(x, kernel, bias, a.stride, pad, a.more, a.groups, a.dilation)
    return y if even else y[:, :, top : -bottom or None, left : -right or None]


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    layers, (top, bottom, left, right) = scope.lib.layers, a.pad
    beyond = [max(stride - span, 0) for stride, span in zip(a.stride, a.spans, strict=True)]
    ends = bottom + beyond[0] - a.more[0], right + beyond[1] - a.more[1]
    if scope.owned() and a.groups == 1 and a.dilation == (1, 1) and min(ends) >= 0:
        common = {"strides": a.stride, "use_bias": a.bias, "name": scope.name}
        y = scope.module(layers.Conv2DTranspose(a.filters, a.kernel, **common), x)
    else:
        y, ends = _spread(scope, a, x), (bottom, right)
    if not any((top, left, *ends)):
        return y
    crop = layers.Cropping2D(((top, ends[0]), (left, ends[1])), name=f"{scope.name}_crop")
    return scope.helper(crop, y, suffix="_crop")


def _spread(scope: Scope, a: Attributes, x: Any) -> Any:
    """The image with zeros between its elements and around it, convolved with the turned kernel, group by group."""
    ops, (rows, columns) = scope.lib.ops, a.stride
    height, width, channels = (fixed(size, f"conv_transpose2d {scope.name} in Keras") for size in scope.shapes[0][1:])
    x = ops.reshape(x, (-1, height, 1, width, 1, channels))
    x = ops.pad(x, ((0, 0), (0, 0), (0, rows - 1), (0, 0), (0, columns - 1), (0, 0)))
    x = ops.reshape(x, (-1, height * rows, width * columns, channels))
    ends = [
        (span - 1, span + more - stride) for span, more, stride in zip(a.spans, a.more, a.stride, strict=True)
    ]  # the last element has stride - 1 zeros behind it already
    x = ops.pad(x, ((0, 0), *((first, max(last, 0)) for first, last in ends), (0, 0)))
    x = x[:, : min(ends[0][1], 0) or None, : min(ends[1][1], 0) or None]
    kernel = ops.flip(scope.parameter("kernel", "h w o i -> h w i o"), axis=(0, 1))
    parts = ops.split(x, a.groups, axis=-1) if a.groups > 1 else [x]
    kernels = ops.split(kernel, a.groups, axis=2) if a.groups > 1 else [kernel]
    pairs = zip(parts, kernels, strict=True)
    done = [ops.conv(part, own, 1, "valid", dilation_rate=a.dilation) for part, own in pairs]
    y = ops.concatenate(done, axis=-1) if len(done) > 1 else done[0]
    return y + scope.parameter("bias") if a.bias else y


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    kernel = scope.parameter("kernel", "h w o i -> i o h w")
    top, bottom, left, right = a.pad
    common = {"kernel_shape": a.kernel, "strides": a.stride, "dilations": a.dilation, "group": a.groups}
    inputs = [x, kernel] + ([scope.parameter("bias")] if a.bias else [])
    return scope.emit("ConvTranspose", inputs, pads=(top, left, bottom, right), output_padding=a.more, **common)


def from_torch(call: Call) -> Any:
    x, biased, groups = call.arranged(call["input"], IMAGE), call["bias"] is not None, call["groups"]
    _, per, *kernel = call["weight"].sizes
    attributes = {
        "filters": per * groups,
        "kernel": tuple(kernel),
        "stride": pair(call["stride"]),
        "pad": symmetric(call["padding"]),
        "more": pair(call["output_padding"]),
        "dilation": pair(call["dilation"]),
        "groups": groups,
        "bias": biased,
    }
    return call.emit("conv_transpose2d", attributes, x, parameters=torch_slots(call, (3, 2, 0, 1)))


FROM_TORCH = {"aten.conv_transpose2d": from_torch}


def from_keras(call: LayerCall) -> Any:
    """Conv2DTranspose, sized as TensorFlow sizes it; of an odd number of elements the last is cut."""
    layer = call.layer
    if getattr(layer, "groups", 1) != 1:
        raise call.refuse(f"groups={layer.groups}", "Only one group is known.")
    pads, more = [], []
    given = layer.output_padding
    extra = (None, None) if given is None else (given, given) if isinstance(given, int) else tuple(given)
    sizes = zip(layer.kernel_size, layer.strides, layer.dilation_rate, extra, strict=True)
    for kernel, stride, dilation, wanted in sizes:
        span = reach(kernel, dilation)
        cut = _keras_cut(span, stride, layer.padding, wanted)
        pads += [max(cut, 0) // 2, max(cut, 0) - max(cut, 0) // 2]
        more.append(max(-cut, 0))
    attributes = {
        "filters": layer.filters,
        "kernel": tuple(layer.kernel_size),
        "stride": tuple(layer.strides),
        "pad": tuple(pads),
        "more": tuple(more),
        "dilation": tuple(layer.dilation_rate),
        "bias": bool(layer.use_bias),
    }
    slots = {"kernel": layer.kernel, "bias": layer.bias if layer.use_bias else None}
    return call.activated(call.emit("conv_transpose2d", attributes, call.inputs[0], parameters=slots))


def _keras_cut(span: int, stride: int, padding: str, wanted: int | None) -> int:
    """Elements that are cut off an axis; below 0: that are added."""
    if wanted is not None:
        return (2 * (span // 2) if padding == "same" else 0) - wanted
    return span - stride if padding == "same" else min(span - stride, 0)


FROM_KERAS = {"layers.Conv2DTranspose": from_keras}
CASES = {
    "twice the size": Case(((2, 3, 4, 3),), Attributes(4, (2, 2), (2, 2))),
    "overlapping, cut like torch": Case(((1, 4, 3, 2),), Attributes(3, (4, 4), (2, 2), (1, 1, 1, 1))),
    "with a row more": Case(((1, 4, 3, 2),), Attributes(3, (3, 3), (2, 2), (1, 1, 1, 1), (1, 1))),
    "cut unevenly, as Keras's same": Case(((1, 4, 3, 2),), Attributes(3, (3, 3), (2, 2), (0, 1, 0, 1))),
    "a stride beyond the kernel": Case(((1, 3, 3, 2),), Attributes(3, (2, 2), (3, 3), bias=False)),
    "rows that no kernel reaches": Case(((1, 4, 3, 2),), Attributes(3, (2, 2), (2, 2), more=(1, 0))),
    "grouped": Case(((1, 4, 3, 4),), Attributes(6, (3, 3), (2, 2), groups=2)),
    "strided and dilated": Case(((1, 4, 5, 2),), Attributes(3, (3, 2), (2, 3), dilation=(2, 1))),
    "dilated": Case(((1, 4, 5, 2),), Attributes(3, (3, 2), dilation=(2, 2))),
}
TOLERANCE = roundings(4 * 3)
MUTATIONS: dict[str, Any] = {"pad": (1, 0, 0, 1), "stride": (1, 1), "bias": False, "dilation": (1, 2)}
DILATED = Case(((2, 4, 5, 3),), Attributes(4, (3, 3), dilation=(2, 2)))
GAPS = {"groups, dilation, or rows that no kernel reaches, of a free size": Gap("keras", DILATED, free=True)}
SHOWN = {
    "torch": ("with a row more", "grouped"),
    "keras": ("cut unevenly, as Keras's same", "a stride beyond the kernel"),
    "tf": ("dilated", "grouped"),
    "onnx": ("overlapping, cut like torch",),
}
