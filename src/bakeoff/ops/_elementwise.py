"""What many pages say in the same words: no attributes, the shape that comes out, a lowering that is one call.

    shape = broadcasts("add")       as NumPy broadcasts; left out: same_shape
    truth = computed(np.tanh)       one function of the inputs; chained(add): x1 + x2 + ..., in torch's words, too
    to_torch = module("Tanh")       torch.nn.Tanh() under the node's name; function("exp"): torch.exp(x)
    to_keras = activation("tanh")   the layer Activation("tanh"); operation("exp"): keras.ops.exp(x)
    to_onnx = emits("Tanh")         one node
    FROM_TORCH, FROM_KERAS = raised("tanh", "aten.tanh", "ops.Tanh")
    CASES = usual()                 images and vectors; ends(4.0): many numbers; pairs(): two inputs that broadcast

A page whose operator is told anything has `Attributes` of its own (an axis alone: `Along`), and lowerings that read
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest
from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size, fixed
from bakeoff.ops._importers import torch_unary
from bakeoff.ops._importers_keras import keras_unary
from bakeoff.ops._page import Case, Mode, Scope
from bakeoff.schemas import Array

Lowering = Callable[..., Any]  # (scope, attributes, *inputs) -> output
Truth = Callable[..., Array]  # (mode, attributes, *inputs) -> output


@dataclass(frozen=True)
class Attributes:
    """Of an operator that is told nothing besides its inputs."""


NOTHING = Attributes()


@dataclass(frozen=True)
class Along:
    """`axis` counts canonically: channels last."""

    axis: int = -1


def same_shape(a: Any, x: Shape, *_: Shape) -> Shape:
    """The shape of the first input."""
    return x


def broadcasts(what: str) -> Callable[..., Shape]:
    """The shape rule of an operator of several inputs: see `broadcast`."""

    def shape(a: Any, *shapes: Shape) -> Shape:
        return broadcast(shapes, what)

    return shape


def computed(function: Callable[..., Array]) -> Truth:
    """The truth that is one function of the inputs."""

    def truth(_: Mode, a: Any, *inputs: Array) -> Array:
        return function(*inputs)

    return truth


def chained(operator: Callable[[Any, Any], Any]) -> Lowering:
    """x1 op x2 op ...: NumPy and torch say it alike."""

    def lowered(_: Mode | Scope, a: Any, *inputs: Any) -> Any:
        return reduce(operator, inputs)

    return lowered


def module(name: str, *told: str) -> Lowering:
    """torch's module of that name; its settings are these attributes, in order."""

    def to_torch(scope: Scope, a: Any, *inputs: Any) -> Any:
        settings = (getattr(a, attribute) for attribute in told)
        return scope.helper(getattr(scope.lib.nn, name)(*settings), *inputs, suffix="")

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


def layer(name: str, *told: str, **settings: Any) -> Lowering:
    """Keras's layer of that name; it is told these attributes under their own names, and settings that never change."""

    def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
        given = {attribute: getattr(a, attribute) for attribute in told} | settings
        return scope.helper(getattr(scope.lib.layers, name)(name=scope.name, **given), *inputs, suffix="")

    return to_keras


def operation(name: str, *told: str) -> Lowering:
    """The operation of that name of keras.ops; it is told these attributes under their own names."""

    def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
        return getattr(scope.lib.ops, name)(*inputs, **{attribute: getattr(a, attribute) for attribute in told})

    return to_keras


def merging(layer: str, operator: Callable[[Any, Any], Any]) -> Lowering:
    """Keras's merging layer of that name, or the operator where such layers refuse the inputs."""

    def to_keras(scope: Scope, a: Any, *inputs: Any) -> Any:
        if not mergeable(scope.shapes):
            return reduce(operator, inputs)
        return scope.helper(getattr(scope.lib.layers, layer)(name=scope.name), *inputs, suffix="")

    return to_keras


def emits(op: str) -> Lowering:
    """ONNX's operator of that name, without attributes."""

    def to_onnx(scope: Scope, a: Any, *inputs: Any) -> Any:
        return scope.emit(op, list(inputs))

    return to_onnx


def emits_along(op: str) -> Lowering:
    """ONNX's operator of that name, along the axis of an `Along`."""

    def to_onnx(scope: Scope, a: Along, *inputs: Any) -> Any:
        return scope.emit(op, list(inputs), axis=scope.axis(a.axis))

    return to_onnx


def emits_chained(op: str) -> Lowering:
    """ONNX's operator of two values, again for each further one."""

    def to_onnx(scope: Scope, a: Any, *inputs: Any) -> Any:
        return reduce(lambda left, right: scope.emit(op, [left, right]), inputs)

    return to_onnx


def along_channels(scope: Scope, vector: Any) -> Any:
    """A number for each channel along the axis where the channels lie, with axes of size 1 behind."""
    size, behind = fixed(scope.shapes[0][-1], "the number of channels"), len(scope.shapes[0]) - 1 - scope.axis(-1)
    return scope.reshape(vector, (size,), (size, *[1] * behind)) if behind else vector


def raised(op: str, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """FROM_TORCH and FROM_KERAS of a page of one value: "aten.tanh" is torch's, the others are Keras's."""
    of_torch = [name for name in names if name.startswith("aten.")]
    return dict.fromkeys(of_torch, torch_unary(op)), keras_unary(op, *(name for name in names if name not in of_torch))


def usual(positive: bool = False, told: Any = NOTHING) -> dict[str, Case]:
    """Cases of one value: images and vectors."""
    shapes = {"images": (2, 3, 4, 5), "vectors": (3, 7)}
    return {name: Case((shape,), told, positive=positive) for name, shape in shapes.items()}


def ends(scale: float = 1.0) -> dict[str, Case]:
    """A case of many numbers, for a function that is flat or straight far from 0."""
    return {"many, so that both ends are reached": Case(((4, 400),), NOTHING, scale=scale)}


def pairs(positive: bool = False, told: Any = NOTHING) -> dict[str, Case]:
    """Cases of two values that broadcast."""
    image, channel, vector = (2, 3, 4, 5), (2, 1, 1, 5), (3, 7)
    shapes = {
        "images": (image, image),
        "a channel's number for each image": (image, channel),
        "the smaller one first": (channel, image),
        "vectors": (vector, vector),
    }
    return {name: Case(both, told, positive=positive) for name, both in shapes.items()}


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
