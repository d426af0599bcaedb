"""Writing through a view: `x[:, a:b].zero_()` changes x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bakeoff.frameworks.torch.capture._values import inverse
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call

RESHAPED = ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "_unsafe_view", "view_as", "reshape_as")
TURNED = ("permute", "transpose", "t", "mT", "adjoint", "numpy_T", "swapaxes", "swapdims", "movedim", "moveaxis")


def write_back(view: Call, base: Any, changed: Any) -> Any:
    """The base with the changed view in its place.

    Args:
        view: the call that had made the view.
        base: what it was a view of.
        changed: what the view is now.

    Raises:
        UnsupportedError: a view of another kind than a part of an axis, a reshape or a change of axes.
    """
    name = view.name.removeprefix("aten.")
    if name in ("slice", "narrow", "select"):
        return _patched(view, base, changed)
    if name in TURNED:
        return view.moved(changed, inverse(turned(view, len(base.sizes))))
    if view.overload != "dtype" and (name in RESHAPED or view.sizes == base.sizes):
        return view.reshaped(changed, base.sizes)
    raise view.refuse("what it shows is changed in place, and the whole is read later")


def turned(call: Call, rank: int) -> tuple[int, ...]:
    """The axes that a permute, a transpose or a movedim of a value of that rank puts in turn."""
    axes = list(range(rank))
    if call.name == "aten.permute":
        return tuple(axis % rank for axis in call["dims"])
    if call.name in ("aten.movedim", "aten.moveaxis"):
        pair = [[given] if isinstance(given, int) else list(given) for given in (call["source"], call["destination"])]
        return tuple(size - 1 for size in np.moveaxis(np.empty(tuple(range(1, rank + 1))), *pair).shape)
    first, second = call.get("dim0", call.get("axis0", -2)), call.get("dim1", call.get("axis1", -1))
    if rank > 1:
        axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def span(call: Call, size: int) -> tuple[int, int, int]:
    """Start, end and step of a slice, a narrow or a select of an axis of that size, as numbers within the axis."""
    if call.name == "aten.select":
        start = call["index"] % size
        return start, start + 1, 1
    if call.name == "aten.narrow":
        start = call.number(call["start"])
        if start is None:
            raise call.refuse("a start that is computed")
        return int(start) % size, int(start) % size + call["length"], 1
    start, stop, step = call["start"], call["end"], call["step"]
    first = 0 if start is None else min(start + size if start < 0 else start, size)
    last = size if stop is None else min(stop + size if stop < 0 else stop, size)
    return max(first, 0), max(last, 0), step


def _patched(view: Call, base: Any, changed: Any) -> Any:
    """The base with some places of an axis replaced."""
    axis = view["dim"] % len(base.sizes)
    size = base.sizes[axis]
    if view.builder.batch.size(size) != size:
        raise view.refuse("some images of a batch are changed")
    start, stop, step = span(view, size)
    places = np.arange(start, stop, step)
    if not places.size:
        return base
    part = view.reshaped(changed, (*base.sizes[:axis], len(places), *base.sizes[axis + 1 :]))
    if step != 1:
        return _woven(view, base, part, axis, places)
    whole = view.value(base)
    place, parts = whole.order[axis], []
    if start > 0:
        parts.append(view.emit("slice", {"axis": place, "start": 0, "stop": start, "step": 1}, whole))
    parts.append(view.arranged(part, whole.order))
    if stop < size:
        parts.append(view.emit("slice", {"axis": place, "start": stop, "stop": None, "step": 1}, whole))
    return view.emit("concat", {"axis": place}, *parts) if len(parts) > 1 else parts[0]


def _woven(view: Call, base: Any, part: Any, axis: int, places: Array) -> Any:
    """The same for every second place, or third: both in a row, and taken from there."""
    whole = view.value(base)
    table = np.arange(whole.sizes[axis])
    table[places] = whole.sizes[axis] + np.arange(len(places))
    both = view.emit("concat", {"axis": whole.order[axis]}, whole, view.arranged(part, whole.order))
    return view.taken(both, axis, table)
