"""A live keras.Model, as its own library made it, asked as a `Net` is: the reference for a rebuilt net.

Nothing of the graph computes here: logits, gradients and statistics are the model's own, under tf.GradientTape. The
capture only says under which path and in which order of axes an array goes by in the graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture import Captured, capture
from bakeoff.frameworks._keras.capture.lost import predict
from bakeoff.frameworks._keras.capture.trust import is_keras
from bakeoff.frameworks._keras.draws import drawing, watched
from bakeoff.frameworks._keras.exact import exact
from bakeoff.graph.faults import faults
from bakeoff.schemas import Array, Drawn, StepResult

MIXED = {"mixed_float16", "mixed_bfloat16"}


class LiveKeras:
    """See `bakeoff.protocols.Net`, as far as checks need it; on TensorFlow.

    Args:
        model: stays as it is; a copy, in the precision asked for, computes.
        captured: of that model.
        precision: float32 or float64.
    """

    def __init__(self, model: Any, captured: Captured, precision: str) -> None:
        import tensorflow as tf

        self.tf, self.captured, self.precision, self.count = tf, captured, precision, 0
        self.native = copied(model, precision)
        self.given: Mapping[str, Array] | None = None
        self.drawn: dict[str, Drawn] = {}
        self.own = capture(self.native, measured=False)
        names = dict(zip(captured.origins, self.own.origins, strict=True))
        self.variables = {path: self.own.variables[mine] for path, mine in names.items()}
        for layer in self.own.predicting:
            predict(layer)
        without_head(self.native)
        chosen = {id(variable) for variable in self.native.trainable_variables}
        self.trainable = {path: v for path, v in self.variables.items() if id(v) in chosen}
        grouped = any(getattr(layer, "groups", 1) > 1 for layer in self.native._flatten_layers())
        self._predict = tf.function(lambda x: self.native(x, training=False), reduce_retracing=True)
        self._train = tf.function(lambda x: self.native(x, training=True), reduce_retracing=True)
        compiled = partial(tf.function, jit_compile=grouped)
        self._step = compiled(self._loss_and_gradients, reduce_retracing=True)
        self._watched = watched(self._loss_and_gradients, compiled, *drawing(captured, self.own))

    def logits(self, images: Array, *, train: bool = False) -> Array:
        call = self._train if train else self._predict
        with exact(self.tf, self.precision):
            found: Array = call(self.tf.constant(images.astype(self.precision))).numpy()
        return found

    def compile(self, optimizer: str, settings: Mapping[str, Any], loss: str) -> None:
        """Plain SGD with momentum, written out; `optimizer` and `loss` are what they are called in `Net`."""
        self.binary = loss == "binary_cross_entropy"
        self.momentum = float(settings.get("momentum", 0.0))
        self.velocity: dict[str, Array] = {}

    def _loss_and_gradients(self, images: Any, labels: Any) -> Any:
        tf = self.tf
        values = [variable.value for variable in self.trainable.values()]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            logits = self.native(images, training=True)
            if self.binary:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, logits.dtype), logits[:, 0])
            else:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
            loss = tf.add_n([loss, *self.native.losses])  # with the terms that live in the model
        zero = tf.UnconnectedGradients.ZERO
        return loss, tape.gradient(loss, values, unconnected_gradients=zero)

    def gradients(self, images: Array, labels: Array) -> StepResult:
        tf = self.tf
        with exact(tf, self.precision):
            batch = tf.constant(images.astype(self.precision)), tf.constant(labels)
            if self.given is None:
                loss, found = self._step(*batch)
            else:
                (loss, found), self.drawn = self._watched(self.given, *batch)
        dense = [tf.convert_to_tensor(gradient).numpy() for gradient in found]
        self.found = dict(zip(self.trainable, dense, strict=True))
        return StepResult(float(loss) * len(labels), len(labels))

    def gradient_arrays(self) -> dict[str, Array]:
        return {path: self._canonical(path, array) for path, array in self.found.items()}

    def apply(self, rate: float) -> None:
        for path, gradient in self.found.items():
            velocity = gradient if path not in self.velocity else self.momentum * self.velocity[path] + gradient
            self.velocity[path] = velocity
            variable = self.trainable[path]
            variable.assign(array_of(variable) - rate * velocity)

    def arrays(self) -> dict[str, Array]:
        return {path: self._canonical(path, array_of(variable)) for path, variable in self.variables.items()}

    def load(self, arrays: Mapping[str, Array]) -> None:
        for path, variable in self.variables.items():
            if path in arrays:
                variable.assign(self.captured.origins[path].to_native(np.asarray(arrays[path])).astype(self.precision))
        for layer in self.native._flatten_layers():
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()

    def _canonical(self, path: str, array: Array) -> Array:
        shape = self.captured.graph.parameters[path].array.shape
        return self.captured.origins[path].to_canonical(array, shape)

    def activations(self, images: Array) -> dict[str, Array]:
        """The outputs of the outer model's layers by their names, in prediction."""
        return layer_outputs(self.native, images.astype(self.precision))

    def notes(self) -> list[str]:
        """What the reader of a comparison should know."""
        return faults(self.captured.graph, "tensorflow")

    def trainable_count(self) -> int:
        """How many numbers training changes."""
        return sum(int(np.prod(v.shape)) for v in self.native.trainable_variables)

    def parameter_count(self) -> int:
        """How many numbers its weights have, running statistics apart."""
        roles = self.captured.graph.parameters
        return sum(int(np.prod(v.shape)) for path, v in self.variables.items() if roles[path].role == "weight")


def layer_outputs(model: Any, images: Array) -> dict[str, Array]:
    """The outputs of the outer model's layers that are called once, by their names; none of a class of one's own."""
    if not hasattr(model, "inputs"):
        return {}
    layers = [layer for layer in model.layers if len(layer._inbound_nodes) == 1 and not isinstance(layer.output, list)]
    probe = keras.Model(model.inputs, [layer.output for layer in layers])
    values = probe(images, training=False)
    pairs = zip(layers, values, strict=True)
    return {layer.name: _numpy(value) for layer, value in pairs}


def unmixed(model: Any) -> tuple[Any, tuple[str, ...]]:
    """A copy in float32 where layers compute in 16 bits and keep weights of 32, and what to say; else the model."""
    mixed = {layer.dtype_policy.name for layer in model._flatten_layers()} & MIXED
    if not mixed:
        return model, ()
    return copied(model, "float32"), (f"it computes in {', '.join(sorted(mixed))}; here in float32",)


def copied(model: Any, precision: str) -> Any:
    """The same model with the same numbers in a precision: its configuration, read with other dtypes.

    Raises:
        UnsupportedError: a class of the user's own that can't be made from its configuration.
    """
    kind = type(model)
    own = {keras.saving.get_registered_name(type(one)): type(one) for one in model._flatten_layers()}
    own = {name: one for name, one in own.items() if not is_keras(one)}
    makers = {name: _maker(one) for name, one in own.items()}
    known, before = keras.saving.get_custom_objects(), keras.config.dtype_policy()
    kept = {name: known[name] for name in makers if name in known}
    known.update({name: makers[name] for name in kept})  # within models Keras prefers what is registered to a scope
    keras.config.set_dtype_policy(precision)  # of the layers that the user's own make for themselves
    try:
        with keras.saving.custom_object_scope(makers):
            clone = _made(kind, _with_dtype(model.get_config(), precision))
            shape = (model.get_build_config() or {}).get("input_shape")
            if not clone.built and shape:  # a class of the user's own makes its weights when it sees an image
                clone(np.zeros((1, *shape[1:]), precision))
    except (TypeError, ValueError, NotImplementedError) as error:  # Keras's words for a missing get_config
        why = " ".join(str(error).rpartition("Exception encountered:")[2].split())[:200]
        named = ", ".join(sorted(one.__name__ for one in own.values())) or kind.__name__
        raise UnsupportedError(
            f"{model.name}: it can't be copied for the checks ({why}).\nGive get_config() to its own classes: {named}."
        ) from None
    finally:
        keras.config.set_dtype_policy(before)
        known.update(kept)
    _same_weights(model, clone)
    for old, new in zip(_weights(model), _weights(clone), strict=True):
        new.regularizer = old.regularizer  # what acts there; the configuration says what was set, perhaps too late
        new.assign(array_of(old).astype(precision) if _floating(old) else array_of(old))
    learned = [(old, new) for old, new in zip(_leaves(model), _leaves(clone), strict=True)]
    for old, new in learned:
        new.trainable = old.trainable
        for mine, theirs in zip(old.variables, new.variables, strict=True):
            if mine.trainable != theirs.trainable:
                theirs.trainable = mine.trainable
    for layer in clone._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
    return clone


def _made(kind: type, config: dict[str, Any]) -> Any:
    """A model or layer of its configuration; of a class that doesn't take what Keras adds (trainable, dtype), by the
    rest.

    Raises:
        ValueError: it lacks what the class needs.
    """
    try:
        return kind.from_config(config)  # type: ignore[attr-defined]
    except TypeError:
        taken = inspect.signature(kind).parameters
        if is_keras(kind) or any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            raise
    try:
        return kind(**{key: value for key, value in config.items() if key in taken})
    except TypeError as error:
        raise ValueError(str(error)) from None  # Keras would tell a TypeError in words of its own


def _maker(kind: type) -> type:
    """What Keras calls in the place of a user's class where it reads a configuration."""
    methods = {"from_config": staticmethod(partial(_made, kind)), "__module__": kind.__module__}
    return type(kind.__name__, (), methods)


def _same_weights(model: Any, clone: Any) -> None:
    """Keras's configuration forgets that models within a model share a layer: a copy or a saved file is another net.

    Raises:
        UnsupportedError: it does.
    """
    expected, found = ([tuple(v.shape) for v in _weights(one)] for one in (model, clone))
    if expected != found:
        raise UnsupportedError(
            f"{model.name}: it can't be copied for the checks: of {len(expected)} weights Keras's own from_config() "
            f"makes {len(found)}, as a saved file would.\n"
            "The usual reason is a layer that two models within it share: call one model twice, or use layers alone."
        )


def without_head(model: Any) -> None:
    """Take the last softmax or sigmoid away, in place: what is left gives logits."""
    layer = model
    while hasattr(layer, "layers"):
        layer = layer.layers[-1]
    if isinstance(layer, keras.layers.Softmax):
        layer.call = lambda inputs, mask=None: inputs
        return
    activation = getattr(layer, "activation", None)
    if getattr(activation, "__name__", "") in ("softmax", "sigmoid"):
        layer.activation = keras.activations.linear


def array_of(variable: Any) -> Array:
    """A copy of a variable's numbers."""
    return _numpy(variable.value)


def _numpy(value: Any) -> Array:
    """A copy of a TensorFlow value or variable."""
    return np.array(value.numpy())


def _with_dtype(value: Any, precision: str) -> Any:
    """A configuration whose policies are of that precision."""
    if isinstance(value, dict):
        return {key: _with_dtype(item, precision) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_dtype(item, precision) for item in value)
    return precision if isinstance(value, str) and value in {"float32", "float64", *MIXED} else value


def _floating(variable: Any) -> bool:
    return str(variable.dtype).startswith("float")


def _weights(model: Any) -> list[Any]:
    return [variable for variable in model.weights if "seed_generator" not in variable.path]


def _leaves(model: Any) -> list[Any]:
    """Layers that hold weights: others may not be built, as those that are called in training alone."""
    return [layer for layer in model._flatten_layers() if not hasattr(layer, "layers") and _weights(layer)]
