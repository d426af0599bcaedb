"""The steps of a capture: export, walk, check against the live module, passengers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from bakeoff.errors import BakeoffError, UnsupportedError, UsageError
from bakeoff.frameworks.torch.capture._builder import Builder
from bakeoff.frameworks.torch.capture._captured import Captured
from bakeoff.frameworks.torch.capture._export import batch_for, export, tensors
from bakeoff.frameworks.torch.capture._layout import Layout
from bakeoff.frameworks.torch.capture._values import Value, plain
from bakeoff.frameworks.torch.capture._walk import Walk
from bakeoff.graph.graph import Graph, Parameter
from bakeoff.graph.passes import prune

DEFAULT_SIZE = (224, 224)


def captured(model: nn.Module, input_size: tuple[int, int] | None, channels: int, name: str) -> Captured:
    """See `bakeoff.frameworks.torch.capture.capture`."""
    size = _size(input_size)
    _check(model, name)
    builder, outputs, notes = walked(model, size, channels, leaves=False)
    if len(outputs) != 1:
        notes.append(f"in training {name} has {len(outputs)} outputs; the graph is that of its prediction")
        builder, outputs, more = walked(model, size, channels, leaves=True)
        notes += more
    if len(outputs) != 1:
        raise UnsupportedError(f"{name} has {len(outputs)} outputs; a classifier has one: logits (N, classes).")
    graph = finished(builder, outputs[0])
    graph, layouts, passengers = with_passengers(graph, builder, model)
    return Captured(graph, layouts, size, True, passengers, tuple(notes))


def walked(
    model: nn.Module, size: tuple[int, int], channels: int, *, leaves: bool
) -> tuple[Builder, list[Value], list[str]]:
    """One export and one pass over it."""
    batch = batch_for(model, size)
    program = export(model, batch, size, channels, leaves=leaves)
    learned = frozenset(key for key, p in model.named_parameters(remove_duplicate=False) if p.requires_grad)
    builder = Builder(batch, tensors(model), learned, dict(model.named_modules()))
    walk = Walk(program, model, builder)
    return builder, walk.run(), walk.notes


def finished(builder: Builder, logits: Value) -> Graph:
    """The graph of what the logits need."""
    logits = builder.arranged(logits, plain(logits.rank), "")
    graph = Graph(builder.inputs, tuple(builder.nodes.values()), {"logits": logits.ref}, builder.parameters)
    graph = prune(graph)
    used = {path for node in graph.nodes for path in node.parameters.values() if isinstance(path, str)}
    return replace(graph, parameters={path: p for path, p in graph.parameters.items() if path in used})


def with_passengers(
    graph: Graph, builder: Builder, model: nn.Module
) -> tuple[Graph, dict[str, Layout], tuple[str, ...]]:
    """The graph with all other entries of the state dict along, and where each entry lies."""
    names: dict[int, str] = {}
    layouts: dict[str, Layout] = {}
    parameters = dict(graph.parameters)
    passengers = []
    for key, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, torch.Tensor):
            continue
        first = names.setdefault(id(tensor), key)
        layout = builder.layouts.get(first)
        if first not in graph.parameters or layout is None:
            layout = Layout.as_is(first, tuple(tensor.shape))
            if first == key:
                passengers.append(key)
                parameters[key] = _passenger(key, tensor)
        layouts[key] = layout
    return replace(graph, parameters=parameters), layouts, tuple(sorted(passengers))


def _passenger(path: str, tensor: torch.Tensor) -> Parameter:
    learned = isinstance(tensor, nn.Parameter)
    array = np.array(tensor.detach().cpu().numpy())
    return Parameter(path, array, "weight" if learned else "state", learned and tensor.requires_grad)


def _size(given: Any) -> tuple[int, int]:
    pair = DEFAULT_SIZE if given is None else given
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
        raise UsageError(f"input_size is {given!r}; expected (height, width) in pixels.")
    return pair[0], pair[1]


def _check(model: Any, name: str) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"{name} is a {type(model).__name__}; expected a torch.nn.Module.")
    lazy = [key for key, p in model.named_parameters() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise UsageError(f"{name}: {lazy[0]} has no shape yet. Run the model on a picture once before it is captured.")
    where = {tensor.device.type for tensor in tensors(model).values()} - {"cpu"}
    if where:
        raise BakeoffError(f"{name} lies on {', '.join(sorted(where))}. Move it first: model.cpu()")
