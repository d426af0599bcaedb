"""Calls that are a few pages one after the other: formulas, no page of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bakeoff.frameworks.torch.capture._values import Condition, Known
from bakeoff.ops._importers import affine, reductions, torch_merged

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def addcmul(call: Call) -> Any:
    """x + value * y * z, or x + value * y / z."""
    op = "mul" if call.name == "aten.addcmul" else "div"
    term = torch_merged(call, op, call["tensor1"], call["tensor2"])
    return torch_merged(call, "add", call["self"], affine(call, term, scale=call.number(call["value"]) or 0))


def lerp(call: Call) -> Any:
    """x + weight * (end - x)."""
    way = torch_merged(call, "sub", call["end"], call["self"])
    weight = call.number(call["weight"])
    step = torch_merged(call, "mul", way, call["weight"]) if weight is None else affine(call, way, scale=weight)
    return torch_merged(call, "add", call["self"], step)


# conditions: numbers that are larger than a bound, for `where` -------------------------------------------------------


def compared(call: Call) -> Any:
    """x > y as x - y > 0, and what follows from it."""
    x, y, kind = call["self"], call["other"], call.name.removeprefix("aten.")
    bound = call.number(y)
    larger = kind in ("gt", "greater", "le", "less_equal")
    if bound is not None and larger:
        return Condition(call.value(x), float(bound), kind in ("le", "less_equal"), call.sizes)
    if bound is not None:  # x < c as -x > -c
        return Condition(call.emit("neg", {}, x), -float(bound), kind in ("ge", "greater_equal"), call.sizes)
    way = torch_merged(call, "sub", x, y) if larger else torch_merged(call, "sub", y, x)
    return Condition(way, 0.0, kind in ("le", "less_equal", "ge", "greater_equal"), call.sizes)


def inverted(call: Call) -> Any:
    """not (x > y)."""
    given = call["self"]
    if not isinstance(given, Condition):
        raise call.refuse("truth values that are computed")
    return Condition(given.value, given.above, not given.opposite, given.sizes)


def combined(call: Call) -> Any:
    """x > y and z > w, or either: the smaller or the larger of both as numbers, above one half."""
    if call.dtype != torch.bool:
        raise call.refuse("numbers bit by bit")
    numbers = [call.value(_number(call, call[name])) for name in ("self", "other")]
    op = "minimum" if call.name.endswith("and") or call.name == "aten.__and__" else "maximum"
    return Condition(torch_merged(call, op, *numbers), 0.5, False, call.sizes)


def _number(call: Call, given: Any) -> Any:
    """Truth values as 0 and 1 of the default precision; a condition becomes them by itself."""
    if isinstance(given, Known):
        return given.to(torch.get_default_dtype())
    if not isinstance(given, Condition):
        raise call.refuse("truth values that are computed")
    return given


def threshold(call: Call) -> Any:
    """x where it is above the threshold, else a value."""
    x = call.value(call["self"])
    condition = Condition(x, float(call.number(call["threshold"]) or 0), False, call.sizes)
    return call.chosen(condition, x, call.filled(call["value"]))


def hardshrink(call: Call) -> Any:
    """0 where |x| is at most lambda, else x."""
    x = call.value(call["self"])
    condition = Condition(call.emit("abs", {}, x), float(call.number(call["lambd"]) or 0), False, call.sizes)
    return call.chosen(condition, x, call.filled(0.0))


def softshrink(call: Call) -> Any:
    """x less what of it lies within lambda."""
    x, bound = call.value(call["self"]), float(call.number(call["lambd"]) or 0)
    return call.emit("sub", {}, x, call.emit("clamp", {"low": -bound, "high": bound, "ties": "first"}, x))


# exponentials and logarithms -----------------------------------------------------------------------------------------


def logsumexp(call: Call) -> Any:
    """log(sum(exp(x - max))) + max."""
    x = call.value(call["self"])
    axes, order = reductions(x, call["dim"], True)
    common = {"axes": axes, "keepdims": True}
    top = call.emit("reduce_max", common, x)
    total = call.emit("reduce_sum", common, call.emit("exp", {}, torch_merged(call, "sub", x, top)), order=order)
    return call.reshaped(torch_merged(call, "add", call.emit("log", {}, total), top), call.sizes)


# products and norms --------------------------------------------------------------------------------------------------


def dot(call: Call) -> Any:
    """The sum of the products of two vectors."""
    product = torch_merged(call, "mul", call["self"], call["other"] if "other" in call.arguments else call["tensor"])
    return call.emit("reduce_sum", {"axes": (0,), "keepdims": False}, product, order=())


def triangle(call: Call) -> Any:
    """What lies below a diagonal, or above it: a product with a constant mask."""
    mask = np.ones(call.sizes[-2:], np.dtype(str(call.dtype).removeprefix("torch.")))
    cut = np.tril if call.name == "aten.tril" else np.triu
    return torch_merged(call, "mul", call["self"], call.known(cut(mask, call["diagonal"])))


def cosine_similarity(call: Call) -> Any:
    """The product of two values over the product of their norms, each at least eps."""
    x, y = call.aligned(call["x1"], call["x2"])
    norms = []
    for value in (x, y):
        axes, order = reductions(value, [call["dim"]], False)
        norm = call.emit("reduce_norm", {"axes": axes, "keepdims": False, "p": 2.0}, value, order=order)
        norms.append(call.emit("clamp", {"low": call["eps"], "high": None}, norm))
    product = torch_merged(call, "mul", x, y)
    axes, order = reductions(product, [call["dim"]], False)
    total = call.emit("reduce_sum", {"axes": axes, "keepdims": False}, product, order=order)
    return torch_merged(call, "div", total, torch_merged(call, "mul", *norms))


COMPOSED = {
    **{f"aten.{name}": compared for name in ("gt", "lt", "ge", "le", "greater", "less", "greater_equal", "less_equal")},
    **{f"aten.{name}": inverted for name in ("logical_not", "bitwise_not")},
    **{
        f"aten.{name}": combined
        for name in ("logical_and", "bitwise_and", "__and__", "logical_or", "bitwise_or", "__or__")
    },
    **{f"aten.{name}": dot for name in ("dot", "vdot")},
    **{f"aten.{name}": triangle for name in ("tril", "triu")},
    "aten.addcmul": addcmul,
    "aten.addcdiv": addcmul,
    "aten.lerp": lerp,
    "aten.threshold": threshold,
    "aten.hardshrink": hardshrink,
    "aten.softshrink": softshrink,
    "aten.logsumexp": logsumexp,
    "aten.cosine_similarity": cosine_similarity,
}
