"""batch_norm: shift and scale each channel to mean 0 and variance 1 over the batch, then by learned scale and offset.

Shape    x (..., C), scale, offset, mean, variance (C,)  ->  y (..., C)

Formula  train, statistics "batch":   m, v = mean and biased variance of x over all axes but the last
                                      y = (x - m) / sqrt(v + epsilon) * scale + offset
                                      mean <- (1 - momentum) mean + momentum m
                                      variance <- (1 - momentum) variance + momentum v'
                                      v' = v n / (n - 1) if variance is "unbiased", n: elements a channel; v if "biased"
         predict, or statistics "frozen": the same with the running mean and variance, which stay
         Ioffe and Szegedy, 2015, algorithms 1 and 2

Laws     train: y has mean offset and standard deviation scale (but for epsilon); y(x a + b) = y(x) for a > 0

Traps    momentum   torch's weighs the new value, Keras's the old one: keras = 1 - torch (here: torch's)
         epsilon    1e-5 by default in torch, 1e-3 in Keras
         variance   torch keeps the unbiased batch variance, Keras the biased one, and both divide by the biased one:
                    the same net and the same steps part in evaluation mode (n = 2: by a factor of 2)
         frozen     torch has no such mode: net.train() unfreezes; Keras freezes by trainable=False alone: a
                    training=False given when the model is built is ignored once an outer call trains
         n = 1      torch refuses to train on one value per channel; unbiased variance would divide by 0
         float64    Keras on JAX computes the mean in float32, unless its promotion table is mended
         sums       TensorFlow's kernel adds a channel's elements one after the other, and so does torch's where
                    channels lie last in memory: over equal elements the errors point one way. On MNIST's flat
                    background the mean was 4e-4 off and gradients 1e-3; small images are summed in stages here
                    (tests/frameworks)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.ops._dimension import Shape, fixed
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Native, Scope, Slot, roundings
from bakeoff.schemas import Array

LAYOUT = "spatial"
FEATURES = dict.fromkeys(("scale", "offset", "mean", "variance"), "c")


@dataclass(frozen=True)
class Attributes:
    """`momentum` weighs the new value, as in torch. `affine`: scale and offset, one of the two, or neither."""

    epsilon: float = 1e-5
    momentum: float = 0.1
    affine: bool | Literal["scale", "offset"] = True
    variance: Literal["unbiased", "biased"] = "unbiased"
    statistics: Literal["batch", "frozen"] = "batch"

    @property
    def learned(self) -> tuple[str, ...]:
        """The slots that are learned."""
        return ("scale", "offset") if self.affine is True else (self.affine,) if self.affine else ()


def parameters(a: Attributes, x: Shape, *_: Shape) -> dict[str, Slot]:
    size = (fixed(x[-1], "batch_norm: the number of channels"),)
    learned = {slot: Slot(size) for slot in a.learned}
    return {**learned, "mean": Slot(size, "state"), "variance": Slot(size, "state")}


def keeps_state(a: Attributes) -> bool:
    return a.statistics == "batch"


def truth(
    mode: Mode,
    a: Attributes,
    x: Array,
    *,
    mean: Array,
    variance: Array,
    scale: Array | None = None,
    offset: Array | None = None,
) -> Array:
    if mode.train and keeps_state(a):
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axes), x.var(axes)
    y: Array = (x - mean) / np.sqrt(variance + np.asarray(a.epsilon, x.dtype))
    y = y if scale is None else y * scale
    return y if offset is None else y + offset


def update(mode: Mode, a: Attributes, x: Array, *, mean: Array, variance: Array, **_: Array) -> dict[str, Array]:
    if not (mode.train and keeps_state(a)):
        return {"mean": mean, "variance": variance}
    axes, m = tuple(range(x.ndim - 1)), np.asarray(a.momentum, x.dtype)
    n = x.size // x.shape[-1]
    correction = n / (n - 1) if a.variance == "unbiased" else 1.0
    return {
        "mean": (1 - m) * mean + m * x.mean(axes),
        "variance": (1 - m) * variance + m * x.var(axes) * np.asarray(correction, x.dtype),
    }


def native(a: Attributes, x: Shape, *_: Shape) -> dict[str, dict[str, Native]]:
    torch = {"scale": "weight", "offset": "bias", "mean": "running_mean", "variance": "running_var"}
    keras = {"scale": "gamma", "offset": "beta", "mean": "moving_mean", "variance": "moving_variance"}
    return {
        library: {slot: Native(names[slot], "c -> c") for slot in parameters(a, x)}
        for library, names in (("torch", torch), ("keras", keras))
    }


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    channels = scope.shapes[0][-1]
    rank = len(scope.shapes[0])
    if a.variance == "unbiased" and a.statistics == "batch" and isinstance(a.affine, bool):
        kind = scope.lib.nn.BatchNorm2d if rank == 4 else scope.lib.nn.BatchNorm1d
        return scope.module(kind(channels, a.epsilon, a.momentum, a.affine), x)
    kind = scope.own.BatchNorm
    return scope.module(
        kind(channels, a.epsilon, a.momentum, a.affine, variance=a.variance, statistics=a.statistics), x
    )


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    common = {
        "momentum": 1 - a.momentum,
        "epsilon": a.epsilon,
        "center": "offset" in a.learned,
        "scale": "scale" in a.learned,
        "name": scope.name,
    }
    stock = scope.batch_norm == "stock"
    # the stock layer's momentum passes through float32, and 16 bits mixed in would reach its scale and offset
    plain = a.variance == "biased" and scope.dtype != "float64" and not scope.mixed
    if a.statistics == "batch" and (stock or plain):
        return scope.module(scope.lib.layers.BatchNormalization(**common), x)
    if stock:  # frozen: Keras's own layer runs on its statistics once it is not trainable
        return scope.module(scope.lib.layers.BatchNormalization(trainable=False, **common), x)
    return scope.module(scope.own.BatchNorm(variance=a.variance, statistics=a.statistics, **common), x)


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    channels = fixed(scope.shapes[0][-1], "batch_norm: the number of channels")
    scale = (
        scope.parameter("scale", "c -> c") if "scale" in a.learned else scope.constant(np.ones(channels, scope.dtype))
    )
    offset = (
        scope.parameter("offset", "c -> c")
        if "offset" in a.learned
        else scope.constant(np.zeros(channels, scope.dtype))
    )
    inputs = [x, scale, offset, scope.parameter("mean", "c -> c"), scope.parameter("variance", "c -> c")]
    return scope.emit("BatchNormalization", inputs, epsilon=a.epsilon)


def from_torch(call: Call) -> Any:
    if (call["weight"] is None) != (call["bias"] is None):
        raise call.refuse("a scale without an offset, or the reverse")
    names = {"scale": "weight", "offset": "bias", "mean": "running_mean", "variance": "running_var"}
    slots = {slot: call.parameter(name) for slot, name in names.items() if call[name] is not None}
    attributes = {
        "epsilon": call["eps"],
        "momentum": call["momentum"],
        "affine": call["weight"] is not None,
        "statistics": "batch" if call["training"] else "frozen",
    }
    return call.emit("batch_norm", attributes, call.last(call["input"], (1,)), parameters=slots)


FROM_TORCH = {"aten.batch_norm": from_torch}


def from_keras(call: LayerCall) -> Any:
    """Keras weighs the old value by its momentum, keeps the biased variance, and freezes by trainable=False alone."""
    layer, x = call.layer, call.inputs[0]
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis % x.rank != x.rank - 1:
        raise call.refuse(f"it normalises axis {layer.axis}", "Only the last axis is known: channels last.")
    if getattr(layer, "renorm", False):
        raise call.refuse("batch renormalisation", "Build the layer with renorm=False.")
    if getattr(layer, "synchronized", False):
        call.note("synchronized=True: statistics are those of one device here")
    both = {"scale": layer.gamma if layer.scale else None, "offset": layer.beta if layer.center else None}
    learned = [slot for slot, variable in both.items() if variable is not None]
    attributes = {
        "epsilon": layer.epsilon,
        "momentum": 1 - layer.momentum,
        "affine": learned[0] if len(learned) == 1 else bool(learned),
        "variance": "biased",
        "statistics": "batch" if layer.trainable and call.trains else "frozen",
    }
    slots = {**both, "mean": layer.moving_mean, "variance": layer.moving_variance}
    return call.emit("batch_norm", attributes, x, parameters=slots)


FROM_KERAS = {"layers.BatchNormalization": from_keras}
CASES = {
    "predict": Case(((3, 4, 5, 6),), Attributes()),
    "train": Case(((3, 4, 5, 6),), Attributes(), train=True),
    "train as Keras does": Case(((2, 2, 1, 4),), Attributes(1e-3, 0.01, variance="biased"), train=True),
    "train, few elements": Case(((2, 1, 1, 4),), Attributes(momentum=0.5, epsilon=0.1), train=True),
    "train, frozen": Case(((3, 4, 5, 6),), Attributes(statistics="frozen"), train=True),
    "no scale, no offset": Case(((3, 2, 2, 4),), Attributes(affine=False), train=True),
    "no scale, as Inception has it": Case(((3, 2, 2, 4),), Attributes(affine="offset"), train=True),
    "no offset": Case(((3, 2, 2, 4),), Attributes(affine="scale", variance="biased"), train=True),
    "vectors": Case(((5, 4),), Attributes(), train=True),
    "tokens": Case(((3, 5, 4),), Attributes(), train=True),
    "tokens, as Keras does": Case(((3, 5, 4),), Attributes(variance="biased"), train=True),
}
# epsilon and a variance of few elements divide: the error of 1 / sqrt(v) is a few ulps of x / sqrt(v), which the cases
# keep below 20
TOLERANCE = roundings(60)
MUTATIONS: dict[str, Any] = {
    "epsilon": 1e-3,
    "momentum": 0.9,
    "variance": "biased",
    "statistics": "batch",
    "affine": False,
}
SHOWN = {
    "momentum": ("train, few elements",),
    "epsilon": ("train as Keras does",),
    "variance": ("train", "train as Keras does"),
    "frozen": ("train, frozen",),
    "n = 1": ("train, few elements",),
    "float64": ("train",),
}
