"""Two small nets, photos in memory, and accounts of them: what differences are planted in."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from bakeoff.difference import inputs
from bakeoff.difference.account import Account, Observed
from bakeoff.difference.api import Pictures
from bakeoff.difference.canonical import canonical
from bakeoff.difference.scripts import Record
from bakeoff.difference.worlds import Predicting
from bakeoff.graph.compose import Composer
from bakeoff.graph.graph import Graph
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Array
from bakeoff.seeds import rng

CLASSES = tuple(str(n) for n in range(12))  # as text, "10" and "11" come before "2"
SIZE = 48


def net(seed: int = 0, classes: int = 12) -> Graph:
    """Convolutions of stride 1 and 2, every norm and activation that causes speak of, a flatten, two dense layers."""
    c = Composer((Dim("batch"), SIZE, SIZE, 3), seed=seed)
    x = c.add("conv2d", "stem.conv", c.input, filters=6, kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1), bias=False)
    x = c.add("batch_norm", "stem.bn", x)
    x = c.add("leaky_relu", "stem.act", x, slope=0.01)
    x = c.add("avg_pool2d", "pool", x, window=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1), count_include_pad=True)
    x = c.add("conv2d", "body.conv", x, filters=8, kernel=(3, 3), pad=(1, 1, 1, 1))
    x = c.add("gelu", "body.act", x)
    x = c.add("dropout", "drop", c.add("flatten", "flat", x), rate=0.3)
    x = c.add("relu", "relu", c.add("dense", "hidden", x, units=24))
    graph = c.finish(c.add("dense", "head", x, units=classes))
    draw, arrays = rng(seed, "planted"), {}
    arrays["stem.bn.mean"] = draw.normal(0, 0.2, 6).astype(np.float32)
    arrays["stem.bn.variance"] = draw.uniform(1e-3, 0.05, 6).astype(np.float32)
    arrays["head.bias"] = draw.normal(0, 0.5, classes).astype(np.float32)
    return graph.with_arrays(arrays)


SIGNATURE = Signature((SIZE, SIZE), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), fit="crop", resize_to=55)


def account(seed: int = 0) -> Account:
    """A model that shows all."""
    given = {**inputs.of_signature(SIGNATURE), "output.classes": CLASSES, "output.softmax": 0}
    return Account("A", "model", given, graph=net(seed))


@cache
def pictures(count: int = 12) -> Pictures:
    """Photos of a kind: smooth colours with edges and grain, JPEG, not square, every second one turned by EXIF."""
    content, labels = [], []
    for number in range(count):
        draw = rng(number, "photo")
        coarse = Image.fromarray(draw.integers(0, 256, (7, 9, 3)).astype(np.uint8)).resize((260, 190), 3)
        pixels = np.asarray(coarse, np.float64) + draw.normal(0, 12, (190, 260, 3))
        pixels[40:90, 30 : 60 + 8 * number] = draw.integers(0, 256, 3)
        file, exif = BytesIO(), Image.Exif()
        if number % 2:
            exif[0x0112] = 6
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=92, exif=exif)
        content.append(file.getvalue())
        labels.append(CLASSES[number % 12])
    return Pictures(tuple(content), tuple(f"{n:02d}.jpg" for n in range(count)), tuple(labels))


def seen(one: Account, *, inputs_too: bool = False, shares: bool = False) -> Account:
    """What an account gives, and nothing of how: a dump."""
    world = Predicting(pictures().content, None, None)
    scores = world.outcome(one)
    if shares:
        scores = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    names = one.settings["output.classes"] if shares else None
    given = {"output.classes": names} if names else {}
    return Account("B", "dump", given, seen=Observed(world.inputs(one) if inputs_too else None, scores, shares))


def dropped_kernel(graph: Graph) -> Array:
    """The kernel behind the flatten in the order of the other library."""
    kernel = graph.parameters["hidden.kernel"].array
    moved = kernel.reshape(12, 12, 8, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
    return np.ascontiguousarray(moved)


# training -------------------------------------------------------------------------------------------------------------

TRAINED: dict[str, Any] = {
    "train.optimizer": "sgd",
    "train.rate": 0.1,
    "train.momentum": 0.0,
    "train.factors": (1.0, 1.0, 1.0, 1.0),
    "train.loss": "cross-entropy",
    "train.softmaxes": 1,
    "train.reduction": "mean",
    "train.smoothing": 0.0,
    "train.decay": 0.0,
    "train.batch_size": 8,
    "train.shuffle": "images",
    "train.mode": "train",
    "train.augment": (),
    "train.keeps_gradients": False,
    "eval.mode": "eval",
    "eval.labels": "in order",
}


def small(seed: int = 0, classes: int = 4) -> Graph:
    """A net that trains in no time."""
    c = Composer((Dim("batch"), 10, 10, 1), seed=seed)
    x = c.add("conv2d", "conv", c.input, filters=4, kernel=(3, 3), bias=False)
    x = c.add("relu", "relu", c.add("batch_norm", "bn", x))
    x = c.add("dropout", "drop", c.add("batch_norm", "bn2", c.add("flatten", "flat", x)), rate=0.2)
    return c.finish(c.add("dense", "head", x, units=classes))


def trainee(seed: int = 0, images: int = 0, classes: int = 4, **changes: Any) -> Account:
    """A training of four steps.

    Args:
        seed: of the start weights.
        images: of the images.
        classes: logits; 1: numbers are learned.
        changes: settings, `__` for the point.
    """
    draw = rng(images, "trained on")
    pixels = [draw.integers(0, 256, (8, 10, 10, 1)).astype(np.float64) for _ in range(4)]
    labels = [draw.integers(0, 4, 8) if classes > 1 else draw.normal(size=8) for _ in range(4)]
    for x, y in zip(pixels, labels, strict=True):
        x[:, :5] *= (0.5 + y / 8)[:, None, None, None] if classes > 1 else 1.0
    told = {key.replace("__", "."): value for key, value in changes.items()}
    given = {"input.size": (10, 10), "input.channels": 1, "input.mean": (0.0,), "input.std": (1.0,), **TRAINED}
    record = Record(tuple(pixels), tuple(labels), (0.1,) * 4, {}, exact=False)
    one = Account(f"script{seed}", "script", {**given, "output.softmax": 0}, graph=small(seed, classes), record=record)
    changed = one.switched(told)
    return replace(changed, graph=canonical(changed.graph)) if changed.graph else changed


def free_net() -> Graph:
    """A net for images of any size."""
    c = Composer((Dim("batch"), Dim("height"), Dim("width"), 3), seed=4)
    x = c.add("relu", "relu", c.add("conv2d", "conv", c.input, filters=8, kernel=(5, 5), stride=(2, 2)))
    return c.finish(c.add("dense", "head", c.add("global_avg_pool", "pool", x), units=12))


def other_net() -> Graph:
    """Another net for the same images."""
    c = Composer((Dim("batch"), SIZE, SIZE, 3), seed=3)
    x = c.add("relu", "relu", c.add("conv2d", "conv", c.input, filters=5, kernel=(5, 5), stride=(4, 4)))
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=12))
