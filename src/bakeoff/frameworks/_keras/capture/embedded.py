"""Embeddings of fixed numbers, as positions are, in the user's own code: a table that is learned, not a constant.

`self.position(ops.arange(16))` runs at once, for nothing in it is symbolic, and would leave its weights behind as plain
numbers. While code is traced, such a call becomes an operation that hangs on the layer's first input instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from bakeoff.frameworks._keras.capture.values import array_of


class Embedded(keras.Operation):  # type: ignore[misc]
    """Rows of an embedding's table; `call` is never run.

    Args:
        layer: keras.layers.Embedding.
        indices: an array of integers.
    """

    def __init__(self, layer: Any, indices: Any) -> None:
        super().__init__(name=f"{layer.name}_rows")
        self.layer, self.indices = layer, array_of(indices)

    def compute_output_spec(self, anchor: Any) -> Any:
        return keras.KerasTensor((*self.indices.shape, self.layer.output_dim), dtype=self.layer.compute_dtype)

    def call(self, anchor: Any) -> Any:
        raise NotImplementedError


@contextmanager
def symbolic_embeddings(anchor: Any) -> Iterator[None]:
    """Calls of Embedding on plain numbers give symbolic tensors that hang on `anchor`."""
    original = keras.layers.Embedding.__call__

    def call(layer: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        plain = type(layer) is keras.layers.Embedding and not isinstance(inputs, keras.KerasTensor)
        if not plain or args or layer.mask_zero:
            return original(layer, inputs, *args, **kwargs)
        if not layer.built:
            layer.build()
        return Embedded(layer, inputs).symbolic_call(anchor)

    keras.layers.Embedding.__call__ = call
    try:
        yield
    finally:
        if "__call__" in vars(keras.layers.Embedding):
            del keras.layers.Embedding.__call__
