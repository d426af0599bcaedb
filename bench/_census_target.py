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

    def rebuilt(precision: str) -> Any:
        return frameworks.load(FRAMEWORK).native(graph.astype(precision), precision=precision, threads=1)

    return answered(SIDE, rebuilt, graph, trace)


if __name__ == "__main__":
    serve(target)
