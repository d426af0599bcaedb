"""What many pages say in the same words: no attributes, the shape that comes out, a lowering that is one call.

    shape = same_shape              or shape = broadcasts("add"): as NumPy broadcasts
    to_torch = module("Tanh")       torch.nn.Tanh() under the node's name; function("exp"): torch.exp(x)
    to_keras = activation("tanh")   the layer Activation("tanh"); operation("exp"): keras.ops.exp(x)
    to_onnx = emits("Tanh")         one node

A page whose operator is told anything has `Attributes` of its own, and lowerings that read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size
from bakeoff.ops._page import Scope

Lowering = Callable[..., Any]  # (scope, attributes, *inputs) -> output


@dataclass(frozen=True)
class Attributes:
    """Of an operator that is told nothing besides its inputs."""


def same_shape(a: Any, x: Shape, *_: Shape) -> Shape:
    """The shape of the first input."""
    return x


def broadcasts(what: str) -> Callable[..., Shape]:
    """The shape rule of an operator of several inputs: see `broadcast`."""

    def shape(a: Any, *shapes: Shape) -> Shape:
        return broadcast(shapes, what)

    return shape


def module(name: str) -> Lowering:
    """torch's module of that name, without settings."""

    def to_torch(scope: Scope, a: Any, *inputs: Any) -> Any:
        return scope.helper(getattr(scope.lib.nn, name)(), *inputs, suffix="")

    return to_torch


def function(name: str) -> Lowering:
    """torch's function of that name."""

    def to_torch(scope: Scope, a: Any, *inputs: Any) -> Any:
        return getattr(scope.lib, name)(*inputs)

    return to_torch


def activation(name: str) -> Lowering:
    """Keras's layer Activation of that name."""

    def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
        return scope.helper(scope.lib.layers.Activation(name, name=scope.name), *inputs, suffix="")

    return to_keras


def operation(name: str) -> Lowering:
    """The operation of that name of keras.ops."""

    def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
        return getattr(scope.lib.ops, name)(*inputs)

    return to_keras


def emits(op: str) -> Lowering:
    """ONNX's operator of that name, without attributes."""

    def to_onnx(scope: Scope, a: Any, *inputs: Any) -> Any:
        return scope.emit(op, list(inputs))

    return to_onnx


def broadcast(shapes: tuple[Shape, ...], what: str) -> Shape:
    """The common shape; axes are matched from the last, and an axis of 1 takes the size of the others.

    Raises:
        UnsupportedError: two sizes differ and none is 1.
    """

    def both(left: Size, right: Size) -> Size:
        if left == right or right == 1:
            return left
        if left == 1:
            return right
        raise UnsupportedError(
            f"{what}: the shapes {' and '.join(map(str, shapes))} don't fit; sizes must agree or be 1"
        )

    def pair(left: Shape, right: Shape) -> Shape:
        sizes = [both(a, b) for a, b in zip_longest(reversed(left), reversed(right), fillvalue=1)]
        return tuple(reversed(sizes))

    return reduce(pair, shapes)


def mergeable(shapes: tuple[Shape, ...]) -> bool:
    """Whether Keras's merging layers take them: of one rank, and of one batch size."""
    return len({len(shape) for shape in shapes}) == 1 and len({shape[0] for shape in shapes}) == 1
