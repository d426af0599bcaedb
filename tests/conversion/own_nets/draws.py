"""Random draws of a live pass, recorded and handed to another net: by hooks of this judge's own.

A draw is kept in canonical form: a mask (1 where kept), a uniform in [0, 1), a normal of mean 0 and deviation 1, or
what another function gave, under its name.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

Supply = Callable[[int, "Draw"], Any]


@dataclass
class Draw:
    """One draw: what was drawn, how, and the probability of being kept where it is a mask."""

    kind: str
    shape: tuple[int, ...]
    keep: float = 0.0
    value: Any = None


# torch ----------------------------------------------------------------------------------------------------------------


def torch_draws(supply: Supply | None, found: list[Draw]) -> Any:
    """A mode in which all draws of torch are recorded in `found` and, where `supply` gives an array, replaced."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    seeded = torch.Tag.nondeterministic_seeded

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            if seeded not in f.tags:
                return f(*args, **kwargs)
            before = torch.get_rng_state()
            out = f(*args, **kwargs)
            if torch.equal(before, torch.get_rng_state()):
                return out
            draw, target, scale = _torch_draw(f, args, kwargs, out)
            given = supply(len(found), draw) if supply else None
            if given is not None:
                target.copy_(torch.from_numpy(np.array(given, "float64")) * scale[1] + scale[0])
                draw.value = np.array(given)
                if "rrelu" in f._schema.name:
                    out.copy_(torch.where(args[0] <= 0, args[0] * target, args[0]))
            found.append(draw)
            return out

    return Mode()


def _torch_draw(f: Any, args: Any, kwargs: Any, out: Any) -> tuple[Draw, Any, tuple[float, float]]:
    name = f._schema.name.removeprefix("aten::")
    names = [argument.name for argument in f._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    for argument in f._schema.arguments:
        if argument.has_default_value():
            given.setdefault(argument.name, argument.default_value)
    target = given.get("noise", out)
    shape, value = tuple(target.shape), target.detach().cpu().numpy().copy()
    if name.startswith("bernoulli"):
        p = given.get("p")
        keep = float(p) if isinstance(p, float | int) else float("nan")
        return Draw("mask", shape, keep, value), target, (0.0, 1.0)
    if name.startswith("uniform"):
        low, high = float(given["from"]), float(given["to"])
        return Draw("uniform", shape, 0.0, (value - low) / (high - low)), target, (low, high - low)
    if name.startswith("rrelu"):  # 1 where x is positive
        low, high = float(given["lower"]), float(given["upper"])
        return Draw("uniform", shape, 0.0, np.clip((value - low) / (high - low), 0, 1)), target, (low, high - low)
    if name in ("rand", "rand_like"):
        return Draw("uniform", shape, 0.0, value), target, (0.0, 1.0)
    if name in ("randn", "randn_like", "normal_", "normal"):
        mean, std = float(given.get("mean", 0.0)), float(given.get("std", 1.0))
        return Draw("normal", shape, 0.0, (value - mean) / std), target, (mean, std)
    return Draw(name, shape, 0.0, value), target, (0.0, 1.0)


# Keras ----------------------------------------------------------------------------------------------------------------

NAMES = (
    "normal",
    "uniform",
    "categorical",
    "randint",
    "truncated_normal",
    "dropout",
    "shuffle",
    "gamma",
    "binomial",
    "beta",
)


@contextlib.contextmanager
def keras_draws(supply: Supply | None, found: list[Draw]) -> Iterator[None]:
    """The same for Keras on TensorFlow, eager, with tf.random.uniform and tf.random.normal of users' own layers."""
    import tensorflow as tf
    from keras.src import backend
    from tensorflow.python.ops import stateless_random_ops

    module = backend.random
    within: list[float] = []
    kept = [(module, name, getattr(module, name)) for name in NAMES]
    kept += [(tf.random, name, getattr(tf.random, name)) for name in ("uniform", "normal")]
    kept += [(stateless_random_ops, "stateless_random_uniform", stateless_random_ops.stateless_random_uniform)]
    sampler = kept[-1][2]

    def told(draw: Draw, natural: Any, restore: Callable[[Any], Any]) -> Any:
        given = supply(len(found), draw) if supply else None
        found.append(draw)
        if given is None:
            return natural
        draw.value = np.array(given)
        return tf.constant(restore(np.asarray(given, "float64")), natural.dtype)

    def wrapped(name: str, real: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Any:
            bound = inspect.signature(real).bind(*args, **kwargs).arguments
            if name == "dropout":
                if bound["rate"] in (0.0, 1.0):
                    return real(*args, **kwargs)
                within.append(float(bound["rate"]))
                try:
                    return real(*args, **kwargs)
                finally:
                    within.pop()
            out = real(*args, **kwargs)
            value, shape = out.numpy(), tuple(out.shape)
            if name == "uniform":
                low, high = (
                    float(bound.get(key) if bound.get(key) is not None else default)
                    for key, default in (("minval", 0.0), ("maxval", 1.0))
                )
                one = Draw(name, shape, 0.0, (value - low) / (high - low))
                return told(one, out, lambda u: u * (high - low) + low)
            if name == "normal":
                mean, std = float(bound.get("mean", 0.0)), float(bound.get("stddev", 1.0))
                one = Draw(name, shape, 0.0, (value - mean) / std)
                return told(one, out, lambda z: z * std + mean)
            return told(Draw(name, shape, 0.0, value), out, lambda v: v)

        return draw

    def uniform(*args: Any, **kwargs: Any) -> Any:
        out = sampler(*args, **kwargs)
        if not within:
            return out
        rate = within[-1]
        one = Draw("mask", tuple(out.shape), 1 - rate, (out.numpy() >= rate).astype("float64"))
        # TensorFlow's own comparison and scaling run
        return told(one, out, lambda mask: np.where(mask > 0, rate + 1e-6, rate - 1e-6))

    for place, name, real in kept[:-1]:
        setattr(place, name, wrapped(name, real))
    stateless_random_ops.stateless_random_uniform = uniform
    try:
        yield
    finally:
        for place, name, real in kept:
            setattr(place, name, real)


# from one net's draws to another's ----------------------------------------------------------------------------------


def layouts(source: tuple[int, ...], target: tuple[int, ...]) -> list[Callable[[Any], Any]]:
    """Ways to lay an array of one shape out in another: axes exchanged, or ones added."""
    found: list[Callable[[Any], Any]] = []
    if source == target:
        found.append(lambda a: a)
    if sorted(source) == sorted(target):
        orders = sorted(
            itertools.permutations(range(len(source))),
            key=lambda order: order != (0, 2, 3, 1) and order != (0, 3, 1, 2),
        )
        for order in orders:
            if tuple(source[i] for i in order) == target and list(order) != sorted(order):
                found.append(lambda a, order=order: a.transpose(order))
    elif np.prod(source) == np.prod(target):
        found.append(lambda a: a.reshape(target))
        if len(source) == 4:
            found.append(lambda a: a.transpose(0, 2, 3, 1).reshape(target))
    return found


def handed(source: Draw, target: Draw, layout: Callable[[Any], Any], flip: bool) -> Any:
    """The source's draw as the target's: a mask to its threshold, a uniform, a normal.

    A rate of .31 for .3 flips numbers that lie between: masks are handed on at the source's own threshold.
    """
    value = layout(np.asarray(source.value, "float64"))
    if source.kind == "mask" and target.kind == "uniform":
        threshold = 1 - source.keep
        value = np.where(value > 0, threshold + 1e-6, threshold - 1e-6)
        return 1 - value if flip else value
    if source.kind == "uniform" and target.kind == "mask":
        return (value < target.keep if flip else value >= 1 - target.keep).astype("float64")
    if source.kind == target.kind == "mask":
        wrong = abs((1 - source.keep if flip else source.keep) - target.keep) > 1e-6
        return 1 - value if flip != wrong else value
    if source.kind == "uniform" and target.kind == "normal":  # its distribution function gives a uniform
        return ndtri(np.clip(value, 2.0**-53, 1 - 2.0**-53))
    if source.kind == "uniform":
        return 1 - value if flip else value
    return value
