"""Numbers of a captured graph back into a Keras model, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.errors import ParityError, UsageError
from bakeoff.frameworks._keras.capture.capture import capture
from bakeoff.frameworks._keras.capture.captured import Captured
from bakeoff.registry import nearest
from bakeoff.schemas import Array


def write_back(captured: Captured, arrays: Mapping[str, Array], model: Any) -> None:
    """Assign canonical arrays to a Keras model: the captured one, or another of the same architecture.

    Args:
        captured: says which variable is which parameter, and how it is laid out.
        arrays: {path: canonical array}; paths that are not named keep their numbers. Constants are passed over.
        model: loaded or built anew, the layers' names may differ.

    Raises:
        UsageError: a path that the graph doesn't have, or a shape that differs.
        ParityError: the model is of another architecture.
    """
    other = capture(model, measured=False)
    names = _matched(captured, other)
    for path, array in arrays.items():
        if path not in captured.graph.parameters:
            known = captured.graph.parameters
            raise UsageError(f"weights: the model has no parameter {path!r}{nearest(path, known)}")
        if path not in names:
            continue
        expected = captured.graph.parameters[path].array.shape
        if array.shape != expected:
            raise UsageError(f"weights: {path} has shape {array.shape}, the model expects {expected}")
        other.variables[names[path]].assign(captured.origins[path].to_native(np.asarray(array)))
    _refresh(model)


def _matched(captured: Captured, other: Captured) -> dict[str, str]:
    """{path here: path there}: by name, or by place where Keras numbered the layers anew."""
    here, there = _signature(captured), _signature(other)
    if [kind for _, kind in here] != [kind for _, kind in there]:
        different = next((a for a, b in zip(here, there, strict=False) if a[1] != b[1]), ("", ""))
        raise ParityError(
            f"the Keras model is of another architecture: {len(here)} parameters here, {len(there)} there; "
            f"the first that differs is {different[0]!r}."
        )
    return {mine: theirs for (mine, _), (theirs, _) in zip(here, there, strict=True)}


def _signature(captured: Captured) -> list[tuple[str, Any]]:
    """Parameters in the order of computation, each with what tells it from others."""
    found: dict[str, Any] = {}
    for node in captured.graph.nodes:
        for slot, path in node.parameters.items():
            if isinstance(path, str) and path in captured.origins:
                origin = captured.origins[path]
                found.setdefault(path, (node.op, slot, origin.shape, origin.order))
    for path, origin in captured.origins.items():  # what no node reads
        found.setdefault(path, ("", "", origin.shape, origin.order))
    return list(found.items())


def _refresh(model: Any) -> None:
    """Normalization keeps copies of its adapted statistics (Keras 3.15, Normalization.finalize_state)."""
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
