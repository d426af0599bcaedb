"""Layers and models of the user's own: their `call` is run on symbolic images, and what it calls is read.

Code that only uses layers and keras.ops leaves its whole meaning in that trace. What does not is found by running it
again, and refused: other weights that change a constant (a weight was read as a number), random numbers (constants
that differ), assignments to variables, clocks and random numbers of Python's and NumPy's, counters, and branches on
the number of images or on a size that is free. What it does in training alone is left to `lost`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional
from keras.src.models.sequential import Sequential
from keras.src.utils.python_utils import is_default

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture import watched
from bakeoff.frameworks._keras.capture.drawn import Drawn, symbolic_draws
from bakeoff.frameworks._keras.capture.embedded import symbolic_embeddings
from bakeoff.frameworks._keras.capture.trust import refusal
from bakeoff.frameworks._keras.capture.values import array_of
from bakeoff.frameworks._keras.capture.watched import nodes_of
from bakeoff.frameworks._watch import Watch
from bakeoff.schemas import Array

Function = Any  # keras.Function
PASSES = 4  # in which what differs in training has to be the same: a coin of Python's isn't


def is_model(operation: Any) -> bool:
    """Whether it is a functional or Sequential model that runs as Keras wrote it: its function says all."""
    if not isinstance(operation, Functional | Sequential) or "call" in vars(operation):
        return False
    return type(operation).call in (Functional.call, Sequential.call)


def traced(layer: Any, path: str, arguments: Any) -> tuple[Function | None, Function]:
    """The function of a layer's own code in training, and that in prediction: one and the same, where they are alike.

    In training a call that has training=False was given it by that code, and Keras honours it (and hands it on to the
    layers that are called after it: Keras 3.15, Layer._resolve_and_populate_arg). None: that trace doesn't hold all.

    Args:
        layer: built; of any class.
        path: its module path.
        arguments: of a call, with symbolic tensors (`convert` renews them).

    Raises:
        UnsupportedError: the code doesn't run on symbolic tensors, or a trace doesn't hold its whole meaning.
    """
    kind = f"{type(layer).__module__}.{type(layer).__name__}"

    def refuse(why: str, remedy: str = "Use layers and operations of Keras in it alone.") -> UnsupportedError:
        return refusal(path, kind, f"a layer of your own; {why}", remedy)

    if type(layer).__call__ is not keras.Layer.__call__:
        raise refuse("it replaces __call__")
    if not layer.built:
        raise refuse("it is not built: call the model on a batch of images first")
    before = [array_of(variable) for variable in layer.variables]
    watch = Watch(*watched.LIBRARIES)
    run = _runner(layer, arguments, watch, refuse)
    made: list[Function] = []
    try:
        _, plain = run(False)
        made.append(plain)
        for variable, array in zip(layer.variables, before, strict=True):
            if not _unchanged(variable, array):
                raise refuse(f"it assigns its variable {variable.name}")
        training = _in_training(run)
        still = all(map(_unchanged, layer.variables, before))
        once = watched.kept(layer, watch)  # now that all code has run
        _shift(layer, before)
        _, other = run(False)
        made += [other, *([training] if training else [])]
        if not _alike(plain, other):
            raise refuse("it computes with numbers that are random, or taken from its weights outside of keras.ops")
        if any(node.arguments.kwargs.get("training") is True for node in nodes_of(plain)):
            raise refuse("it calls a layer with training=True")
        if any(isinstance(node.operation, Drawn) for node in nodes_of(plain)):
            raise refuse("it draws random numbers in prediction, too", "Let it draw where `training` is true alone.")
        again = [_in_training(run) for _ in range(PASSES if training else 1)]
        made += [one for one in again if one]
        watched.check(watch, once, watched.kept(layer, watch), refuse)
        made += watched.other_shapes(run, plain, refuse)
        if not (training and still and _gives_alike(plain, training)):
            training = None
        elif _alike(plain, training):
            plain = training
        elif not all(one and _alike(training, one) for one in again):
            training = None
        made = [one for one in made if one is not plain and one is not training]
        return training, plain
    finally:
        for variable, array in zip(layer.variables, before, strict=True):
            variable.assign(array)
        for function in made:
            forget(function)


def _in_training(run: Callable[[bool], Any]) -> Function | None:
    """None where the code doesn't run symbolically in training: it assigns variables, adds a loss, draws otherwise."""
    try:
        return run(True)[1]
    except UnsupportedError:
        return None


def _alike(one: Function, other: Function) -> bool:
    return _structure(one) == _structure(other) and _same(_constants(one), _constants(other))


def _gives_alike(one: Function, other: Function) -> bool:
    return [tensor.shape for tensor in one.outputs] == [tensor.shape for tensor in other.outputs]


def _unchanged(variable: Any, array: Array) -> bool:
    return np.array_equal(array_of(variable), array)


def forget(function: Function) -> None:
    """Take the trace's nodes off the layers again: the user's model stays as it was."""
    nodes = set(map(id, nodes_of(function)))
    for operation in function.operations:
        operation._inbound_nodes = [node for node in operation._inbound_nodes if id(node) not in nodes]
        operation._outbound_nodes = [node for node in operation._outbound_nodes if id(node) not in nodes]


def _runner(layer: Any, arguments: Any, watch: Watch, refuse: Callable[[str], UnsupportedError]) -> Callable[..., Any]:
    switched = "training" in inspect.signature(layer.call).parameters

    def run(training: bool, count: int | None = None, size: tuple[int, int] | None = None) -> Any:
        fresh: dict[int, Any] = {}

        def renewed(x: Any) -> Any:
            if not isinstance(x, keras.KerasTensor):
                return x
            shape = list(x.shape)
            if size is not None and len(shape) == 4:
                shape[1:3] = (old or new for old, new in zip(shape[1:3], size, strict=True))
            return fresh.setdefault(id(x), keras.Input(batch_shape=(shape[0] or count, *shape[1:]), dtype=x.dtype))

        args, kwargs = arguments.convert(renewed)
        kwargs = {key: value for key, value in kwargs.items() if key not in ("training", "mask")}
        if switched:
            kwargs["training"] = training
        try:
            anchor = next(iter(fresh.values()))
            with (
                _called(layer, training),
                _no_losses(layer, refuse),
                _symbolic_variables(),
                _all_built(refuse),
                symbolic_embeddings(anchor),
                symbolic_draws(anchor, layer, refuse),
                watch,
            ):
                out = keras.tree.flatten(layer.call(*args, **kwargs))
            return list(fresh.values()), keras.Function(list(fresh.values()), out)
        except UnsupportedError:
            raise
        except Exception as error:  # whatever the user's code, or Keras, says of symbolic tensors
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise refuse(f"its code doesn't run on symbolic tensors ({words[0][:200]})") from None

    return run


@contextmanager
def _called(layer: Any, training: bool) -> Iterator[None]:
    """As Keras calls a layer: what it calls in turn inherits `training`."""
    layer._get_call_context().training = training
    try:
        yield
    finally:
        layer._maybe_reset_call_context()


@contextmanager
def _no_losses(layer: Any, refuse: Callable[..., UnsupportedError]) -> Iterator[None]:
    def add_loss(_: Any) -> None:
        remedy = "Say it as a regularizer of a layer in it, or by keras.layers.ActivityRegularization on a value."
        raise refuse("it calls add_loss, and no other framework has such a term of the loss", remedy)

    vars(layer)["add_loss"] = add_loss
    try:
        yield
    finally:
        del vars(layer)["add_loss"]


@contextmanager
def _all_built(refuse: Callable[..., UnsupportedError]) -> Iterator[None]:
    """No layer makes its weights while code is traced: they would be chance's, and the user's model another."""
    own = keras.Layer._maybe_build

    def build(part: Any, given: Any) -> None:
        if not part.built and not is_model(part) and not is_default(part.build):
            raise refuse(f"its layer {part.name} is not built", "Call the model on a batch of images first.")
        own(part, given)

    keras.Layer._maybe_build = build
    try:
        yield
    finally:
        keras.Layer._maybe_build = own


@contextmanager
def _symbolic_variables() -> Iterator[None]:
    """A variable times a symbolic tensor is left to the tensor, as a tensor times a variable is."""
    names = [f"__{name}__" for name in ("add", "sub", "mul", "truediv", "pow", "matmul", "gt", "ge", "lt", "le")]

    def left(own: Any) -> Any:
        return lambda a, b: NotImplemented if isinstance(b, keras.KerasTensor) else own(a, b)

    for name in names:  # its own are those of a class above it
        setattr(keras.Variable, name, left(getattr(keras.Variable, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(keras.Variable, name)


def _shift(layer: Any, arrays: list[Array]) -> None:
    """Other numbers in all variables that hold real ones."""
    for variable, array in zip(layer.variables, arrays, strict=True):
        if np.issubdtype(array.dtype, np.floating):
            variable.assign(1.25 * array + 0.125)


def _structure(function: Function) -> list[Any]:
    """Which layers and operations are called, with their settings and shapes."""
    return [(_who(node.operation), [tuple(t.shape) for t in node.outputs]) for node in nodes_of(function)]


def _who(operation: Any) -> Any:
    if isinstance(operation, keras.Layer):
        return id(operation)
    settings = {key: repr(value) for key, value in vars(operation).items() if not key.startswith("_") and key != "name"}
    return type(operation).__qualname__, tuple(sorted(settings.items()))


def _constants(function: Function) -> list[Any]:
    """What calls are told besides their inputs, but for whether they train."""
    told = [
        (n.arguments.args, {k: v for k, v in n.arguments.kwargs.items() if k != "training"}) for n in nodes_of(function)
    ]
    return [x for x in keras.tree.flatten(told) if not isinstance(x, keras.KerasTensor | keras.Variable)]


def _same(left: list[Any], right: list[Any]) -> bool:
    pairs = zip(left, right, strict=False)
    return len(left) == len(right) and all(
        np.array_equal(array_of(a), array_of(b)) if hasattr(a, "shape") else repr(a) == repr(b) for a, b in pairs
    )
