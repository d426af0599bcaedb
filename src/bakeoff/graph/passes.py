"""Graphs from graphs: cut, put a new head on, silence. Nothing is changed in place.

features = cut(graph, "_blocks.10._add")              # pooled, if it is an image
graph = with_head(features, classes=5, seed=0)
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bakeoff.errors import BakeoffError, UnsupportedError, UsageError
from bakeoff.graph.graph import Graph, Node, Parameter, Ref
from bakeoff.graph.initialize import Initializer, torch_uniform
from bakeoff.graph.penalties import on_these
from bakeoff.ops import page
from bakeoff.ops._dimension import fixed
from bakeoff.registry import nearest
from bakeoff.schemas import Array

# cutting and joining --------------------------------------------------------------------------------------------------


def prune(graph: Graph, *, keep_passengers: bool = False) -> Graph:
    """Only what the outputs need; the other nodes' parameters go too, or travel along unused.

    Terms of the loss stay with what they are on.
    """
    needed = {ref.node for ref in graph.outputs.values()}
    for node in reversed(graph.nodes):
        if node.id in needed:
            sources = (*node.inputs, *(source for source in node.parameters.values() if isinstance(source, Ref)))
            needed |= {ref.node for ref in sources}
    nodes = tuple(node for node in graph.nodes if node.id in needed)
    penalties = on_these(graph.penalties, graph.inputs, nodes)
    if keep_passengers:
        return replace(graph, nodes=nodes, penalties=penalties)
    used = {source for node in nodes for source in node.parameters.values() if isinstance(source, str)}
    lost = {path for path, users in graph.users.items() if users and path not in used}
    kept = {path: parameter for path, parameter in graph.parameters.items() if path not in lost}
    return replace(graph, nodes=nodes, parameters=kept, penalties=penalties)


def of_size(graph: Graph, height: int, width: int) -> Graph:
    """The same net for images of that size alone: where a library can't build it for any size."""
    batch, _, _, channels = graph.input_shape
    return replace(graph, inputs=dict.fromkeys(graph.inputs, (batch, height, width, channels)))


def cut(graph: Graph, node_id: str) -> Graph:
    """The features behind a node: its output, averaged over image or tokens where it has any; output "features".

    Raises:
        UsageError: there is no such node; the message has the nearest.
        UnsupportedError: its output is neither an image, tokens nor a vector.
    """
    ids = [node.id for node in graph.nodes]
    if node_id not in ids:
        raise UsageError(f"the net has no node {node_id!r}{nearest(node_id, ids)}. Its last is {ids[-1]!r}.")
    features = Ref(node_id)
    shape = graph.shapes[features]
    if len(shape) not in (2, 3, 4):
        raise UnsupportedError(f"a cut at {node_id!r} gives {shape}; features are a vector or an image's channels.")
    graph = prune(replace(graph, outputs={"features": features}))
    if len(shape) == 2:
        return graph
    if len(shape) == 3:
        graph = append(graph, "reduce_mean", _free_name(graph, "pool"), features, axes=(1,), keepdims=False)
    else:
        graph = append(graph, "global_avg_pool", _free_name(graph, "pool"), features)
    return replace(graph, outputs={"features": Ref(graph.nodes[-1].id)})


def with_head(
    graph: Graph,
    classes: int,
    seed: int = 0,
    dropout: float = 0.0,
    name: str = "head",
    weights: Mapping[str, Array] | None = None,
) -> Graph:
    """A dense layer on features: a classifier with `classes` logits.

    Args:
        graph: gives features (batch, n).
        classes: the number of logits.
        seed: of the drawn start weights.
        dropout: share of the features that is dropped in training.
        name: of the layer, whose parameters are NAME.kernel (n, classes) and NAME.bias (classes,).
        weights: start values by slot ("kernel", "bias"), instead of drawn ones.

    Raises:
        UsageError: fewer than one logit.
        UnsupportedError: the output is no vector.
    """
    if classes < 1:
        raise UsageError(f"a head with {classes} logits; expected at least 1.")
    if len(graph.output_shape) != 2:
        raise UnsupportedError(
            f"a head needs features (batch, n), and the net gives {graph.output_shape}. Cut it first."
        )
    features = graph.output
    if dropout:
        graph = append(graph, "dropout", _free_name(graph, f"{name}_dropout"), features, rate=dropout)
        features = Ref(graph.nodes[-1].id)
    graph = append(graph, "dense", name, features, seed=seed, weights=weights, units=classes)
    return replace(graph, outputs={"logits": Ref(name)})


def with_hidden(graph: Graph, width: int, seed: int = 0, name: str = "head_1") -> Graph:
    """A dense layer with relu on features: features again, `width` of them."""
    graph = append(graph, "dense", name, graph.output, seed=seed, units=width)
    graph = append(graph, "relu", f"{name}_relu", Ref(name))
    return replace(graph, outputs={"features": Ref(f"{name}_relu")})


def append(
    graph: Graph,
    op: str,
    name: str,
    *inputs: Ref,
    seed: int = 0,
    initializer: Initializer = torch_uniform,
    weights: Mapping[str, Array] | None = None,
    **attributes: Any,
) -> Graph:
    """The graph with one more node; the outputs stay.

    Raises:
        BakeoffError: the name is taken, or given weights have another shape.
    """
    a = page(op).Attributes(**attributes)
    declare: Callable[..., Any] | None = getattr(page(op), "parameters", None)
    slots = declare(a, *(graph.shapes[ref] for ref in inputs)) if declare else {}
    parameters = dict(graph.parameters)
    for slot, spec in slots.items():
        path = f"{name}.{slot}"
        if path in parameters:
            raise BakeoffError(f"the net has a parameter {path!r} already: choose another name than {name!r}")
        given = (weights or {}).get(slot)
        array = initializer(seed, path, op, slot, spec) if given is None else np.array(given)
        if array.shape != spec.shape:
            raise BakeoffError(f"weights: {path} has shape {array.shape}, the layer expects {spec.shape}")
        parameters[path] = Parameter(path, array, spec.role, spec.role == "weight")
    node = Node(name, op, a, inputs, {slot: f"{name}.{slot}" for slot in slots}, name)
    return replace(graph, nodes=(*graph.nodes, node), parameters=parameters)


def features(graph: Graph) -> int:
    """How many features or logits the graph gives."""
    return fixed(graph.output_shape[-1], "the number of features")


def _free_name(graph: Graph, wanted: str) -> str:
    taken = {node.id for node in graph.nodes} | set(graph.inputs)
    names = (wanted, *(f"{wanted}_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def head_paths(graph: Graph) -> frozenset[str]:
    """The parameters of the last node that has any, which gives the logits, and of `with_hidden`'s layers before it."""
    found: frozenset[str] = frozenset()
    last = ""
    for node in reversed(prune(graph).nodes):
        paths = frozenset(source for source in node.parameters.values() if isinstance(source, str))
        if not paths:
            continue
        if last and not node.id.startswith(f"{last}_"):
            break
        found, last = found | paths, last or node.id
    return found


def without_noise(graph: Graph, among: Container[str] | None = None) -> Graph:
    """Dropout and its kin with rate 0, and the prediction where training has a value of its own.

    Args:
        graph: stays as it is.
        among: these nodes alone; default: all.
    """
    chosen = [node for node in graph.nodes if among is None or node.id in among]
    plain = {Ref(node.id): node.predicts for node in chosen if node.predicts and not node.masks}
    silent = {node.id for node in chosen if node.masks}

    def settled(source: Any) -> Any:
        while isinstance(source, Ref) and source in plain:
            source = plain[source]
        return source

    def moved(node: Node) -> Node:
        slots = {slot: settled(source) for slot, source in node.parameters.items()}
        attributes = replace(node.attributes, rate=0.0) if node.id in silent else node.attributes
        return replace(node, inputs=tuple(map(settled, node.inputs)), parameters=slots, attributes=attributes)

    outputs = {name: settled(ref) for name, ref in graph.outputs.items()}
    found = replace(graph, nodes=tuple(map(moved, graph.nodes)), outputs=outputs)
    return prune(found, keep_passengers=True) if plain else found
