"""The Keras side of census_keras.py: a live model, its graph, its logits, four steps of its training, the way back."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _census import BOTH, asked, noise, questions, trainings
from _census_keras_nets import make
from _child import serve

from bakeoff.conversion.questions import loss_of, work_of
from bakeoff.frameworks._keras.capture import Captured, capture, write_back
from bakeoff.frameworks._keras.live import LiveKeras
from bakeoff.graph.passes import without_noise

FREE = 64  # pixels, where a model takes any


def source(name: str, folder: str, steps: str, single: bool) -> dict[str, Any]:
    """Capture, logits, training, and the way back into a model with other weights."""
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(0)
    model, (low, high) = make(name)
    rng = np.random.default_rng(0)
    shape = tuple(size or FREE for size in model.input_shape[1:])
    randomise(model, images(rng, 4, shape, low, high).astype("float32"), rng)
    found = capture(model)
    graph = without_noise(found.graph)
    (Path(folder) / "graph.pickle").write_bytes(pickle.dumps(graph))
    work = work_of(graph, (shape[0], shape[1]) if len(shape) == 3 else (1, 1))
    wanted = trainings(steps, work, len(graph.nodes)) if len(graph.output_shape) == 2 else []
    classes = graph.output_shape[-1]
    trace = questions(classes if isinstance(classes, int) else 1, lambda n: images(rng, n, shape, low, high))
    precisions = BOTH[1:] if single else BOTH
    loss = loss_of(graph)
    trace |= asked(lambda precision: LiveKeras(model, found, precision), trace, wanted, loss, precisions)
    np.savez(Path(folder) / "source.npz", **trace)
    count = found.graph.count(trainable=True)
    return {
        "size": shape[0],
        "parameters": model.count_params(),
        "bits": written_back(model, found),
        "nodes": len(graph.nodes),
        "notes": len(found.notes) + len(found.declared),
        "head": found.head,
        "count": count,
        "same_count": count == sum(int(np.prod(v.shape)) for v in model.trainable_variables),
        **noise(trace),
    }


def images(rng: np.random.Generator, count: int, shape: tuple[int, ...], low: float, high: float) -> Any:
    """Coarse blocks of colour with noise: images that differ more than noise alone would."""
    if len(shape) < 3:
        return rng.uniform(low, high, (count, *shape))
    height, width, channels = shape
    blocks = rng.uniform(low, high, (count, 4, 4, channels))
    coarse = np.repeat(np.repeat(blocks, -(-height // 4), 1), -(-width // 4), 2)[:, :height, :width]
    return 0.6 * coarse + 0.4 * rng.uniform(low, high, (count, *shape))


def written_back(model: Any, found: Captured) -> bool:
    """Whether the graph's arrays go back into the model, emptied meanwhile, and are its own bit for bit."""
    own = [variable for variable in model.weights if "seed_generator" not in variable.path]
    before = [array(variable) for variable in own]
    for variable in own:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    write_back(found, found.graph.arrays(), model)
    pairs = zip(before, own, strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in ((a, array(v)) for a, v in pairs))


# a model that is worth comparing --------------------------------------------------------------------------------------


def array(variable: Any) -> Any:
    return np.array(keras.ops.convert_to_numpy(variable.value))


def randomise(model: Any, images: Any, rng: Any) -> None:
    """Scales, offsets and biases that matter; statistics calibrated on images, then moved."""
    layers = list(model._flatten_layers())
    normalised = any(isinstance(x, keras.layers.BatchNormalization | keras.layers.LayerNormalization) for x in layers)
    for layer in layers:
        kind = type(layer).__name__
        for variable in [] if hasattr(layer, "layers") else layer.variables:
            _redraw(variable, kind, normalised, rng)
    statistics = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    if statistics:
        calibrate(model, statistics, images, rng)


def _redraw(variable: Any, kind: str, normalised: bool, rng: Any) -> None:
    leaf, shape = variable.path.rsplit("/", 1)[-1], variable.shape
    if kind == "LayerScale":
        variable.assign(rng.normal(0, 0.3, shape))  # it begins at 1e-6: whole branches would vanish
    elif leaf == "gamma":
        variable.assign(rng.uniform(0.6, 1.4, shape))
    elif leaf in ("beta", "bias"):
        variable.assign(rng.normal(0, 0.1, shape))
    elif leaf == "alpha":
        variable.assign(rng.uniform(0.1, 0.4, shape))
    elif leaf == "kernel" and not normalised and len(shape) > 1:  # He: else VGG hardly reads its input
        variable.assign(rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape))


def calibrate(model: Any, statistics: list[Any], images: Any, rng: Any) -> None:
    """Statistics of the images, moved a little; no variance below the mean one.

    A channel that hardly varies, on a map of one cell, would blow rounding errors up, layer by layer: a deep net then
    says nothing of a conversion (Keras itself parts from itself by half of the logits between two precisions).
    """
    rates = [
        (x, k, getattr(x, k)) for x in model._flatten_layers() for k in ("rate", "drop_path_rate") if hasattr(x, k)
    ]
    rates = [(x, k, v) for x, k, v in rates if isinstance(v, float)]
    for layer, key, _ in rates:
        setattr(layer, key, 0.0)
    before = [(layer, layer.momentum, layer.trainable) for layer in statistics]
    for layer in statistics:
        layer.momentum, layer.trainable = 0.0, True
    more = [images, images[:, ::-1]] + ([images[:, :, ::-1]] if images.ndim > 2 else [])
    model(np.concatenate(more), training=True)
    for layer, momentum, trainable in before:
        layer.momentum, layer.trainable = momentum, trainable
        variance, mean = array(layer.moving_variance), array(layer.moving_mean)
        wide = np.maximum(variance, variance.mean() + 1e-3) * rng.uniform(0.8, 1.25, variance.shape)
        layer.moving_variance.assign(wide)
        layer.moving_mean.assign(mean + 0.1 * np.sqrt(variance) * rng.normal(0, 1, variance.shape))
    for layer, key, value in rates:
        setattr(layer, key, value)


if __name__ == "__main__":
    serve(source)
