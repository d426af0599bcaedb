"""What a Keras model wants of an image: from its own first operations, or from the constructor that made it.

Preprocessing inside the model stays there. Such a model takes bytes, 0 to 255, and its signature says so. A constructor
of keras.applications stands beside a `preprocess_input`; what that does is measured on a black, a white and coloured
pixels rather than looked up by name: the "tf", "torch" and "caffe" modes are all affine, "caffe" with channels turned.
"""

from __future__ import annotations

import inspect
import sys

import keras
import numpy as np

from bakeoff.graph.graph import Graph, Ref
from bakeoff.graph.interpreter import PREDICT
from bakeoff.preprocessing.signature import ChannelOrder, Signature
from bakeoff.schemas import Array

AFFINE = ("scale_shift", "normalization", "affine_channel", "mul", "add", "sub", "div")
MOVES = ("constant", "slice", "reshape", "concat", "pad")
FREE = 224  # pixels a side, for a model that takes any
WHITE = 255.0
SPREAD = 32.0  # a model that maps bytes to fewer than this has scaled them; no net is fed with larger numbers


def signature(graph: Graph, source: str) -> tuple[Signature | None, str]:
    """The signature, and a sentence for the reader where nothing says it.

    Args:
        graph: of the model.
        source: the name in keras.applications; "" if it is another model.
    """
    shape = graph.input_shape
    if len(shape) != 4 or shape[3] not in (1, 3):
        return None, ""
    height, width = (size if isinstance(size, int) else FREE for size in shape[1:3])
    channels = 3 if shape[3] == 3 else 1
    if scales_bytes(graph):
        return Signature((height, width), channels, mean=(0.0,), std=(1 / WHITE,)), ""
    found = _measured(source) if source and channels == 3 else None
    if found is None:
        return None, "nothing says on which scale the model takes an image: give mean and std"
    mean, std, order = found
    return Signature((height, width), channels, mean=mean, std=std, channel_order=order), ""


def scales_bytes(graph: Graph) -> bool:
    """Whether the model's first operations bring 0 to 255 to numbers that a net computes with."""
    ends = [_entry(graph, value) for value in (0.0, WHITE)]
    if not ends[0] or any(len(one) != len(ends[0]) for one in ends):
        return False
    spreads = [float(np.abs(white - black).max()) for black, white in zip(*ends, strict=True)]
    return 0 < max(spreads) < SPREAD


def _entry(graph: Graph, value: float) -> list[Array]:
    """What an image of one value is where the affine operations end; empty if there are none."""
    name = next(iter(graph.inputs))
    sizes = [size if isinstance(size, int) else FREE for size in graph.input_shape[1:]]
    values: dict[Ref, Array] = {Ref(name): np.full((1, *sizes), value)}
    own, found = {Ref(name)}, []
    for node in graph.nodes:
        known = all(ref in values for ref in node.inputs)
        if node.op in AFFINE + MOVES and known:
            parameters = {s: graph.parameters[p].array for s, p in node.parameters.items() if isinstance(p, str)}
            try:
                out = node.page.truth(PREDICT, node.attributes, *(values[r] for r in node.inputs), **parameters)
            except (ValueError, TypeError):  # it wants a size that is free
                return []
            values[Ref(node.id)] = out
            if own & set(node.inputs):
                own.add(Ref(node.id))
            continue
        found += [values[ref] for ref in node.inputs if ref in own and ref.node != name]
        if Ref(name) in node.inputs:
            return []
    return found


def _measured(source: str) -> tuple[tuple[float, ...], tuple[float, ...], ChannelOrder] | None:
    """Mean, standard deviation and order of channels of a constructor's `preprocess_input`; None if it isn't affine."""
    constructor = getattr(keras.applications, source.rpartition("/")[2], None)
    module = inspect.getmodule(constructor) if constructor is not None else None
    prepare = getattr(sys.modules.get(getattr(module, "__name__", "")), "preprocess_input", None)
    if prepare is None:
        return None
    pixels = np.concatenate([np.zeros((1, 3)), WHITE * np.eye(3)]).reshape(1, 1, 4, 3)
    out = np.asarray(prepare(pixels.copy(), data_format="channels_last"), "float64").reshape(4, 3)
    return affine_of(out[0], out[1:] - out[0])


def affine_of(black: Array, colours: Array) -> tuple[tuple[float, ...], tuple[float, ...], ChannelOrder] | None:
    """Of y = (x / 255 - mean) / std.

    Args:
        black: (3,), what a black pixel becomes.
        colours: (3, 3), what pure red, green and blue add to it.

    Returns:
        None if nothing is scaled (the constructor scales inside the model, or was told not to).
    """
    orders: tuple[tuple[ChannelOrder, Array], ...] = (("RGB", colours), ("BGR", colours[::-1]))
    for order, table in orders:
        scale = np.diag(table)
        if not np.allclose(table, np.diag(scale)) or scale.min() <= 0:
            continue
        if order == "RGB" and np.allclose(scale, WHITE) and np.allclose(black, 0):
            return None
        mean, std = (tuple(round(float(x), 12) for x in numbers) for numbers in (-black / scale, 1 / scale))
        return mean, std, order
    return None
