"""The other side of a census: the graph rebuilt by torch, or by Keras on TensorFlow or JAX, held against the traces."""

from __future__ import annotations

import gc
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from _census import answered
from _child import serve

from bakeoff import frameworks
from bakeoff.errors import UnsupportedError
from bakeoff.graph.passes import of_size

FRAMEWORK = os.environ["CENSUS_TARGET"]
SIDE = {"torch": "torch", "tensorflow": "keras", "jax": "jax"}[FRAMEWORK]


def target(folder: str) -> dict[str, Any]:
    """Logits, weights, counts and steps of the graph in the folder, against the source's."""
    if FRAMEWORK != "torch":
        import keras

        keras.backend.clear_session()
    gc.collect()
    graph = pickle.loads((Path(folder) / "graph.pickle").read_bytes())
    with np.load(Path(folder) / "source.npz") as file:
        trace = dict(file)

    def build(graph: Any, precision: str) -> Any:
        return frameworks.load(FRAMEWORK).native(graph.astype(precision), precision=precision)

    try:
        return answered(SIDE, lambda precision: build(graph, precision), graph, trace)
    except UnsupportedError:  # for any size; as `bakeoff convert` does, then for this one
        fixed = of_size(graph, *trace["x"].shape[1:3])
        return {f"{SIDE}_fixed_size": True} | answered(SIDE, lambda precision: build(fixed, precision), fixed, trace)


if __name__ == "__main__":
    serve(target)
