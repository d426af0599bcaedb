"""Walks a Keras function call by call, as Keras itself runs it, and asks the pages what each call means."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.models.sequential import Sequential
from keras.src.ops.symbolic_arguments import SymbolicArguments

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture.builder import Builder
from bakeoff.frameworks._keras.capture.call import LayerCall
from bakeoff.frameworks._keras.capture.captured import Captured, Head
from bakeoff.frameworks._keras.capture.drawn import Drawn, drawn_in_order
from bakeoff.frameworks._keras.capture.embedded import Embedded
from bakeoff.frameworks._keras.capture.importers import table
from bakeoff.frameworks._keras.capture.lost import lost
from bakeoff.frameworks._keras.capture.preprocessing import signature
from bakeoff.frameworks._keras.capture.simplify import merge_padding
from bakeoff.frameworks._keras.capture.tracing import forget, is_model, traced
from bakeoff.frameworks._keras.capture.trust import check_operation, check_settings, is_keras, refusal
from bakeoff.frameworks._keras.capture.values import Value
from bakeoff.graph.agree import together
from bakeoff.graph.graph import Graph, Ref
from bakeoff.graph.layout import said
from bakeoff.graph.passes import prune
from bakeoff.ops._dimension import Dim, Shape
from bakeoff.parity.lost import merged
from bakeoff.schemas import Declared

SYMBOLS = {1: "height", 2: "width"}
READS_INTEGERS = ("Rescaling", "Normalization", "Cast", "Resizing")
READS_TRUTH = ("Multiply", "Where")  # as 1 and 0


def capture(
    model: Any,
    *,
    source: str = "",
    input_shape: tuple[int | None, ...] | None = None,
    measured: bool = True,
) -> Captured:
    """A Keras model as a graph.

    Args:
        model: functional, Sequential, or a class of the user's own that is built, see `tracing`.
        source: the name in keras.applications, as "MobileNetV2": says what the model wants of an image.
        input_shape: (height, width, channels), for a model of the user's own; default: what it was built with.
        measured: whether what the graph doesn't hold is looked at in passes of the model; else nothing is declared.

    Raises:
        UnsupportedError: something has no exact rule; names the layer's class, its path, and what to do.
    """
    builder, whole = _walked(model, input_shape)
    graph, head = _split_head(whole)
    graph = merge_padding(prune(graph))
    if set(whole.penalties) - set(graph.penalties):
        why = f"its loss has a term on what the last {head or 'layer'} gives, which is no part of the logits"
        raise refusal(model.name, type(model).__name__, why, "Give the layer before it the activity regularizer.")
    wanted, missing = signature(graph, source)
    if missing:
        builder.note(missing)
    declared = lost(model, builder.predicting, graph, wanted) if measured and builder.predicting else ()
    declared = merged((*declared, *(_own_training(model) if measured else ())))
    return Captured(
        graph, head, wanted, builder.origins, tuple(builder.notes), declared, tuple(builder.predicting.values()),
        builder.variables, drawn_in_order(builder.draws),
    )  # fmt: skip


def _walked(model: Any, input_shape: tuple[int | None, ...] | None) -> tuple[Builder, Graph]:
    """The graph of a training pass; it predicts as the model does."""
    kept: set[str] = set()
    while True:
        builder = Builder()
        walk = Walk(builder, kept)
        try:
            training = walk.model(model, input_shape)
            if not walk.differing:
                return builder, training
            walk.predicts = True
            prediction = walk.model(model, input_shape)
        except UnheldError as error:
            kept.add(error.path)
            continue
        joined = together(prune(training), prune(prediction))
        if joined is not None:
            return builder, joined
        kept |= walk.differing


def _own_training(model: Any) -> list[Declared]:
    """How fit() trains a class of the user's own, where that is not Keras's way; what keeps weights after a step."""
    kinds = (("loss", "compute_loss"), ("training", "train_step"))
    asked = kinds if isinstance(model, keras.Model) else ()
    own = [(name, way) for name, way in asked if getattr(type(model), way) is not getattr(keras.Model, way)]
    kept: dict[str, list[str]] = {}
    for variable in model.trainable_variables:
        if variable.constraint is not None:
            kept.setdefault(type(variable.constraint).__name__, []).append(variable.path)
    return [
        *(Declared(name, (model.name,), f"in fit() it has a {way} of its own") for name, way in own),
        *(
            Declared("constraint", tuple(paths), f"after each step it is kept by {kind}")
            for kind, paths in kept.items()
        ),
    ]


class UnheldError(Exception):
    """The graph can't hold what a layer of the user's own does in training alone."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Walk:
    """Runs functions symbolically.

    Args:
        builder: takes the nodes.
        kept: the paths of layers of the user's own that predict in training, too.

    Attributes:
        differing: the paths of others that do something else in training.
        predicts: whether it goes through what they do in prediction.
    """

    def __init__(self, builder: Builder, kept: Container[str]) -> None:
        self.builder, self.kept = builder, kept
        self.differing: set[str] = set()
        self.predicts = False

    def model(self, model: Any, input_shape: tuple[int | None, ...] | None) -> Graph:
        """All of it."""
        self._trains = not self.predicts  # False inside of what the user's own code calls with training=False, too
        self.builder.begin()
        if not is_model(model):
            arguments = _own_arguments(model, input_shape)
            image = self.builder.input(_input_shape(arguments.keras_tensors[0]))
            outputs = self._traced(model, model.name, arguments, [image], prefix="")
        else:
            function = _function(model, model.name)
            _check_counts(model, function.inputs, function.outputs)
            outputs = self.function(function, "", [self.builder.input(_input_shape(function.inputs[0]))])
            self.builder.activity(model, model.name, outputs)
        return self.builder.finish(outputs[0], "logits")

    def function(
        self, function: Any, path: str, inputs: list[Value], *, own: bool = False, trains: bool = True
    ) -> list[Value]:
        """The outputs of a Keras function for these inputs.

        Args:
            function: of layers and operations.
            path: what the names of its layers follow.
            inputs: one for each of its own.
            own: it was traced, see `tracing`.
            trains: whether it was traced in training; else only what it calls trains, see `lost`.
        """
        values: dict[int, Value] = {}
        for tensor, value in zip(function.inputs, inputs, strict=True):
            if len(tensor.shape) != value.rank:
                why = f"it takes rank {len(tensor.shape)} and is called on rank {value.rank}"
                raise refusal(path, "Model", why, "Reshape the input before the call.")
            values[id(tensor)] = value
        for operation in function.operations:
            if isinstance(operation, keras.Layer):
                self.builder.reserve(operation, path)
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if node.is_input or any(id(tensor) not in values for tensor in node.input_tensors):
                    continue
                found = self._switched(node, path, values, trains) if own else self.call(node, path, values)
                for tensor, value in zip(node.outputs, found, strict=True):
                    values[id(tensor)] = value
        return [values[id(tensor)] for tensor in function.outputs]

    def _switched(self, node: Any, prefix: str, values: dict[int, Value], trains: bool) -> list[Value]:
        """A call in the user's own code, whose training=False Keras honours; True is what was handed on."""
        before = self._trains
        self._trains = before and (not trains or node.arguments.kwargs.get("training") is not False)
        if not isinstance(node.operation, keras.Layer):  # named by a count of all operations of the process
            self.builder.reserve(node.operation, prefix, re.sub(r"_\d+$", "", node.operation.name))
        node.arguments.kwargs.pop("training", None)
        try:
            return self.call(node, prefix, values)
        finally:
            self._trains = before

    def call(self, node: Any, prefix: str, values: dict[int, Value]) -> list[Value]:
        """The outputs of one call."""
        operation = node.operation
        inputs = tuple(values[id(tensor)] for tensor in node.input_tensors)
        layer = isinstance(operation, keras.Layer)
        path = self.builder.reserve(operation, prefix)
        self._check_training(node, path)
        if isinstance(operation, Embedded):
            return [self._rows(operation, path, inputs)]
        if isinstance(operation, Drawn):
            return [self._drawn(operation, path, inputs)]
        if is_model(operation):
            outputs = self.function(_function(operation, path), path, list(inputs))
            self.builder.activity(operation, path, outputs)
            return outputs
        if layer and (not is_keras(type(operation)) or _wraps(operation)):
            return self._own(node, path, list(inputs))
        check_operation(operation, path)
        if type(operation).__name__ == "Cast" and operation.dtype == node.input_tensors[0].dtype:
            return list(inputs)
        self._check_dtypes(node, path)
        args, kwargs = node.arguments.convert(lambda x: values[id(x)] if isinstance(x, keras.KerasTensor) else x)
        call = LayerCall(self.builder, operation, path, inputs, args, kwargs)
        call.trains = self._trains
        before = len(self.builder.nodes)
        found = call.imported(f"{'layers' if layer else 'ops'}.{type(operation).__name__}")
        outputs = list(found) if isinstance(found, tuple) else [found]
        if layer:
            self.builder.check_taken(operation, path)
            self.builder.activity(operation, path, outputs)
        self._check_read(call, outputs, before)
        self._check_shapes(node, call, outputs)
        return outputs

    def _rows(self, operation: Embedded, path: str, inputs: tuple[Value, ...]) -> Value:
        """The rows of a table that is learned."""
        place = self.builder.reserve(operation.layer, path.rpartition(".")[0])
        check_operation(operation.layer, place)
        call = LayerCall(self.builder, operation.layer, place, inputs)
        attributes = {"axis": 0, "size": operation.indices.shape}
        table = {"indices": operation.indices.astype("int64")}
        found: Value = call.emit("take", attributes, call.value(operation.layer.embeddings), parameters=table)
        self.builder.activity(operation.layer, place, [found])
        return found

    def _own(self, node: Any, path: str, inputs: list[Value]) -> list[Value]:
        """A layer of the user's own."""
        check_settings(node.operation, path, type(node.operation).__name__)
        order = {id(tensor): value for tensor, value in zip(node.input_tensors, inputs, strict=True)}
        return self._traced(node.operation, path, node.arguments, list(order.values()), prefix=path)

    def _traced(self, layer: Any, path: str, arguments: Any, inputs: list[Value], *, prefix: str) -> list[Value]:
        """What the code of a layer of the user's own gives; every weight of it is read."""
        self.builder.own(layer, prefix)
        training, prediction = functions = traced(layer, path, arguments)
        differs = training is not None and training is not prediction and path not in self.kept
        trains = differs or training is prediction
        function = training if differs and not self.predicts else prediction
        if not prefix:
            _check_counts(layer, prediction.inputs, prediction.outputs)
        if differs:
            self.differing.add(path)
        try:
            found = self.function(function, prefix, inputs, own=True, trains=trains)
        except UnsupportedError:
            if differs:
                raise UnheldError(path) from None
            raise
        finally:
            for one in functions:
                if one is not None:
                    forget(one)
        if not trains:  # what it reads in training alone is needed there
            self.builder.predicting[path] = layer
            self.builder.carry(layer, path)
        if self.predicts or not self.differing:
            self.builder.check_taken(layer, path)
        self.builder.activity(layer, path, found)
        return found

    def _drawn(self, operation: Drawn, path: str, inputs: tuple[Value, ...]) -> Value:
        """Random numbers of the user's own code: like the value that they hang on, or like zeros of their shape."""
        call, x = LayerCall(self.builder, operation, path, inputs), inputs[0]
        call.trains = self._trains
        if operation.kind == "dropout":
            found: Value = call.imported("layers.Dropout")
            return found
        rank = len(operation.shape)
        sizes = tuple(
            x.shape[axis] if size is None and axis < x.rank else size for axis, size in enumerate(operation.shape)
        )
        if rank != x.rank or any(size not in (1, own) for size, own in zip(sizes, x.shape, strict=True)):
            zeros = self.builder.constant(np.zeros((1,) * rank, self.builder.dtype), path)
            x = call.emit("expand", {"shape": sizes}, zeros, x)
        shared = tuple(axis for axis, (size, own) in enumerate(zip(sizes, x.shape, strict=True)) if size == 1 != own)
        drawn: Value = call.emit("draw", {"kind": operation.kind, "shared": shared}, x)
        return drawn

    def _check_read(self, call: LayerCall, outputs: list[Value], before: int) -> None:
        """Every value and array that came in has a reader: a mask, say, is never dropped silently."""
        refs = {ref for node in self.builder.nodes[before:] for ref in node.inputs} | {one.ref for one in outputs}
        arrays = [x for x in keras.tree.flatten((call.args, call.kwargs)) if hasattr(x, "shape")]
        left = [x for x in arrays if not isinstance(x, Value) and id(x) not in call.read]
        if left or any(value.ref not in refs for value in call.inputs):
            raise call.refuse("one of its arguments has no rule here", "Call it with its first argument alone.")

    def _check_training(self, node: Any, path: str) -> None:
        """`base(x, training=False)` is overruled by an outer training=True (Keras 3.15, Functional.call)."""
        operation, training = node.operation, node.arguments.kwargs.get("training")
        if training is True and "preprocessing" not in type(operation).__module__:  # True is their default
            why = "it was called with training=True: what it gives depends on how the model is called"
            raise refusal(path, type(operation).__name__, why, "Call the layer without `training`.")
        if training is not False or not operation.variables:
            return
        frozen = all(not variable.trainable for variable in operation.variables)
        statistics = any(isinstance(one, keras.layers.BatchNormalization) for one in _layers(operation))
        if statistics and not frozen:
            self.builder.note(
                f"{path}: called with training=False, which Keras ignores in fit(); "
                "its batch statistics move, as they do there. trainable = False freezes them"
            )

    def _check_dtypes(self, node: Any, path: str) -> None:
        kind = type(node.operation).__name__
        numbers = [str(t.dtype) for t in node.input_tensors if not (t.dtype == "bool" and kind in READS_TRUTH)]
        integers = [dtype for dtype in numbers if not dtype.startswith("float")]
        if integers and kind not in READS_INTEGERS:
            remedy = "Give the model a float input: the images' numbers are the same."
            raise refusal(path, kind, f"it reads {integers[0]} numbers", remedy)

    def _check_shapes(self, node: Any, call: LayerCall, outputs: list[Value]) -> None:
        """What the pages work out is what Keras says, where Keras says it."""
        for tensor, value in zip(node.outputs, outputs, strict=True):
            dims = tuple(tensor.shape)
            same = len(dims) == value.rank and all(
                size is None or isinstance(own, Dim) or size == own for size, own in zip(dims, value.shape, strict=True)
            )
            if not same:
                raise call.refuse(f"its output is {dims}, and the graph has {value.shape}")


def _check_counts(model: Any, inputs: list[Any], outputs: list[Any]) -> None:
    if len(inputs) != 1 or len(outputs) != 1:
        listed = (f"[{i}] {said(('batch', *one.shape[1:]))}" for i, one in enumerate(outputs))
        counts = f"{len(inputs)} inputs and {len(outputs)} outputs: {'; '.join(listed)}"
        remedy = (
            "A classifier has one of each: make one with keras.Model(model.inputs[i], model.outputs[j]), and save it."
        )
        raise refusal(model.name, type(model).__name__, f"it has {counts}", remedy)


def _own_arguments(model: Any, input_shape: tuple[int | None, ...] | None) -> Any:
    """What a model of the user's own is traced on: images as it was built with."""
    kind = f"{type(model).__module__}.{type(model).__name__}"
    if not isinstance(model, keras.Layer):
        raise refusal(kind, "an object", "it is no Keras model", "Give a keras.Model.")
    given = (None, *input_shape) if input_shape is not None else None
    if given is None:
        shapes = list((model._build_shapes_dict or {}).values())
        if len(shapes) != 1 or not isinstance(shapes[0], tuple | list):
            remedy = "Call it on a batch of images first, or give capture an input_shape."
            raise refusal(model.name, kind, "a model of your own whose input size is not known", remedy)
        given = (None, *shapes[0][1:])
    check_settings(model, model.name, kind)
    return SymbolicArguments(keras.Input(batch_shape=given))


def _wraps(operation: Any) -> bool:
    """A wrapper of Keras's that no page knows is read as a layer of the user's own: its code calls another layer."""
    return isinstance(operation, keras.layers.Wrapper) and f"layers.{type(operation).__name__}" not in table()


def _layers(operation: Any) -> list[Any]:
    return list(operation._flatten_layers())


def _function(model: Any, path: str) -> Any:
    """The Keras function behind a functional or Sequential model."""
    kind = f"{type(model).__module__}.{type(model).__name__}"
    if not isinstance(model, Sequential):
        return model
    if model._functional is None:
        remedy = "Put a keras.Input(shape) first, or call the model on a batch of images."
        raise refusal(path, kind, "it is not built: its input size is not known", remedy)
    return model._functional


def _input_shape(tensor: Any) -> Shape:
    """(batch, height, width, channels): free sizes become symbols."""
    sizes = list(tensor.shape)
    rank = len(sizes)
    for axis, size in enumerate(sizes[1:], 1):
        if size is None and (rank != 4 or axis not in SYMBOLS):
            remedy = "Give keras.Input a shape whose channels, or features, are a number."
            raise UnsupportedError(f"the model's input has the shape {tuple(sizes)}.\n{remedy}")
    free = {axis: Dim(SYMBOLS[axis]) for axis, size in enumerate(sizes) if size is None and axis}
    return (Dim("batch"), *(free.get(axis, size) for axis, size in enumerate(sizes[1:], 1)))


def _split_head(graph: Graph) -> tuple[Graph, Head]:
    """The graph up to the logits, and what came after: a softmax or sigmoid on vectors."""
    output = graph.output
    if len(graph.output_shape) != 2:
        return replace(graph, outputs={"features": output}), ""
    nodes = {node.id: node for node in graph.nodes}
    last = nodes.get(output.node)
    if last is None or last.op not in ("softmax", "sigmoid"):
        return graph, ""
    axis = getattr(last.attributes, "axis", -1)
    if axis not in (-1, 1):
        return graph, ""
    logits: Ref = last.inputs[0]
    return replace(graph, outputs={"logits": logits}), last.op  # type: ignore[return-value]
