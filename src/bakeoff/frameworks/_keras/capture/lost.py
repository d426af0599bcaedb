"""Layers that act in training alone: they predict in the graph's training pass, while all that they hold trains.

What is lost by that is seen in two training passes of the live model, with and without them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.random.seed_generator import global_seed_generator

from bakeoff.frameworks._keras.capture.importers import AUGMENTATION
from bakeoff.frameworks._keras.capture.values import array_of
from bakeoff.graph.graph import Graph
from bakeoff.parity.lost import Seen, merged
from bakeoff.parity.lost import lost as compared
from bakeoff.preprocessing import Signature, normalize
from bakeoff.schemas import Array, Declared
from bakeoff.seeds import rng

IMAGES, SIDE = 4, 64
SEED = "seed_generator"  # in the names of variables that hold one


def lost(model: Any, predicting: Mapping[str, Any], graph: Graph, wanted: Signature | None) -> tuple[Declared, ...]:
    """What these layers do in training; the model is afterwards as it was."""
    images = _images(graph, wanted)
    whole = _run(model, images, ())
    kinds: dict[str, dict[str, Any]] = {}
    for path, layer in predicting.items():
        augments = f"layers.{type(layer).__name__}" in AUGMENTATION and layer.__module__.startswith("keras.")
        kinds.setdefault("augmentation" if augments else repr(type(layer)), {})[path] = layer
    found = []
    for kind, layers in kinds.items():
        one = compared(layers, whole, _run(model, images, layers.values()))
        names = ", ".join(sorted({type(layer).__name__ for layer in layers.values()}))
        changes = one.what if whole.failed else f"in training it changes images ({names})"
        found.append(replace(one, name=kind, what=changes) if kind == "augmentation" else one)
    return merged(found)


def predict(layer: Any) -> None:
    """Let a layer predict when it is called to train, in place; what it holds trains."""
    held = list(layer._flatten_layers(include_self=False, recursive=False))
    own = layer.call

    def call(*args: Any, **kwargs: Any) -> Any:
        context = layer._get_call_context()
        if not kwargs.get("training", context.training):
            return own(*args, **kwargs)
        for one in held:
            one.__dict__["call"] = _switched(one, one.call, training=True)
        try:
            return _switched(layer, own, training=False)(*args, **kwargs)
        finally:
            for one in held:
                del one.__dict__["call"]

    layer.__dict__["call"] = call


def _switched(layer: Any, call: Callable[..., Any], *, training: bool) -> Callable[..., Any]:
    """A layer's call with this `training`, whatever its caller says; what it calls in turn inherits it."""

    def switched(*args: Any, **kwargs: Any) -> Any:
        context = layer._get_call_context()
        before, context.training = context.training, training
        if layer._call_has_context_arg.get("training", False):
            kwargs["training"] = training
        try:
            return call(*args, **kwargs)
        finally:
            context.training = before

    return switched


def _images(graph: Graph, wanted: Signature | None) -> Array:
    """Noise, as the model wants its images."""
    sides = wanted.size if wanted else (SIDE, SIDE)
    height, width = (
        own if isinstance(own, int) else side for own, side in zip(graph.input_shape[1:3], sides, strict=True)
    )
    images = rng(0, "lost").integers(0, 256, (IMAGES, height, width, int(str(graph.input_shape[3])))).astype(np.uint8)
    return normalize(images, wanted) if wanted else (images / 255).astype("float32")


def _run(model: Any, images: Array, predicting: Iterable[Any]) -> Seen:
    """One training pass in which these layers predict."""
    seen, layers = Seen(), list(predicting)
    variables = [*model.variables, global_seed_generator().state]
    seeds = [variable for variable in variables if SEED in variable.path]
    before = [array_of(variable) for variable in variables]
    for number, variable in enumerate(seeds):  # a process draws its own
        variable.assign(np.full(variable.shape, number))
    begun = [array_of(variable) for variable in variables]
    for layer in layers:
        predict(layer)
    try:
        parts = keras.tree.flatten(model(images, training=True))
        arrays = [np.asarray(keras.ops.convert_to_numpy(part)) for part in parts]
        seen.first, seen.outputs, seen.terms = arrays[0], len(arrays), len(model.losses)
    except Exception as error:  # whatever the user's code, or Keras, says
        seen.failed = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    finally:
        for layer in layers:
            del layer.__dict__["call"]
        after = [array_of(variable) for variable in variables]
        for variable, array in zip(variables, before, strict=True):
            variable.assign(array)
    pairs = zip(variables, begun, after, strict=True)
    moved = [variable for variable, old, new in pairs if not np.array_equal(old, new)]
    norms = (layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization))
    statistics = {id(variable) for layer in norms for variable in layer.variables}
    seen.drew |= {variable.path for variable in moved if SEED in variable.path}
    seen.changed |= {v.path for v in moved if SEED not in v.path and id(v) not in statistics}
    return seen
