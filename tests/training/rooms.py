"""What the tests of training share: small images, and the surroundings of a phase without any framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bakeoff.data import Data, read_data
from bakeoff.graph import Graph
from bakeoff.graph.compose import Composer
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing.signature import Signature
from bakeoff.recipe import loads, to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir.folder import Run
from bakeoff.training.context import Context
from bakeoff.training.job import Job
from bakeoff.training.setup import Start
from bakeoff.workers.channel import Reporter

SIZE = (4, 4)


def write_images(root: Path, counts: dict[str, int], *, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    """Class folders of random grey PNGs, each class around a grey of its own."""
    draw = np.random.default_rng(seed)
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = (60 * number + draw.integers(0, 110, size)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{index:03d}.png")
    return root


def recipe(text: str, model: str = 'name = "mnist_mlp"') -> Recipe:
    """A recipe with one phase, given as the lines of its table."""
    return loads(f"[model]\n{model}\n\n[[phases]]\n{text}")


def context(
    data: Data, chosen: Recipe, run: Path, *, graph: Graph | None = None, listen: Any = None, seed: int = 0, **job: Any
) -> Context:
    """The surroundings of a phase; the graph is that of a backbone without its head."""
    signature = Signature(data.size or SIZE, data.channels)
    start = Start(graph or backbone(), signature, graph)
    asked = Job(str(data.path), to_toml(chosen), "onnxruntime", str(run), seed, threads=1, **job)
    return Context(asked, chosen, data, start, Run(run).create(), Reporter(listen))


def backbone(filters: int = 5, seed: int = 3) -> Graph:
    """One convolution and the mean over its places: (batch, filters) features of grey images."""
    net = Composer((Dim("batch"), *SIZE, 1), seed=seed)
    x = net.add("conv2d", "conv", net.input, filters=filters, kernel=(3, 3))
    x = net.add("relu", "relu", x)
    return net.finish(net.add("global_avg_pool", "pool", x))


def small(root: Path, **counts: int) -> Data:
    """Three classes of images, or those named."""
    return read_data(write_images(root, counts or {"a": 40, "b": 40, "c": 40}))
