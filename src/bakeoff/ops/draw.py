"""draw: random numbers as a value, drawn once in a training pass for all that read it.

Shape    x  ->  y of the same shape, of size 1 along the axes `shared`; nothing of x counts but its shape
         train     bernoulli: 1 with probability 1 - rate, else 0; uniform: from 0 to 1; normal: mean 0, deviation 1
         predict   1, 0.5, 0: nothing is drawn

Laws     no two draws are one, whatever they are told; nothing flows back; a mask that two values read is the same mask

Traps    rate    of one draw nothing can be told: draws are compared on their own, as kind, shape and rate
         torch   F.dropout(torch.ones(...)) is this, a mask to be multiplied; jit.script draws by another kernel
         keras   no stock layer draws alone: Dropout on ones, GaussianNoise on zeros; uniform numbers are those of the
                 normal distribution's own function at normal ones
         onnx    predicts alone: a constant
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape
from bakeoff.ops._importers import affine, torch_merged
from bakeoff.ops._noise import check_rate
from bakeoff.ops._page import Call, Case, LayerCall, Mode, Scope
from bakeoff.schemas import Array

DRAWS = "numbers"
STOPS = True  # nothing flows back to the value whose shape it takes
PREDICTED = {"bernoulli": 1.0, "uniform": 0.5, "normal": 0.0}
ALPHA = 1.6732632423543772848170429916717 * 1.0507009873554804934193349852946  # of selu: where it ends on the left


@dataclass(frozen=True)
class Attributes:
    """`shared`: canonical axes along which there is one number; `rate` is bernoulli's alone."""

    kind: Literal["bernoulli", "uniform", "normal"] = "bernoulli"
    rate: float = 0.0
    shared: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_rate(self.rate, "draw")


def shape(a: Attributes, x: Shape, *_: Shape) -> Shape:
    return tuple(1 if axis in a.shared else size for axis, size in enumerate(x))


def mask_shape(x: tuple[int, ...], a: Attributes | None = None) -> tuple[int, ...]:
    """All numbers of it."""
    return x


def truth(mode: Mode, a: Attributes, x: Array) -> Array:
    wanted = tuple(1 if axis in a.shared else size for axis, size in enumerate(x.shape))
    if not mode.train:
        return np.full(wanted, PREDICTED[a.kind], x.dtype)
    if mode.mask is None:
        raise UnsupportedError("draw: the truth of a training pass needs Mode(mask=...)")
    return mode.mask(wanted, 1 - a.rate).astype(x.dtype)


def to_torch(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    shared = tuple(sorted(scope.axis(axis) for axis in a.shared))
    return scope.helper(scope.own.Draw(a.kind, a.rate, shared), x, suffix="")


def to_keras(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    ops, layers = scope.lib.ops, scope.lib.layers
    shared = {scope.axis(axis) for axis in a.shared}
    part = x[tuple(slice(0, 1) if axis in shared else slice(None) for axis in range(len(x.shape)))] if shared else x
    if a.kind == "bernoulli":
        return ops.sign(scope.helper(layers.Dropout(a.rate, name=scope.name), ops.ones_like(part), suffix=""))
    drawn = scope.helper(layers.GaussianNoise(1.0, name=scope.name), ops.zeros_like(part), suffix="")
    return drawn if a.kind == "normal" else ops.erf(drawn * math.sqrt(0.5)) * 0.5 + 0.5


def to_onnx(scope: Scope, a: Attributes, x: Any, *_: Any) -> Any:
    kept = [int(axis not in {scope.axis(one) for one in a.shared}) for axis in range(len(scope.shapes[0]))]
    sizes = scope.emit("Mul", [scope.emit("Shape", [x]), scope.constant(np.array(kept, np.int64))])
    sizes = scope.emit("Add", [sizes, scope.constant(1 - np.array(kept, np.int64))])
    return scope.emit("Expand", [scope.constant(np.asarray(PREDICTED[a.kind], scope.dtype)), sizes])


# torch ---------------------------------------------------------------------------------------------------------------


def from_bernoulli(call: Call) -> Any:
    keep = call.alike(call["self"] if call.get("p") is None else call["p"])
    if keep is None:
        raise call.refuse("random numbers with probabilities that are computed")
    return call.drawn("bernoulli", 1 - keep)


def from_uniform(call: Call) -> Any:
    low, high = float(call.get("from", 0)), float(call.get("to", 1))
    return affine(call, call.drawn("uniform"), high - low, low)


def from_normal(call: Call) -> Any:
    mean, deviation = call.number(call.get("mean", 0)), call.number(call.get("std", 1))
    if mean is None or deviation is None:
        raise call.refuse("normal numbers whose mean or deviation is computed")
    return affine(call, call.drawn("normal"), deviation, mean)


def from_alpha(call: Call) -> Any:
    """alpha_dropout: what is dropped becomes selu's left end; mean and deviation stay. Or whole channels of it."""
    x, rate = call.value(call["input"]), float(call["p"])
    if not call["train"] or not rate:
        return x
    shared = tuple(x.order[2:]) if "feature" in call.name else ()
    scale = 1 / math.sqrt((ALPHA**2 * rate + 1) * (1 - rate))
    return alpha(call, x, call.drawn("bernoulli", rate, x, shared), scale, scale * ALPHA * rate)


def alpha(call: Any, x: Any, kept: Any, scale: float, shift: float) -> Any:
    """scale (x where it is kept, else -ALPHA) + shift."""
    dropped = affine(call, kept, scale * ALPHA, shift - scale * ALPHA)
    product = affine(call, call.emit("mul", {}, x, kept), scale)
    return call.emit("add", {}, product, dropped)


def from_rrelu(call: Call) -> Any:
    """A leaky relu: of drawn slopes in training, of the middle one in prediction."""
    x, low, high = call.value(call["self"]), float(call["lower"]), float(call["upper"])
    if not call["training"]:
        return call.emit("leaky_relu", {"slope": (low + high) / 2}, x)
    slopes = affine(call, call.drawn("uniform", like=x), high - low, low)
    return call.emit("where", {"above": 0.0}, x, x, torch_merged(call, "mul", x, slopes))


FROM_TORCH = {
    "aten.bernoulli": from_bernoulli,
    **{f"aten.{name}": from_uniform for name in ("rand", "rand_like", "uniform")},
    **{f"aten.{name}": from_normal for name in ("randn", "randn_like", "normal", "normal_functional")},
    **{f"aten.{name}": from_alpha for name in ("alpha_dropout", "feature_alpha_dropout")},
    "aten.rrelu": from_rrelu,
}


# Keras ---------------------------------------------------------------------------------------------------------------


def switched(call: LayerCall, noisy: Any) -> Any:
    """What a layer gives in training; its input in prediction."""
    return call.emit("in_training", {}, noisy, call.inputs[0])


def from_noise(call: LayerCall) -> Any:
    x, deviation = call.inputs[0], float(call.layer.stddev)
    if not deviation or not call.trains:
        return x
    drawn = call.emit("draw", {"kind": "normal"}, x, suffix=".draw")
    return switched(call, call.emit("add", {}, x, affine(call, drawn, deviation)))


def from_factors(call: LayerCall) -> Any:
    x, rate = call.inputs[0], float(call.layer.rate)
    if not rate or not call.trains:
        return x
    drawn = call.emit("draw", {"kind": "normal"}, x, suffix=".draw")
    return switched(call, call.emit("mul", {}, x, affine(call, drawn, math.sqrt(rate / (1 - rate)), 1.0)))


def from_alpha_layer(call: LayerCall) -> Any:
    x, rate = call.inputs[0], float(call.layer.rate)
    if not rate or not call.trains:
        return x
    noise = call.layer.noise_shape or (None,) * x.rank
    shared = tuple(axis for axis, size in enumerate(noise) if size == 1 and x.shape[axis] != 1)
    kept = call.emit("draw", {"kind": "bernoulli", "rate": rate, "shared": shared}, x, suffix=".draw")
    scale = ((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5
    return switched(call, alpha(call, x, kept, scale, scale * ALPHA * rate))


FROM_KERAS = {
    "layers.GaussianNoise": from_noise,
    "layers.GaussianDropout": from_factors,
    "layers.AlphaDropout": from_alpha_layer,
}
CASES = {
    "predict": Case(((2, 3, 4, 5),), Attributes("bernoulli", 0.2)),
    "predict, a number for each image": Case(((3, 2, 4, 5),), Attributes("uniform", shared=(1, 2, 3))),
    "train": Case(((40, 50),), Attributes("bernoulli", 0.2), train=True),
}
TOLERANCE = {"float32": 0.0, "float64": 0.0}  # as they are drawn
MUTATIONS: dict[str, Any] = {"kind": "normal", "shared": (1,)}  # the rate: see the trap of that name
SHOWN = {"rate": ("train",), "torch": ("train",), "keras": ("train",), "onnx": ("predict",)}
