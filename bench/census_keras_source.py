"""The Keras side of census_keras.py: random weights that matter, capture, logits, training steps, the way back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from census_keras import MOMENTUM, PICTURES, RATE, TRAINING, images, relative
from census_keras_nets import make

from bakeoff.frameworks._keras.capture import capture, write_back
from bakeoff.graph.serialize import to_json


def run(name: str, precision: str, folder: Path, steps: bool) -> None:
    keras.backend.clear_session()
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)  # else it stays what it was when the first layer read it
    keras.utils.set_random_seed(0)
    model, (low, high) = make(name)
    rng = np.random.default_rng(0)
    shape = tuple(64 if size is None else size for size in model.input_shape[1:])
    pictures = images(rng, PICTURES, shape, low, high)
    if precision == "float32":
        randomise(model, pictures.astype("float32"), rng)
        np.savez(folder / "keras32.npz", *[array(v) for v in weights(model)])
        report = first(name, model, pictures.astype("float32"), folder)
    else:
        for variable, value in zip(weights(model), np.load(folder / "keras32.npz").values(), strict=True):
            variable.assign(value)
        report = again(model, pictures, folder, rng, (low, high), steps)
    (folder / f"report_{precision}.json").write_text(json.dumps(report))


def first(name: str, model: Any, pictures: Any, folder: Path) -> dict[str, Any]:
    """Capture, logits, and the way back into a model with other weights."""
    start = time.perf_counter()
    captured = capture(model)
    seconds = time.perf_counter() - start
    save(captured, folder, "float32")
    logits = logits_of(model, pictures)
    np.savez(folder / "logits32.npz", pictures=pictures, logits=logits)
    before = [array(variable) for variable in weights(model)]
    for variable in weights(model):
        variable.assign(np.zeros(variable.shape, variable.dtype))
    write_back(captured, captured.graph.arrays(), model)
    same = all(np.array_equal(a, array(v)) and a.dtype == v.dtype for a, v in zip(before, weights(model), strict=True))
    again_logits = logits_of(model, pictures)
    learned = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {
        "parameters": model.count_params(),
        "nodes": len(captured.graph.nodes),
        "capture_s": round(seconds, 3),
        "weights_back": bool(same and np.array_equal(again_logits, logits)),
        "trainable": captured.graph.count(trainable=True) == learned,
        "sensitivity": float(np.std(logits, 0).max() / np.abs(logits).max()),
        "head": captured.head,
        "notes": len(captured.notes),
    }


def again(
    model: Any, pictures: Any, folder: Path, rng: Any, limits: tuple[float, float], steps: bool
) -> dict[str, Any]:
    """The same model in float64, and four steps of it."""
    captured = capture(model)
    exact_numbers(model)
    save(captured, folder, "float64")
    logits = logits_of(model, pictures)
    np.savez(folder / "logits64.npz", pictures=pictures, logits=logits)
    single = np.load(folder / "logits32.npz")["logits"]
    if steps:
        train(model, captured, images(rng, 4 * TRAINING, pictures.shape[1:], *limits), folder)
    return {
        "noise": relative(single, logits),
        "noise_difference": relative(single[0] - single[1], logits[0] - logits[1]),
    }


def train(model: Any, captured: Any, pictures: Any, folder: Path) -> None:
    """SGD with momentum, dropout and drop-path at 0, by Keras's own optimizer."""
    silence(model)
    restore = without_head(model)
    classes = model.output_shape[-1]
    labels = np.arange(len(pictures)) * 7 % max(classes, 2)
    optimizer = keras.optimizers.SGD(RATE, momentum=MOMENTUM)
    chosen = model.trainable_variables
    losses, gradients = [], {}
    paths = {id(variable): path for path, variable in captured.variables.items()}
    for step in range(4):
        part = slice(step * TRAINING, (step + 1) * TRAINING)
        with tf.GradientTape() as tape:
            z = model(pictures[part], training=True)
            loss = tf.reduce_mean(losses_of(labels[part], z))
        found = tape.gradient(loss, [variable.value for variable in chosen])
        if step == 0:
            gradients = {
                paths[id(v)]: tf.convert_to_tensor(g).numpy()
                for v, g in zip(chosen, found, strict=True)
                if g is not None
            }
        optimizer.apply(found, chosen)
        losses.append(float(loss))
    restore()
    shapes = {path: captured.graph.parameters[path].array.shape for path in captured.origins}
    after = {p: captured.origins[p].to_canonical(array(v), shapes[p]) for p, v in captured.variables.items()}
    first_gradients = {p: captured.origins[p].to_canonical(g, shapes[p]) for p, g in gradients.items()}
    np.savez(folder / "after64.npz", **after)
    np.savez(folder / "gradients64.npz", **first_gradients)
    np.savez(folder / "steps64.npz", pictures=pictures, labels=labels, losses=np.array(losses))


def losses_of(labels: Any, logits: Any) -> Any:
    """Of one logit, or of one for each class."""
    if logits.shape[-1] == 1:
        truth = tf.cast(labels[:, None], logits.dtype)
        return tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def save(captured: Any, folder: Path, precision: str) -> None:
    """As plain JSON, and arrays beside it."""
    (folder / f"graph_{precision}.json").write_text(json.dumps(to_json(captured.graph)))
    np.savez(folder / f"arrays_{precision}.npz", **captured.graph.arrays())


# a model that is worth comparing --------------------------------------------------------------------------------------


def array(variable: Any) -> Any:
    return np.array(keras.ops.convert_to_numpy(variable.value))


def weights(model: Any) -> list[Any]:
    """All but the seeds of dropout."""
    return [variable for variable in model.weights if "seed_generator" not in variable.path]


def exact_numbers(model: Any) -> None:
    """TensorFlow takes some numbers through float32 even in float64: here as arrays, or written out."""
    slopes = {"leaky_relu": lambda x: tf.where(x > 0, x, tf.constant(0.2, x.dtype) * x), "gelu": exact_gelu}
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Rescaling):
            layer.scale, layer.offset = (np.asarray(x, "float64") for x in (layer.scale, layer.offset))
        if isinstance(layer, keras.layers.MultiHeadAttention):
            layer._inverse_sqrt_key_dim = np.asarray(layer._inverse_sqrt_key_dim, "float64")
        if isinstance(layer, keras.layers.LeakyReLU):
            layer.call = lambda x, slope=layer.negative_slope: tf.where(x > 0, x, tf.constant(slope, x.dtype) * x)
        name = getattr(getattr(layer, "activation", None), "__name__", "")
        if name in slopes:
            layer.activation = slopes[name]


def exact_gelu(x: Any) -> Any:
    return 0.5 * x * (1 + tf.math.erf(x * tf.constant(np.sqrt(0.5), x.dtype)))


def silence(model: Any) -> None:
    for layer in model._flatten_layers():
        for attribute in ("rate", "drop_path_rate"):
            if isinstance(getattr(layer, attribute, None), float):
                setattr(layer, attribute, 0.0)


def without_head(model: Any) -> Any:
    """The same model without its last softmax or sigmoid; call what comes back to restore it."""
    layer = model
    while hasattr(layer, "layers"):
        layer = layer.layers[-1]
    if isinstance(layer, keras.layers.Softmax):
        layer.call, old = (lambda inputs, mask=None: inputs), layer.call
        return lambda: vars(layer).pop("call") and old
    if not hasattr(layer, "activation") or layer.activation.__name__ not in ("softmax", "sigmoid"):
        return lambda: None
    old = layer.activation
    layer.activation = keras.activations.linear
    return lambda: setattr(layer, "activation", old)


def logits_of(model: Any, pictures: Any) -> Any:
    restore = without_head(model)
    try:
        found = model(pictures, training=False).numpy()
    finally:
        restore()
    return found.reshape(len(found), -1) if found.ndim == 2 else found


def randomise(model: Any, pictures: Any, rng: Any) -> None:
    """Scales, offsets and biases that matter; statistics calibrated on pictures, then moved; logits up to 5."""
    layers = list(model._flatten_layers())
    normalised = any(isinstance(x, keras.layers.BatchNormalization | keras.layers.LayerNormalization) for x in layers)
    for layer in layers:
        kind = type(layer).__name__
        for variable in [] if hasattr(layer, "layers") else layer.variables:
            _redraw(variable, kind, normalised, rng)
    statistics = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    if statistics:
        calibrate(model, statistics, pictures, rng)
    head = next((x for x in reversed(layers) if type(x).__name__ in ("Dense", "Conv2D")), None)
    if head is not None and len(model.output_shape) == 2:
        largest = np.abs(logits_of(model, pictures)).max()
        for variable in head.variables:
            variable.assign(array(variable) * (5 / largest))


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


def calibrate(model: Any, statistics: list[Any], pictures: Any, rng: Any) -> None:
    """Statistics of the pictures, moved a little; no variance below the mean one.

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
    more = [pictures, pictures[:, ::-1]] + ([pictures[:, :, ::-1]] if pictures.ndim > 2 else [])
    model(np.concatenate(more), training=True)
    for layer, momentum, trainable in before:
        layer.momentum, layer.trainable = momentum, trainable
        variance, mean = array(layer.moving_variance), array(layer.moving_mean)
        wide = np.maximum(variance, variance.mean() + 1e-3) * rng.uniform(0.8, 1.25, variance.shape)
        layer.moving_variance.assign(wide)
        layer.moving_mean.assign(mean + 0.1 * np.sqrt(variance) * rng.normal(0, 1, variance.shape))
    for layer, key, value in rates:
        setattr(layer, key, value)
