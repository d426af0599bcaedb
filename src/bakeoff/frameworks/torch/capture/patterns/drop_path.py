"""Stochastic depth and dropout written by hand: a random mask times a value.

    x * x.new_empty(shape).bernoulli_(keep).div_(keep)                timm's DropPath, torchvision's StochasticDepth
    x.div(keep) * floor(rand(shape) + keep), x * (rand(shape) < keep) / keep, ...

A mask with one number for each image is drop_path, another one that broadcasts over the value is dropout. What the mask
keeps is read from the program, so rate and scale are the module's own. Whatever is none of it is Unexplained, and drawn
as a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isclose, prod
from typing import TYPE_CHECKING, Any

from bakeoff.frameworks.torch.capture._values import NOT_MINE, Noise, Unexplained

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def bernoulli(call: Call) -> Any:
    """0 and 1; the probability of 1 is an argument, or all elements of a constant tensor."""
    keep = call.alike(call["self"] if call.get("p") is None else call["p"])
    if keep is None or call.key in call.builder.drawn_values:
        return NOT_MINE
    return Noise(call.sizes, call.dtype, keep, key=call.key)


def uniform(call: Call) -> Any:
    """Numbers from 0 to 1."""
    if (call.get("from", 0), call.get("to", 1)) != (0, 1) or call.key in call.builder.drawn_values:
        return NOT_MINE
    return Noise(call.sizes, call.dtype, key=call.key)


def shifted(call: Call) -> Any:
    """rand + keep: floor gives 1 with the probability `keep`."""
    noise, number = _parted(call, "self", "other")
    if noise is None or noise.keep is not None or number is None:
        return NOT_MINE
    return replace(noise, shift=noise.shift + number)


def floored(call: Call) -> Any:
    """floor(rand + keep)."""
    noise = call["self"]
    if not isinstance(noise, Noise) or noise.keep is not None or not 0 <= noise.shift <= 1:
        return NOT_MINE
    return replace(noise, keep=noise.shift, above=1 - noise.shift)


def compared(call: Call) -> Any:
    """rand < keep, or rand >= rate."""
    noise, number = _parted(call, "self", "other")
    if noise is None or noise.keep is not None or number is None or noise.shift:
        return NOT_MINE
    below = call.name in ("aten.lt", "aten.le", "aten.less")
    return replace(noise, keep=number if below else 1 - number, above=number, opposite=below)


def passed_on(call: Call) -> Any:
    """The mask in another shape or kind of number."""
    noise = call[next(iter(call.arguments))]
    if not isinstance(noise, Noise):
        return NOT_MINE
    if call.name.startswith("aten.expand"):  # it broadcasts anyway
        return replace(noise, sizes=(1,) * (len(call.sizes) - len(noise.sizes)) + noise.sizes)
    if call.name.removeprefix("aten.") in KINDS:
        return replace(noise, dtype=call.dtype)
    if prod(call.sizes) != prod(noise.sizes):  # of numbers that were repeated
        raise Unexplained(noise.key)
    return replace(noise, sizes=call.sizes, dtype=call.dtype)


def divided(call: Call) -> Any:
    """mask / keep; or (x * mask) / keep, which is done already."""
    if call.node in call.builder.settled:
        return call["self"]
    noise, number = _parted(call, "self", "other")
    if noise is None or noise is call["other"] or number is None or noise.keep is None:
        return NOT_MINE
    return _scaled(call, noise, 1 / number)


def multiplied(call: Call) -> Any:
    """mask / keep as a product; or x * mask, which is what it is all about."""
    if call.node in call.builder.settled:
        return call["self"] if call.number(call["self"]) is None else call["other"]
    noise, number = _parted(call, "self", "other")
    if noise is None or noise.keep is None:
        return NOT_MINE
    if number is not None:
        return _scaled(call, noise, number)
    value = call["other"] if noise is call["self"] else call["self"]
    return _dropped(call, call.value(value), noise)


def _parted(call: Call, *names: str) -> tuple[Noise | None, float | None]:
    """The random one of two arguments, and the number that the other is."""
    given = [call[name] for name in names]
    noise = next((one for one in given if isinstance(one, Noise)), None)
    return noise, next((n for n in map(call.number, (g for g in given if g is not noise)) if n is not None), None)


def _scaled(call: Call, noise: Noise, factor: float) -> Any:
    if noise.scaled or noise.keep is None or not isclose(factor * noise.keep, 1, rel_tol=1e-6):
        raise Unexplained(noise.key)
    return replace(noise, scaled=True)


def _dropped(call: Call, value: Any, noise: Noise) -> Any:
    keep = noise.keep or 0.0
    if keep == 1:
        return value
    if not noise.scaled:
        value = _unscaled(call, value, keep, noise)
    return _spread(call, value, noise, 1 - keep)


def _unscaled(call: Call, value: Any, keep: float, noise: Noise) -> Any:
    """The value before its own division by `keep`, which came first or comes next."""
    node = call.builder.nodes.get(value.ref.node)
    if node is not None and node.op == "scale_shift" and isclose(node.attributes.scale * keep, 1, rel_tol=1e-6):
        return replace(value, ref=node.inputs[0])
    users = list(call.node.users)
    if len(users) == 1 and _divides(users[0], call.node, keep):
        call.builder.settled.add(users[0])
        return value
    raise Unexplained(noise.key)


def _divides(user: Any, node: Any, keep: float) -> bool:
    name = str(user.target).split(".")[1].rstrip("_") if "." in str(user.target) else ""
    numbers = [one for one in user.args if isinstance(one, int | float)]
    if node not in user.args or len(numbers) != 1 or name not in ("div", "mul"):
        return False
    factor = 1 / numbers[0] if name == "div" else numbers[0]
    return isclose(factor * keep, 1, rel_tol=1e-6)


def _spread(call: Call, value: Any, noise: Noise, rate: float) -> Any:
    lead = (1,) * (value.rank - len(noise.sizes)) + noise.sizes
    axes = [axis for axis, (size, own) in enumerate(zip(lead, value.sizes, strict=False)) if size == 1 != own]
    if value.sizes != call.sizes or any(size not in (1, own) for size, own in zip(lead, value.sizes, strict=True)):
        raise Unexplained(noise.key)
    if lead == (value.sizes[0], *(1 for _ in value.sizes[1:])):
        value = value if value.order[0] == 0 else call.arranged(value)
        return call.emit("drop_path", {"rate": rate}, value, noise=noise)
    shared = tuple(sorted(value.order[axis] for axis in axes))
    return call.emit("dropout", {"rate": rate, "shared": shared}, value, noise=noise)


KINDS = ("to", "_to_copy", "type_as", "contiguous", "clone", "detach", "float")
SHAPES = ("view", "reshape", "unsqueeze", "squeeze", "expand", "expand_as", "flatten", *KINDS)
CALLS: dict[str, Callable[[Call], Any]] = {
    **{f"aten.{name}": passed_on for name in SHAPES},
    **{f"aten.{name}": uniform for name in ("rand", "rand_like", "uniform")},
    **{f"aten.{name}": compared for name in ("lt", "le", "less", "gt", "ge", "greater")},
    "aten.bernoulli": bernoulli,
    "aten.add": shifted,
    "aten.floor": floored,
    "aten.div": divided,
    "aten.mul": multiplied,
}
