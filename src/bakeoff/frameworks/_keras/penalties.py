"""Terms of the loss that live in the model, as Keras's own regularizers: saved and loaded with the layers."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import keras

from bakeoff.errors import UnsupportedError
from bakeoff.graph.graph import Graph

if TYPE_CHECKING:
    from bakeoff.frameworks._keras.build import Built


class Sums(keras.regularizers.L1L2):  # type: ignore[misc]  # Keras has no types
    """The same term where Keras's own sums differ, while a net trains: what is saved is Keras's own.

    Of 16 bits they are taken in float32; in float64 factors stay what they are, which TensorFlow's cast rounds to
    float32; and the slope of |x| at 0 is 0, as elsewhere, where JAX takes 1.
    """

    def __call__(self, x: Any) -> Any:
        ops = keras.ops
        x = ops.convert_to_tensor(x)
        x = ops.cast(x, "float32") if keras.backend.standardize_dtype(x.dtype) in ("bfloat16", "float16") else x
        l1, l2 = (ops.convert_to_tensor(factor, dtype=x.dtype) for factor in (self.l1, self.l2))
        return l1 * ops.sum(x * ops.sign(x)) + l2 * ops.sum(ops.square(x))


def acting(l1: float, l2: float, *, own: bool) -> Any:
    """What a net that trains here computes; `own`: its precision is one in which Keras's own sum is another."""
    return Sums(l1, l2) if own or keras.backend.backend() == "jax" else regularizer(l1, l2)


def regularizer(l1: float, l2: float) -> Any:
    """Keras's form of a term."""
    return keras.regularizers.L1L2(l1, l2) if l1 else keras.regularizers.L2(l2)


def regularize(graph: Graph, built: Built, dtype: str) -> None:
    """Give layers the regularizers of their weights: what acts now, and what is saved.

    Raises:
        UnsupportedError: a layer has no place for one.
    """
    for penalty in graph.penalties:
        if not isinstance(penalty.on, str):
            continue
        binding = built.bindings[penalty.on]
        *way, name = binding.attribute.split(".")
        layer = holder = built.model.get_layer(binding.owner)
        if way:
            holder = attrgetter(".".join(way))(layer)
        names = (name, name.removesuffix("_kernel"), *(("depthwise",) if name == "kernel" else ()))
        place = next((f"{one}_regularizer" for one in names if hasattr(holder, f"{one}_regularizer")), "")
        if not place:
            raise UnsupportedError(
                f"{penalty.on}: a term of the loss is on it, and {type(layer).__name__} has no place for one in Keras."
            )
        numbers = penalty.l1, penalty.l2
        setattr(holder, place, regularizer(*numbers))
        built.variable(binding).regularizer = acting(*numbers, own=dtype == "float64")
