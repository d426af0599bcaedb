"""What pages share that read a sequence step by step: layers upon each other and both ways, in torch and in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bakeoff.ops._importers import joined
from bakeoff.ops._page import Call, LayerCall
from bakeoff.schemas import Array


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), which overflows nowhere in this form."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def unrolled(a: Any, x: Array, count: int, step: Callable[..., tuple[Array, ...]]) -> Array:
    """y (N, T, U): the first state of every step, read from the last one to the first where `a.reverse` says so.

    Args:
        count: of states (N, U), which begin with 0.
        step: from what x has at a step, and the states, to the next states.
    """
    steps = range(x.shape[1])
    states: tuple[Array, ...] = (np.zeros((len(x), a.units), x.dtype),) * count
    y = np.zeros((*x.shape[:2], a.units), x.dtype)
    for t in reversed(steps) if a.reverse else steps:
        states = step(x[:, t], *states)
        y[:, t] = states[0]
    return y


Slots = Callable[[Call, list[Any]], tuple[dict[str, Any], dict[str, Any]]]


def torch_layers(call: Call, op: str, states: list[Any], slots: Slots) -> tuple[Any, Any]:
    """torch.lstm, torch.gru: the sequence, and what each way of each layer said last.

    Args:
        states: the first ones, which are zeros.
        slots: attributes and slots of one layer and way, of its weights: kernel, recurrent, and two biases if any.
    """
    if call.overload != "input":
        raise call.refuse("packed sequences")
    if len(call["input"].sizes) != 3:
        raise call.refuse("a sequence without a batch")
    if not all(call.alike(state) == 0 for state in states):
        raise call.refuse("a first state that isn't zero")
    x = call.arranged(call["input"], (0, 1, 2) if call["batch_first"] else (1, 0, 2))
    weights, count = list(call["params"]), call["num_layers"]
    ways, each = (False, True) if call["bidirectional"] else (False,), 4 if call["has_biases"] else 2
    last = []
    for layer in range(count):
        done = []
        for reverse in ways:
            attributes, given = slots(call, weights[:each])
            done.append(call.emit(op, {**attributes, "reverse": reverse}, x, parameters=given))
            del weights[:each]
        last += [_last(call, y, reverse) for y, reverse in zip(done, ways, strict=True)]
        x = joined(call, done, 2)
        if call["dropout"] and call["train"] and layer < count - 1:
            steps = (1, 0, 2) if call["batch_first"] else (0, 1, 2)  # masks are drawn step by step in either case
            x = call.moved(call.emit("dropout", {"rate": float(call["dropout"])}, call.moved(x, steps)), steps)
    return x, joined(call, last, 0)


def _last(call: Call, y: Any, reverse: bool) -> Any:
    """(1, N, units): what a way said at the step that it read last."""
    axis = 1 if call["batch_first"] else 0
    start = 0 if reverse else y.sizes[axis] - 1
    part = call.emit("slice", {"axis": 1, "start": start, "stop": start + 1}, y)
    return call.moved(part, (1, 0, 2)) if axis else part


def torch_slots(call: Call, given: list[Any]) -> dict[str, Any]:
    """The weights of one layer and way."""
    slots = {"kernel": call.slot(given[0], "kernel", (1, 0)), "recurrent": call.slot(given[1], "recurrent", (1, 0))}
    names = ("bias", "recurrent_bias")
    return slots | {name: call.slot(one, name) for name, one in zip(names, given[2:], strict=False)}


# Keras ---------------------------------------------------------------------------------------------------------------


def keras_layer(call: LayerCall) -> Any:
    """All steps in the order in which the layer gives them, or the last one that it read."""
    return _directed(call, call.layer, "")


def keras_both_ways(call: LayerCall) -> Any:
    """Bidirectional: the layer, and its twin that reads from the end."""
    layer, kind = call.layer, type(call.layer.forward_layer).__name__
    if kind not in CELLS or layer.merge_mode != "concat":
        known = f"Known: {', '.join(CELLS)}, concat."
        raise call.refuse(f"{kind} and merge_mode={layer.merge_mode!r}", known)
    ways = [
        _directed(call, one, suffix)
        for one, suffix in ((layer.forward_layer, ".forward_layer"), (layer.backward_layer, ".backward_layer"))
    ]
    if layer.return_sequences:
        ways[1] = _turned(call, ways[1])
    return call.emit("concat", {"axis": ways[0].rank - 1}, *ways)


def _lstm(layer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    cell = layer.cell
    slots = {"kernel": cell.kernel, "recurrent": cell.recurrent_kernel, "bias": cell.bias if layer.use_bias else None}
    return {"bias": bool(layer.use_bias), "recurrent_bias": False}, slots


def _gru(layer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    cell, order = layer.cell, (1, 0, 2)  # Keras counts update before reset
    given = {"kernel": cell.kernel, "recurrent": cell.recurrent_kernel} | (
        {"bias": cell.bias} if layer.use_bias else {}
    )
    return {"biases": "joined" if layer.use_bias else "none"}, {slot: (one, (), order) for slot, one in given.items()}


CELLS = {"LSTM": ("lstm", _lstm), "GRU": ("gru", _gru)}


def _directed(call: LayerCall, layer: Any, suffix: str) -> Any:
    functions = layer.activation.__name__, layer.recurrent_activation.__name__
    strange = {
        f"activations {functions}": functions != ("tanh", "sigmoid"),
        "stateful": layer.stateful,
        "return_state": layer.return_state,
        "recurrent_dropout": bool(layer.recurrent_dropout),
        "several inputs": len(call.inputs) > 1,
        "reset_after=False": not getattr(layer, "reset_after", True),
    }
    if any(strange.values()):
        reason = next(what for what, there in strange.items() if there)
        raise call.refuse(reason, "Known: tanh and sigmoid, a first state of zeros, sequences or the last step.")
    op, read = CELLS[type(layer).__name__]
    attributes, slots = read(layer)
    x, reverse = call.inputs[0], bool(layer.go_backwards)
    if layer.dropout and call.trains:  # one mask for all steps
        x = call.emit("dropout", {"rate": float(layer.dropout), "shared": (1,)}, x, suffix=f"{suffix}_dropout")
    y = call.emit(op, {**attributes, "units": layer.units, "reverse": reverse}, x, parameters=slots, suffix=suffix)
    if layer.return_sequences:
        return _turned(call, y) if reverse else y
    last = {"start": 0, "stop": 1} if reverse else {"start": -1}
    return call.emit("reshape", {"shape": (y.shape[0], layer.units)}, call.emit("slice", {"axis": 1, **last}, y))


def _turned(call: LayerCall, y: Any) -> Any:
    return call.emit("slice", {"axis": 1, "step": -1}, y)
