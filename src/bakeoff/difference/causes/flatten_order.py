"""The order of features before a dense layer: PyTorch flattens channels first, Keras channels last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bakeoff.difference.account import same
from bakeoff.difference.causes import Account, Guesses
from bakeoff.schemas import Array

STAGE, WORLD, KEYS = "net", "predict", ("array.dense.*.kernel", "net.flatten.order")
SAYS = "the dense layer behind the flatten reads its features {a} on one side and {b} on the other"
TORCH = "weight.reshape(out, h, w, c).transpose(0, 3, 1, 2).reshape(out, -1)  # from Keras's order"
KERAS = "kernel.reshape(c, h, w, out).transpose(1, 2, 0, 3).reshape(-1, out)  # from PyTorch's order"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    for key, kernel, moved in _moves(a):
        if b.sees(key) and not same(kernel, b.settings[key]) and any(same(one, b.settings[key]) for one in moved):
            return {key: b.settings[key]}
    return None


def guesses(a: Account) -> Guesses:
    return [{key: one} for key, _, moved in _moves(a) for one in moved]


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return "in the order that its weights were trained with", "in the other library's order"


def _moves(a: Account) -> Iterator[tuple[str, Array, list[Array]]]:
    """Kernels behind a flatten of an image, with their rows in the order of the other library, both ways."""
    if a.graph is None:
        return
    flat = {node.id: a.graph.input_shapes(node)[0] for node in a.graph.nodes if node.op in ("flatten", "reshape")}
    dense = [node for node in a.graph.nodes if node.op == "dense"]
    through = {node.id: node for node in a.graph.nodes if node.op in ("dropout", "relu")}
    for number, node in enumerate(dense):
        source = node.inputs[0].node
        while source in through:
            source = through[source].inputs[0].node
        shape = flat.get(source, ())
        if len(shape) == 4 and all(isinstance(n, int) for n in shape[1:]):
            height, width, channels = (int(str(n)) for n in shape[1:])
            kernel = a.settings[f"array.dense.{number}.kernel"]
            if kernel.shape[0] == height * width * channels and channels > 1 and height * width > 1:
                there = kernel.reshape(height, width, channels, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
                back = kernel.reshape(channels, height, width, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)
                yield f"array.dense.{number}.kernel", kernel, [np.ascontiguousarray(there), np.ascontiguousarray(back)]
