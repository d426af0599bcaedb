"""One call of a layer, operation or activation, as importers see it: `bakeoff.ops._page.LayerCall`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture.importers import table
from bakeoff.frameworks._keras.capture.trust import check_operation, is_keras, refusal
from bakeoff.frameworks._keras.capture.values import Value, array_of
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.frameworks._keras.capture.builder import Builder


class LayerCall:
    """See `bakeoff.ops._page.LayerCall`.

    Args:
        builder: takes the nodes.
        layer: the Keras layer, operation or activation function.
        path: its module path.
        inputs: all its values, in order.
        args: positional arguments, with values in place of Keras's symbolic tensors.
        kwargs: the others.
    """

    def __init__(
        self,
        builder: Builder,
        layer: Any,
        path: str,
        inputs: tuple[Value, ...],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.builder, self.layer, self.path, self.inputs = builder, layer, path, inputs
        self.args, self.kwargs, self.lib = args, kwargs or {}, keras
        self.kind = type(layer).__name__
        self.trains = True
        self.read: set[int] = set()  # arguments that an importer has looked at, by identity

    # what came in

    @property
    def operands(self) -> list[Any]:
        """All arguments of an operation in order: values, numbers, arrays."""
        return [*self.args, *self.kwargs.values()]

    def number(self, given: Any) -> float | None:
        if isinstance(given, bool | int | float | np.number):
            self.read.add(id(given))
            return float(given)
        if isinstance(given, Value | str) or given is None:
            return None
        array = self.array(given)
        return float(array.reshape(())) if array is not None and array.ndim == 0 else None

    def array(self, given: Any) -> Array | None:
        """A constant as an array; None for a value, and for a variable of the model."""
        if isinstance(given, Value | keras.Variable | str) or given is None:
            return None
        self.read.add(id(given))
        return array_of(given)

    def value(self, given: Any) -> Value:
        if isinstance(given, Value):
            return given
        if isinstance(given, keras.Variable):
            self.read.add(id(given))
            return self.builder.bare(given, self.path, self.kind)
        array = self.array(given)
        if array is None:
            raise self.refuse(f"an argument of the type {type(given).__name__}")
        return self.builder.constant(array, self.path)

    # what goes out

    def emit(
        self, op: str, attributes: Any, *inputs: Value, parameters: dict[str, Any] | None = None, suffix: str = ""
    ) -> Any:
        return self.builder.emit(self, op, attributes, inputs or self.inputs, parameters or {}, suffix)

    def keep(self, variable: Any) -> None:
        self.builder.parameter(
            f"{self.path}.{variable.name}", variable, (), tuple(variable.shape), "state", self.path, self.kind
        )

    def activated(self, value: Value, function: Any = None) -> Value:
        function = self.layer.activation if function is None else function
        if function is None:
            return value
        if isinstance(function, keras.Layer):
            check_operation(function, f"{self.path}.{function.name}")
            call = LayerCall(self.builder, function, self.builder.place(self.path, function.name), (value,))
            found: Value = call.imported(f"layers.{type(function).__name__}")
            self.builder.check_taken(function, call.path)
            return found
        name = getattr(function, "__name__", type(function).__name__)
        if not is_keras(function):
            why = f"its activation {name} is a function of your own"
            raise self.refuse(why, "Use one of keras.activations, or operations of keras.ops in a functional model.")
        prefix = "ops" if ".ops." in function.__module__ else "activations"
        alone = isinstance(self.layer, keras.layers.Activation)
        path = self.path if alone else self.builder.sibling(self.path, name)
        call = LayerCall(self.builder, function, path, (value,))
        call.kind = f"{self.kind}'s activation"
        imported: Value = call.imported(f"{prefix}.{name}")
        return imported

    def imported(self, key: str) -> Any:
        """What the page that knows `key` makes of this call."""
        if key == "layers.Activation":  # it is what its function is
            return self.activated(self.inputs[0])
        found = self.builder.without_trace(self, key)
        if found is not None:
            return found
        importer = table().get(key)
        if importer is None:
            raise self.refuse(f"no operator knows {key}", "Use another layer of the same meaning.")
        return importer(self)

    def note(self, text: str) -> None:
        """A sentence for the reader of the capture."""
        self.builder.note(f"{self.path}: {text}")

    def refuse(self, why: str, remedy: str = "Use another form of this layer.") -> UnsupportedError:
        return refusal(self.path, self.kind, why, remedy)
