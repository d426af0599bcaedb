"""What a net is asked, live or rebuilt: the same questions in every process.

given     logits with the weights as they are
checked   logits with weights under which a mistake shows: see `revealing`
training  gradients of the first batch, four steps of SGD with momentum, statistics and weights afterwards
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.evaluation.kinds import BINARY, SINGLE
from bakeoff.graph.graph import Graph, Ref
from bakeoff.ops._dimension import at
from bakeoff.schemas import Array
from bakeoff.seeds import rng

STEPS = 4
RATE, MOMENTUM = 2**-10, 0.875  # exact in float32: Keras takes Python floats through it even in float64
SGD = ("sgd", {"momentum": MOMENTUM})
FLAT = 1e-12  # a weight whose numbers are all the same tells nothing of their order
SHAKEN = 0.05


def revealing(graph: Graph, arrays: Mapping[str, Array], seed: int = 0) -> dict[str, Array]:
    """Weights under which a mistake shows: those that are all alike are shaken.

    A fresh net has scales of 1, offsets of 0 and layer scales of 1e-6: who forgets them would go unnoticed.
    """
    changed = {}
    for path, array in arrays.items():
        known = graph.parameters.get(path)
        if known is None or known.role != "weight" or not np.issubdtype(array.dtype, np.floating) or not array.size:
            continue
        if float(np.ptp(array)) > FLAT * max(1.0, float(np.abs(array).max())):
            continue
        draw, value = rng(seed, "telling", record=path), float(array.flat[0])
        if value == 0:
            new = draw.normal(0, SHAKEN, array.shape)
        elif abs(value) < SHAKEN:
            new = draw.uniform(0.1, 0.4, array.shape)
        else:
            new = value * draw.uniform(0.7, 1.3, array.shape)
        changed[path] = new.astype(array.dtype)
    return changed


def calibrated(net: Any, graph: Graph, images: Array, seed: int = 0) -> dict[str, Array]:
    """Running statistics of these images, then moved a little, so that mean and variance both count.

    The batch's own statistics are worked out from what one training pass makes of the running ones:
    new = (1 - m) old + m batch. They are put into the net.
    """
    norms = [node for node in graph.nodes if node.op == "batch_norm" and node.attributes.statistics == "batch"]
    if not norms:
        return {}
    before = net.arrays()
    net.logits(images, train=True)
    after = net.arrays()
    state: dict[str, Array] = {}
    for node in norms:
        m = node.attributes.momentum
        mean, variance = str(node.parameters["mean"]), str(node.parameters["variance"])
        batch = {path: (after[path] - (1 - m) * before[path]) / m for path in (mean, variance)}
        spread = np.maximum(batch[variance], 0.0)
        draw = rng(seed, "calibrated", record=mean)
        state[mean] = batch[mean] + 0.1 * np.sqrt(spread) * draw.normal(size=spread.shape)
        state[variance] = (spread + 0.1 * spread.mean() + 1e-3) * draw.uniform(0.8, 1.25, spread.shape)
    net.load(state)
    return state


def loss_of(graph: Graph) -> str:
    """What suits its logits: of a single one, softmax would be 1 and all gradients 0, which proves nothing."""
    return (BINARY if graph.output_shape[-1] == 1 else SINGLE).loss


def training(
    net: Any,
    images: list[Array],
    labels: list[Array],
    loss: str = "softmax_cross_entropy",
    optimizer: tuple[str, Mapping[str, float]] = SGD,
) -> dict[str, Array]:
    """Gradients of the first batch, losses of the steps, statistics after the first, everything after the last."""
    net.compile(*optimizer, loss)
    losses: list[float] = []
    found: dict[str, Array] = {}
    for step, (x, y) in enumerate(zip(images, labels, strict=True)):
        result = net.gradients(x, y)
        if step == 0:
            found |= {f"gradient/{path}": array for path, array in net.gradient_arrays().items()}
            found |= {f"first/{path}": array for path, array in net.arrays().items()}
        net.apply(RATE)
        losses.append(result.loss / result.count)
    found |= {f"after/{path}": array for path, array in net.arrays().items()}
    found["losses"] = np.array(losses)
    return found


def images(count: int, size: tuple[int, int], channels: int, seed: int) -> Array:
    """Coarse blocks of colour with noise, uint8: images that differ more than noise alone would."""
    height, width = size
    draw = rng(seed, "pictures")
    blocks = draw.uniform(0, 255, (count, 4, 4, channels))
    coarse = np.repeat(np.repeat(blocks, -(-height // 4), 1), -(-width // 4), 2)[:, :height, :width]
    mixed = 0.6 * coarse + 0.4 * draw.uniform(0, 255, (count, height, width, channels))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def labels(count: int, classes: int, seed: int) -> Array:
    """Random labels, int64; 0 and 1 for a single logit."""
    return rng(seed, "labels").integers(0, max(classes, 2), count)


def work_of(graph: Graph, size: tuple[int, int]) -> float:
    """Multiplications of one image of that size, roughly: weights times the positions at which they are used."""
    known = {"batch": 1, "height": size[0], "width": size[1]}
    total = 0.0
    for node in graph.nodes:
        path = node.parameters.get("kernel")
        if isinstance(path, str):
            shape = graph.shapes[Ref(node.id)]
            elements = math.prod(at(side, **known) for side in shape[1:-1])
            total += graph.parameters[path].array.size * elements
    return total
