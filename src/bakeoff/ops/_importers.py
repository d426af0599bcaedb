"""What the importers of several pages share; see `bakeoff.ops._page.Call`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bakeoff.ops._page import Call, LayerCall

IMAGE = (0, 3, 1, 2)  # the canonical axes of torch's N, C, H, W

Importer = Callable[[Call], Any]


def torch_unary(op: str, argument: str = "self", **attributes: str) -> Importer:
    """A page of one value: {attribute: the argument of torch that gives it}."""

    def from_torch(call: Call) -> Any:
        given = {key: call.number(call[name]) for key, name in attributes.items()}
        return call.emit(op, given, call[argument])

    return from_torch


def torch_along(op: str) -> Importer:
    """A page of one value and an axis, which torch calls "dim"."""

    def from_torch(call: Call) -> Any:
        x = call.value(call["self"])
        return call.emit(op, {"axis": x.order[call["dim"]]}, x)

    return from_torch


def affine(call: Call | LayerCall, x: Any, scale: float = 1.0, shift: float = 0.0) -> Any:
    """x * scale + shift; nothing where that is x."""
    if (scale, shift) == (1, 0):
        return x
    return call.emit("scale_shift", {"scale": float(scale), "shift": float(shift)}, x)


Said = Callable[[float], tuple[float, float]]  # a number as a scale and a shift of the other value


def numbered(call: Call | LayerCall, x: Any, y: Any, right: Said, left: Said) -> Any:
    """Of an operator of two values, the one where the other is a number, on the right or on the left; else None."""
    for value, number, said in ((x, call.number(y), right), (y, call.number(x), left)):
        if number is not None:
            return affine(call, value, *said(number))
    return None


def torch_merged(call: Call, op: str, x: Any, y: Any) -> Any:
    """An elementwise page of two values."""
    first, second = call.aligned(x, y)
    order = first.order if first.rank >= second.rank else second.order
    return call.emit(op, {}, first, second, order=order)


def torch_pairwise(op: str) -> Importer:
    """The same for a call of "self" and "other"."""
    return lambda call: torch_merged(call, op, call["self"], call["other"])


def joined(call: Call, parts: list[Any], axis: int) -> Any:
    """Values side by side along torch's axis."""
    leader = max(parts, key=lambda part: _count(part.sizes))
    parts = [call.arranged(part, leader.order) for part in parts]
    return parts[0] if len(parts) == 1 else call.emit("concat", {"axis": leader.order[axis]}, *parts)


def _count(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def pair(given: Any) -> tuple[int, int]:
    """A number or a list of one or two, for height and width."""
    if isinstance(given, int):
        return given, given
    return int(given[0]), int(given[-1])


def symmetric(given: Any) -> tuple[int, int, int, int]:
    """torch's padding as (top, bottom, left, right)."""
    height, width = pair(given)
    return height, height, width, width


def torch_window(call: Call) -> dict[str, Any]:
    """Attributes of a call that moves a kernel: unfold, fold."""
    return {
        "kernel": pair(call["kernel_size"]),
        "stride": pair(call["stride"]),
        "pad": symmetric(call["padding"]),
        "dilation": pair(call["dilation"]),
    }


def reductions(x: Any, axes: Any, keepdims: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Canonical axes of a reduction over torch's axes (None or []: all), and the order of what is left."""
    chosen = sorted({axis % x.rank for axis in axes}) if axes else list(range(x.rank))
    canonical = tuple(sorted(x.order[axis] for axis in chosen))
    if keepdims:
        return canonical, x.order
    left = [place for axis, place in enumerate(x.order) if axis not in chosen]
    ranks = sorted(left)
    return canonical, tuple(ranks.index(place) for place in left)


def reaching(
    before: Any, after: Any, window: tuple[int, int], stride: tuple[int, int], pads: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Pads with as many elements more at the bottom and right as ceil_mode's last windows reach beyond."""
    ends = []
    for axis in (0, 1):
        start, end = pads[2 * axis], pads[2 * axis + 1]
        needed = (after[axis] - 1) * stride[axis] + window[axis] - before[axis] - start
        ends += [start, max(end, needed)]
    return ends[0], ends[1], ends[2], ends[3]


def as_row(call: Call, x: Any) -> Any:
    """Elements in a row, (N, C, L) or (C, L), as an image of one row."""
    sizes = (1,) * (3 - x.rank) + x.sizes
    return call.arranged(call.reshaped(x, (*sizes[:2], 1, sizes[2])), IMAGE)


def windowed(call: Call) -> tuple[Any, tuple[int, int], Callable[[str, int], tuple[int, int]]]:
    """What windows move over as an image, the size of the result, and a setting of the call for height and width.

    Along a row the setting is asked for with that of the height.
    """
    x = call.value(call["self"])
    if call.name.endswith("1d"):
        return as_row(call, x), (1, call.sizes[-1]), lambda name, height: (height, pair(call[name])[0])
    return call.arranged(x, IMAGE), (call.sizes[-2], call.sizes[-1]), lambda name, _: pair(call[name])
