"""Runs a graph in NumPy through the truths of its pages: the oracle that no framework had a hand in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph, Node, Ref
from bakeoff.ops._dimension import Dim, at
from bakeoff.ops._page import Mode
from bakeoff.schemas import Array

PREDICT = Mode()


def run(graph: Graph, images: Array, mode: Mode = PREDICT) -> Array:
    """The logits (N, classes) for images (N, H, W, C), in the dtype of the images (cast the graph to match)."""
    return trace(graph, images, mode)[graph.output]


def trace(
    graph: Graph, images: Array, mode: Mode = PREDICT, instead: Mapping[str, Callable[..., Any]] | None = None
) -> dict[Ref, Array]:
    """Every value of the graph, by reference: to find the first layer that differs.

    Args:
        instead: {operator: what computes it} in the place of its page's truth.
    """
    values = {Ref(next(iter(graph.inputs))): images}
    sizes = {size.atom: n for size, n in zip(graph.input_shape, images.shape, strict=True) if isinstance(size, Dim)}
    for node in graph.nodes:
        attributes = concrete(node.attributes, sizes)
        out = (instead or {}).get(node.op, node.page.truth)(
            mode, attributes, *(values[ref] for ref in node.inputs), **parameters(graph, node, values)
        )
        for index, one in enumerate(out if isinstance(out, tuple) else (out,)):
            values[Ref(node.id, index)] = one
    return values


def concrete(attributes: Any, sizes: Mapping[Any, int]) -> Any:
    """Attributes with numbers for the symbols in their shapes."""
    changed = {}
    for field in fields(attributes):
        value = getattr(attributes, field.name)
        if isinstance(value, tuple) and any(isinstance(size, Dim) for size in value):
            changed[field.name] = tuple(at(size, **sizes) for size in value)
    return replace(attributes, **changed) if changed else attributes


def new_state(graph: Graph, values: Mapping[Ref, Array], mode: Mode) -> dict[str, Array]:
    """What the running statistics become after a pass whose values are given: {path: array}."""
    state: dict[str, Array] = {}
    for node in graph.nodes:
        update = getattr(node.page, "update", None)
        if update is None:
            continue
        slots = update(mode, node.attributes, *(values[ref] for ref in node.inputs), **parameters(graph, node, values))
        state |= {
            path: slots[slot] for slot, path in node.parameters.items() if isinstance(path, str) and slot in slots
        }
    return state


def parameters(graph: Graph, node: Node, values: Mapping[Ref, Array]) -> dict[str, Array]:
    """The arrays behind a node's slots; constants may be finer than the net, and come in its precision."""
    found = {}
    for slot, source in node.parameters.items():
        array = values[source] if isinstance(source, Ref) else graph.parameters[source].array
        constant = isinstance(source, str) and graph.parameters[source].role == "constant"
        finer = constant and np.issubdtype(array.dtype, np.floating)
        found[slot] = array.astype(graph.dtype, copy=False) if finer else array
    return found
