"""Calls that only move, cut or join axes: orders composed, or pages put together; no page of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bakeoff.frameworks.torch.capture._values import Known, Value
from bakeoff.frameworks.torch.capture._views import RESHAPED, TURNED, span, turned

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call

# calls whose result is their argument of that name
NOTHING = {
    f"aten.{name}": "self"
    for name in ("contiguous", "clone", "alias", "lift_fresh", "lift_fresh_copy", "resolve_conj", "positive")
}
# calls that make a constant of a size: {name: its value; None: `fill_value`}
FACTORIES: dict[str, float | None] = {
    "aten.new_empty": 0, "aten.empty_like": 0, "aten.empty": 0, "aten.new_zeros": 0, "aten.zeros_like": 0,
    "aten.zero": 0, "aten.fill": None,
    "aten.new_ones": 1, "aten.ones_like": 1, "aten.new_full": None, "aten.full_like": None,
}  # fmt: skip


def turn(call: Call) -> Value:
    """permute, transpose and their kin, axes in another order: no node."""
    x = call.value(call["self"])
    return _moved(x, turned(call, x.rank))


def _moved(x: Value, axes: tuple[int, ...]) -> Value:
    return Value(x.ref, tuple(x.sizes[axis] for axis in axes), tuple(x.order[axis] for axis in axes), x.dtype)


def reshape(call: Call) -> Value:
    """view and its kin: the result's sizes say it all."""
    x = call.value(call["self"])
    first, *rest = call.sizes
    if len(call.sizes) == 2 and x.rank > 2 and first == x.sizes[0] and rest[0] == int(np.prod(x.sizes[1:])):
        return call.builder.flattened(x, call.path)
    return call.reshaped(x, call.sizes)


def split(call: Call) -> Any:
    """split, chunk, tensor_split: parts of the sizes that the program says."""
    x = call.value(call["self"])
    axis = call["dim"] % x.rank
    sizes = tuple(call.builder.batch.size(sizes[axis]) for sizes in call.shapes)
    if len(sizes) == 1:
        return (x,)
    found = call.emit("split", {"sizes": sizes, "axis": x.order[axis]}, x)
    return tuple(Value(one.ref, sizes, x.order, x.dtype) for one, sizes in zip(found, call.shapes, strict=True))


def unbind(call: Call) -> Any:
    """Each place of an axis on its own."""
    x = call.value(call["self"])
    axis = call["dim"] % x.rank
    count = x.sizes[axis]
    if count == 1:
        return (call.reshaped(x, call.sizes),)
    parts = call.emit("split", {"sizes": (1,) * count, "axis": x.order[axis]}, x)
    single = (*x.sizes[:axis], 1, *x.sizes[axis + 1 :])
    return tuple(call.reshaped(Value(part.ref, single, x.order, x.dtype), call.sizes) for part in parts)


def select(call: Call) -> Any:
    """One place of an axis."""
    x = call.value(call["self"])
    axis = call["dim"] % x.rank
    if call.builder.batch.size(x.sizes[axis]) != x.sizes[axis]:
        raise call.refuse("it takes one image of a batch")
    start, stop, _ = span(call, x.sizes[axis])
    part = x
    if x.sizes[axis] != 1:
        part = call.emit("slice", {"axis": x.order[axis], "start": start, "stop": stop, "step": 1}, x)
    return call.reshaped(part, call.sizes)


def slice_(call: Call) -> Any:
    """Places of an axis from start to end."""
    x = call.value(call["self"])
    axis = call["dim"] % x.rank
    size = x.sizes[axis]
    start, stop, step = span(call, size)
    if (start, stop, step) == (0, size, 1):
        return x
    if stop <= start:
        return Known(torch.empty([0 if 0 in call.sizes else 1] * x.rank), call.sizes)
    if call.builder.batch.size(size) != size:
        raise call.refuse("it takes some images of a batch")
    return call.emit(
        "slice", {"axis": x.order[axis], "start": start, "stop": None if stop == size else stop, "step": step}, x
    )


def pixel_shuffle(call: Call) -> Any:
    """Channels become pixels."""
    b, c, h, w = call.value(call["self"]).sizes
    r = call["upscale_factor"]
    return _shuffled(call, (b, c // r // r, r, r, h, w), (0, 1, 4, 2, 5, 3))


def pixel_unshuffle(call: Call) -> Any:
    """Pixels become channels."""
    b, c, h, w = call.value(call["self"]).sizes
    r = call["downscale_factor"]
    return _shuffled(call, (b, c, h // r, r, w // r, r), (0, 1, 3, 5, 2, 4))


def channel_shuffle(call: Call) -> Any:
    """Channels of g groups, dealt out in turn."""
    b, c, *rest = call.value(call["self"]).sizes
    g = call["groups"]
    return _shuffled(call, (b, g, c // g, *rest), (0, 2, 1, *range(3, 3 + len(rest))))


def _shuffled(call: Call, middle: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    return call.reshaped(_moved(call.reshaped(call["self"], middle), axes), call.sizes)


def glu(call: Call) -> Any:
    """One half times the sigmoid of the other."""
    x = call.value(call["self"])
    axis = call["dim"] % x.rank
    half = x.sizes[axis] // 2
    left, right = call.emit("split", {"sizes": (half, half), "axis": x.order[axis]}, x)
    halves = [Value(one.ref, call.sizes, x.order, x.dtype) for one in (left, right)]
    return call.emit("mul", {}, halves[0], call.emit("sigmoid", {}, halves[1]))


def copy(call: Call) -> Any:
    """x[...] = y."""
    source = call["src"]
    if source.dtype != call.dtype:
        if not isinstance(source, Known):
            raise call.refuse(f"computed numbers of {source.dtype} are written over those of {call.dtype}")
        source = source.to(call.dtype)
    return source if source.sizes == call.sizes else call.builder.expanded(call.value(source), call.sizes, call.path)


STRUCTURE = {
    **{f"aten.{name}": reshape for name in RESHAPED},
    **{f"aten.{name}": turn for name in TURNED},
    **{f"aten.{name}": split for name in ("split", "split_with_sizes", "chunk", "tensor_split")},
    **{f"aten.{name}": slice_ for name in ("slice", "narrow")},
    "aten.unbind": unbind,
    "aten.select": select,
    "aten.pixel_shuffle": pixel_shuffle,
    "aten.pixel_unshuffle": pixel_unshuffle,
    "aten.channel_shuffle": channel_shuffle,
    "aten.glu": glu,
    "aten.copy": copy,
}
