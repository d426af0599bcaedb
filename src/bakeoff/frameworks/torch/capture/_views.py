"""Writing through a view: `x[:, a:b].zero_()` changes x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def write_back(view: Call, base: Any, changed: Any) -> Any:
    """The base with the changed view in its place.

    Args:
        view: the call that had made the view.
        base: what it was a view of.
        changed: what the view is now.

    Raises:
        UnsupportedError: a view of another kind than a slice, a reshape or a change of axes.
    """
    if view.name == "aten.slice" and view["step"] == 1:
        return _sliced(view, base, changed)
    if view.name in ("aten.view", "aten.reshape", "aten.flatten", "aten.squeeze", "aten.unsqueeze", "aten.alias"):
        return view.reshaped(changed, base.sizes)
    if view.name == "aten.select":
        axis = view["dim"] % len(base.sizes)
        sizes = (*base.sizes[:axis], 1, *base.sizes[axis + 1 :])
        start = view["index"] % base.sizes[axis]
        return _patched(view, base, view.reshaped(changed, sizes), axis, start, start + 1)
    raise view.refuse("what it shows is changed in place, and the whole is read later")


def _sliced(view: Call, base: Any, changed: Any) -> Any:
    axis = view["dim"] % len(base.sizes)
    size = base.sizes[axis]
    start, stop = bounds(view["start"], view["end"], size)
    return _patched(view, base, changed, axis, start, stop)


def bounds(start: int | None, stop: int | None, size: int) -> tuple[int, int]:
    """torch's start and end of a slice, as numbers within the axis."""
    first = 0 if start is None else min(start + size if start < 0 else start, size)
    last = size if stop is None else min(stop + size if stop < 0 else stop, size)
    return max(first, 0), max(last, 0)


def _patched(view: Call, base: Any, changed: Any, axis: int, start: int, stop: int) -> Any:
    whole = view.value(base)
    place, parts = whole.order[axis], []
    if start > 0:
        parts.append(view.emit("slice", {"axis": place, "start": 0, "stop": start, "step": 1}, whole))
    parts.append(view.arranged(changed, whole.order))
    if stop < whole.sizes[axis]:
        parts.append(view.emit("slice", {"axis": place, "start": stop, "stop": None, "step": 1}, whole))
    return view.emit("concat", {"axis": place}, *parts) if len(parts) > 1 else parts[0]
