"""resize: the image at another height and width, by nearest elements, straight lines or cubic curves.

Shape    x (N, H, W, C)  ->  y (N, h, w, C), `size` = (h, w); H and W are fixed

Formula  y = R x C^T for each channel; the rows of R and C are the weights of the old elements: see `_resample`

Laws     linear in x; the weights of a new element sum to 1; at the same size nothing changes

Traps    nearest torch takes the element at floor(i H / h), Pillow, TensorFlow and "nearest_exact" the one under the new
                 element's middle; at whole multiples all agree
         centres half-pixel centres by default in torch and in Keras; `align_corners` lays corner on corner
         shrink  without `antialias` most old elements are left out (torch by default, TensorFlow); Pillow never does
                 that
         cubic   a = -0.75 in torch, -0.5 in TensorFlow, and in torch with antialias
         keras   at whole multiples UpSampling2D says it; all else is two products with constant matrices, exactly
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Dim, Shape, fixed
from bakeoff.ops._importers import IMAGE as IMAGE_AXES
from bakeoff.ops._importers import as_row
from bakeoff.ops._page import Call, Case, Fault, Gap, LayerCall, Mode, Scope, rounding
from bakeoff.ops._resample import matrix
from bakeoff.schemas import Array

LAYOUT = "spatial"


@dataclass(frozen=True)
class Attributes:
    """`scale` (along height, width) gives the places where it was said instead of the size, and isn't h / H."""

    size: tuple[int, int]
    mode: Literal["nearest", "nearest_exact", "bilinear", "bicubic"] = "nearest"
    align_corners: bool = False
    antialias: bool = False
    scale: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        smooth = self.mode in ("bilinear", "bicubic")
        if min(self.size) < 1 or ((self.align_corners or self.antialias) and not smooth):
            raise UnsupportedError(f"resize: {self}; corners and antialias are for bilinear and bicubic alone")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return x[0], *a.size, x[3]


def matrices(a: Attributes, x: Shape) -> tuple[Array, Array]:
    """(h, H) and (w, W), in float64."""
    found = []
    for place in (0, 1):
        old, scale = fixed(x[place + 1], "resize"), None if a.scale is None else a.scale[place]
        found.append(matrix(old, a.size[place], a.mode, a.align_corners, a.antialias, scale))
    return found[0], found[1]


def truth(_: Mode, a: Attributes, x: Array) -> Array:
    rows, columns = (m.astype(x.dtype) for m in matrices(a, x.shape))
    return np.asarray(np.einsum("bhwc,yh,xw->byxc", x, rows, columns, optimize=True))


def _whole(a: Attributes, x: Shape) -> tuple[int, int] | None:
    """By what whole numbers the nearest elements are repeated; None where it is something else."""
    height, width = x[1:3]
    if not a.mode.startswith("nearest") or isinstance(height, Dim) or isinstance(width, Dim):
        return None
    times = a.size[0] // height, a.size[1] // width
    exact = (height * times[0], width * times[1]) == a.size and a.scale in (None, times)
    return times if exact else None


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    mode = a.mode.replace("_", "-")
    settings: dict[str, Any] = {"align_corners": a.align_corners} if a.mode in ("bilinear", "bicubic") else {}
    settings |= {"antialias": True} if a.antialias else {}
    interpolate = scope.lib.nn.functional.interpolate
    if a.scale is None:
        return interpolate(x, size=a.size, mode=mode, **settings)
    return interpolate(x, scale_factor=a.scale, mode=mode, recompute_scale_factor=False, **settings)


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, H, W, C)
    times = _whole(a, scope.shapes[0])
    if times:
        return scope.helper(scope.lib.layers.UpSampling2D(times, name=scope.name), x, suffix="")
    rows, columns = (scope.constant(m.astype(scope.dtype)) for m in matrices(a, scope.shapes[0]))
    tall = scope.lib.ops.einsum("bhwc,yh->bywc", x, rows)
    return scope.lib.ops.einsum("bywc,xw->byxc", tall, columns)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:  # x (N, C, H, W)
    rows, columns = matrices(a, scope.shapes[0])
    tall = scope.emit("MatMul", [scope.constant(rows.astype(scope.dtype)), x])
    return scope.emit("MatMul", [tall, scope.constant(np.ascontiguousarray(columns.T.astype(scope.dtype)))])


def from_torch(call: Call) -> Any:
    x = call.arranged(call["input"] if "input" in call.arguments else call["self"], IMAGE_AXES)
    before, after = x.sizes[2:], call.sizes[2:]
    mode = call.name.removeprefix("aten.").removeprefix("_").removeprefix("upsample_").partition("2d")[0]
    given = call.get("scale_factors") or (call.get("scales_h"), call.get("scales_w"))
    scale = None if given[0] is None or given[1] is None else (float(given[0]), float(given[1]))
    if scale and all(n * s == m for n, s, m in zip(before, scale, after, strict=True)):
        scale = None
    if before == after and scale is None:
        return x
    attributes = {
        "size": tuple(after),
        "mode": mode,
        "align_corners": bool(call.get("align_corners")),
        "antialias": call.name.endswith("_aa"),
        "scale": scale,
    }
    return call.emit("resize", attributes, x)


def from_row(call: Call) -> Any:
    """Interpolation along a row of elements, as an image of one row."""
    x = call.value(call["input"] if "input" in call.arguments else call["self"])
    image = as_row(call, x)
    corners = bool(call.get("align_corners"))
    given = call.get("scale_factors") or [call.get("scales")]
    scale = None if given[0] is None or given[0] * x.sizes[2] == call.sizes[2] else (1.0, float(given[0]))
    mode = "bilinear" if "linear" in call.name else "nearest_exact" if "exact" in call.name else "nearest"
    attributes = {"size": (1, call.sizes[2]), "mode": mode, "align_corners": corners, "scale": scale}
    return call.reshaped(call.emit("resize", attributes, image), call.sizes)


KINDS = ("upsample_nearest2d", "_upsample_nearest_exact2d", "upsample_bilinear2d", "upsample_bicubic2d")
FROM_TORCH = {f"aten.{name}": from_torch for name in (*KINDS, "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa")}
ROWS = ("upsample_linear1d", "upsample_nearest1d", "_upsample_nearest_exact1d")
FROM_TORCH |= {f"aten.{name}": from_row for name in ROWS}
IMAGE = ((2, 4, 6, 3),)


def from_keras(call: LayerCall) -> Any:
    """Resizing and ops.image.resize: half-pixel centres, and the nearest element is the one under the middle."""
    layer, x = call.layer, call.inputs[0]
    size = layer.size if hasattr(layer, "size") else (layer.height, layer.width)
    if x.rank != 4 or layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio:
        raise call.refuse("crop_to_aspect_ratio or pad_to_aspect_ratio", "Only a plain change of size is known.")
    return _keras_resized(call, x, tuple(size), layer.interpolation, layer.antialias)


def from_upsampling(call: LayerCall) -> Any:
    layer, x = call.layer, call.inputs[0]
    if layer.interpolation != "nearest":
        height, width = (fixed(x.shape[axis], "UpSampling2D") * layer.size[axis - 1] for axis in (1, 2))
        return _keras_resized(call, x, (height, width), layer.interpolation, False)
    for axis, count in enumerate(layer.size, 1):
        if count > 1:
            x = call.emit("repeat_interleave", {"count": count, "axis": axis}, x)
    return x


def from_upsampling1d(call: LayerCall) -> Any:
    return call.emit("repeat_interleave", {"count": call.layer.size, "axis": 1}, call.inputs[0])


def _keras_resized(call: LayerCall, x: Any, size: tuple[int, int], mode: str, antialias: bool) -> Any:
    modes = {"nearest": "nearest_exact", "bilinear": "bilinear"}
    if mode not in modes:
        raise call.refuse(f"interpolation={mode!r}", "Known: nearest and bilinear; libraries differ in the others.")
    smooth = antialias and mode == "bilinear"
    return call.emit("resize", {"size": size, "mode": modes[mode], "antialias": smooth}, x)


FROM_KERAS = {
    "layers.Resizing": from_keras,
    "layers.UpSampling1D": from_upsampling1d,
    "layers.UpSampling2D": from_upsampling,
    "ops.Resize": from_keras,
}
CASES = {
    "twice, nearest": Case(IMAGE, Attributes((8, 12))),
    "nearest, uneven": Case(IMAGE, Attributes((7, 4))),
    "under the middle": Case(IMAGE, Attributes((7, 4), "nearest_exact")),
    "straight lines": Case(IMAGE, Attributes((8, 9), "bilinear")),
    "corner on corner": Case(IMAGE, Attributes((7, 11), "bilinear", align_corners=True)),
    "curves": Case(IMAGE, Attributes((9, 8), "bicubic")),
    "curves, corner on corner": Case(IMAGE, Attributes((3, 9), "bicubic", align_corners=True)),
    "shrunk, antialiased": Case(((2, 9, 8, 2),), Attributes((4, 3), "bilinear", antialias=True)),
    "shrunk by curves, antialiased": Case(((2, 9, 8, 2),), Attributes((4, 3), "bicubic", antialias=True)),
    "a scale that isn't the quotient": Case(((2, 5, 5, 2),), Attributes((8, 8), "bilinear", scale=(1.7, 1.7))),
}
# torch works out a place as a float32 number in float32: 4 decimal digits of an element remain for 1e3 elements
TOLERANCE = {"float32": 4 * rounding(16, "float32"), "float64": rounding(16, "float64")}
FAULTS = {"tensorflow": Fault("tf.image.resize computes smooth resizing in float32", 1e-6)}
MUTATIONS: dict[str, Any] = {"mode": "bilinear", "align_corners": True, "antialias": True}
GAPS = {
    "from a height or width that is known only when the net runs": Gap(
        "keras, onnx", Case(IMAGE, Attributes((8, 5))), free=True
    )
}
SHOWN = {
    "nearest": ("nearest, uneven", "under the middle"),
    "centres": ("corner on corner",),
    "shrink": ("shrunk, antialiased",),
    "cubic": ("curves", "shrunk by curves, antialiased"),
    "keras": ("twice, nearest", "straight lines"),
}
