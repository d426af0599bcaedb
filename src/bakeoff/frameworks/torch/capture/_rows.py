"""Calls on rows of elements and on volumes with one long axis: imported as images of one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.ops._importers import IMAGE

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def flat_pool(call: Call) -> Any:
    """Pooling along a row of elements, as an image of one row."""
    x = call.value(call["self"])
    lead = (1,) * (3 - x.rank) + x.sizes
    image = call.arranged(call.reshaped(x, (*lead[:2], 1, lead[2])), IMAGE)
    if call.name.startswith("aten.adaptive"):
        size = (1, call["output_size"][0])
        op = "adaptive_avg_pool2d" if "avg" in call.name else "adaptive_max_pool2d"
        y = call.emit(op, {"size": size}, image) if size[1] != lead[2] else image
        return call.reshaped(y, call.sizes) if "avg" in call.name else (call.reshaped(y, call.sizes), None)
    window, stride, pad = (
        int(_only(call[name] or call["kernel_size"])) for name in ("kernel_size", "stride", "padding")
    )
    pad = int(_only(call["padding"]))
    needed = (call.sizes[-1] - 1) * stride + window - lead[2] - pad if call["ceil_mode"] else pad
    attributes: dict[str, Any] = {"window": (1, window), "stride": (1, stride), "pad": (0, 0, pad, max(pad, needed))}
    if "avg" in call.name:
        attributes |= {"pad": (0, 0, pad, pad), "beyond": (0, max(needed - pad, 0))}
        attributes["count_include_pad"] = call["count_include_pad"]
        return call.reshaped(call.emit("avg_pool2d", attributes, image), call.sizes)
    attributes["dilation"] = (1, _only(call["dilation"]))
    return call.reshaped(call.emit("max_pool2d", attributes, image), call.sizes)


def _only(given: Any) -> int:
    return int(given[0] if isinstance(given, list) else given)


def flat_resize(call: Call) -> Any:
    """Interpolation along a row of elements, as an image of one row."""
    x = call.value(call["input"] if "input" in call.arguments else call["self"])
    image = call.arranged(call.reshaped(x, (*x.sizes[:2], 1, x.sizes[2])), IMAGE)
    corners = bool(call.get("align_corners"))
    given = call.get("scale_factors") or [call.get("scales")]
    scale = None if given[0] is None or given[0] * x.sizes[2] == call.sizes[2] else (1.0, float(given[0]))
    mode = "bilinear" if "linear" in call.name else "nearest_exact" if "exact" in call.name else "nearest"
    attributes = {"size": (1, call.sizes[2]), "mode": mode, "align_corners": corners, "scale": scale}
    return call.reshaped(call.emit("resize", attributes, image), call.sizes)


def deep_pool(call: Call) -> Any:
    """avg_pool3d with a window along one axis alone, as local response normalisation calls it."""
    window, x = list(call["kernel_size"]), call.value(call["self"])
    single = len(window) == 3 and window[1:] == [1, 1]
    plain_call = not any(call["padding"]) and set(call["stride"] or window) == {1} and not call["divisor_override"]
    if not single or not plain_call or x.rank != 5:
        raise call.refuse(f"a window of {window} (only one along the first axis, with stride 1)")
    n, c, d, h, w = x.sizes
    image = call.arranged(call.reshaped(x, (n * c, 1, d, h * w)), IMAGE)
    y = call.emit("avg_pool2d", {"window": (window[0], 1), "stride": (1, 1)}, image)
    return call.reshaped(y, call.sizes)


ROWS = {
    **{f"aten.{name}1d": flat_pool for name in ("avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool")},
    **{f"aten.{name}1d": flat_resize for name in ("upsample_linear", "upsample_nearest", "_upsample_nearest_exact")},
    "aten.avg_pool3d": deep_pool,
}
