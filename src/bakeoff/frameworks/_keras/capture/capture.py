"""Walks a Keras function call by call, as Keras itself runs it, and asks the pages what each call means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import keras
from keras.src.models.functional import Functional
from keras.src.models.sequential import Sequential

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture.builder import Builder
from bakeoff.frameworks._keras.capture.call import LayerCall
from bakeoff.frameworks._keras.capture.captured import Captured, Head
from bakeoff.frameworks._keras.capture.preprocessing import signature
from bakeoff.frameworks._keras.capture.simplify import merge_padding
from bakeoff.frameworks._keras.capture.trust import check_operation, refusal
from bakeoff.frameworks._keras.capture.values import Value
from bakeoff.graph.graph import Graph, Ref
from bakeoff.graph.passes import prune
from bakeoff.ops._dimension import Dim, Shape

SYMBOLS = {1: "height", 2: "width"}
READS_INTEGERS = ("Rescaling", "Normalization", "Cast", "Resizing")


def capture(model: Any, *, augmentation: Literal["drop", "refuse"] = "drop", source: str = "") -> Captured:
    """A Keras model as a graph.

    Args:
        model: functional, Sequential, or made of such; its layers are Keras's own.
        augmentation: layers that act in training alone are left out with a note, or refused.
        source: the name in keras.applications, as "MobileNetV2": says what the model wants of a picture.

    Raises:
        UnsupportedError: something has no exact rule; names the layer's class, its path, and what to do.
    """
    builder = Builder(augmentation)
    function = _function(model, model.name)
    if len(function.inputs) != 1 or len(function.outputs) != 1:
        counts = f"{len(function.inputs)} inputs and {len(function.outputs)} outputs"
        remedy = "A classifier has one of each: make one with keras.Model(model.inputs[i], model.outputs[j])."
        raise refusal(model.name, type(model).__name__, f"it has {counts}", remedy)
    walk = Walk(builder)
    picture = builder.input(_input_shape(function.inputs[0]))
    output = walk.model(model, "", [picture])[0]
    graph, head = _split_head(builder.finish(output, "logits"))
    graph = merge_padding(prune(graph))
    wanted, missing = signature(graph, source)
    if missing:
        builder.note(missing)
    notes = tuple(builder.notes)
    return Captured(graph, head, wanted, builder.origins, notes, builder.penalties, builder.variables)


class Walk:
    """Runs functions symbolically.

    Args:
        builder: takes the nodes.
    """

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def model(self, model: Any, path: str, inputs: list[Value]) -> list[Value]:
        """The outputs of a model's function for these inputs."""
        function = _function(model, path or model.name)
        values: dict[int, Value] = {}
        for tensor, value in zip(function.inputs, inputs, strict=True):
            if len(tensor.shape) != value.rank:
                why = f"it takes rank {len(tensor.shape)} and is called on rank {value.rank}"
                raise refusal(path, type(model).__name__, why, "Reshape the input before the call.")
            values[id(tensor)] = value
        for operation in function.operations:
            if isinstance(operation, keras.Layer):
                self.builder.reserve(operation, path)
        for depth in sorted(function._nodes_by_depth, reverse=True):
            for node in function._nodes_by_depth[depth]:
                if node.is_input or any(id(tensor) not in values for tensor in node.input_tensors):
                    continue
                found = self.call(node, path, values)
                for tensor, value in zip(node.outputs, found, strict=True):
                    values[id(tensor)] = value
        return [values[id(tensor)] for tensor in function.outputs]

    def call(self, node: Any, prefix: str, values: dict[int, Value]) -> list[Value]:
        """The outputs of one call."""
        operation = node.operation
        inputs = tuple(values[id(tensor)] for tensor in node.input_tensors)
        layer = isinstance(operation, keras.Layer)
        path = self.builder.reserve(operation, prefix)
        self._check_training(node, path)
        if isinstance(operation, Functional | Sequential):
            return self.model(operation, path, list(inputs))
        check_operation(operation, path)
        self._check_dtypes(node, path)
        args, kwargs = node.arguments.convert(lambda x: values[id(x)] if isinstance(x, keras.KerasTensor) else x)
        call = LayerCall(self.builder, operation, path, inputs, args, kwargs)
        before = len(self.builder.nodes)
        found = call.raised(f"{'layers' if layer else 'ops'}.{type(operation).__name__}")
        if layer:
            self.builder.check_taken(operation, path)
        outputs = list(found) if isinstance(found, tuple) else [found]
        self._check_read(call, outputs, before)
        self._check_shapes(node, call, outputs)
        return outputs

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
        integers = [t.dtype for t in node.input_tensors if not str(t.dtype).startswith("float")]
        if integers and kind not in READS_INTEGERS:
            remedy = "Give the model a float input: the pictures' numbers are the same."
            raise refusal(path, kind, f"it reads {integers[0]} numbers", remedy)

    def _check_shapes(self, node: Any, call: LayerCall, outputs: list[Value]) -> None:
        """What the pages work out is what Keras says, where Keras says it."""
        for tensor, value in zip(node.outputs, outputs, strict=True):
            said = tuple(tensor.shape)
            same = len(said) == value.rank and all(
                size is None or isinstance(own, Dim) or size == own for size, own in zip(said, value.shape, strict=True)
            )
            if not same:
                raise call.refuse(f"its output is {said}, and the graph has {value.shape}")


def _layers(operation: Any) -> list[Any]:
    return list(operation._flatten_layers())


def _function(model: Any, path: str) -> Any:
    """The Keras function behind a functional or Sequential model."""
    kind = f"{type(model).__module__}.{type(model).__name__}"
    if not isinstance(model, Functional | Sequential):
        remedy = "Make it functional: x = keras.Input(shape); model = keras.Model(x, model.call(x))."
        raise refusal(path, kind, "a subclassed model, whose code can't be read", remedy)
    if type(model).call not in (Functional.call, Sequential.call) or "call" in vars(model):
        raise refusal(path, kind, "it overrides call()", "Make it a plain functional model.")
    if not isinstance(model, Sequential):
        return model
    if model._functional is None:
        remedy = "Put a keras.Input(shape) first, or call the model on a batch of pictures."
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
