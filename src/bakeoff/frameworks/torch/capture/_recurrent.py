"""LSTM of several layers and directions: one node of the page lstm for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.ops._importers import joined

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def lstm(call: Call) -> Any:
    """torch.lstm: the sequence, and what each way said last; the memory's own last state has no node."""
    if call.overload != "input":
        raise call.refuse("packed sequences")
    if len(call["input"].sizes) != 3:
        raise call.refuse("a sequence without a batch")
    if not all(call.alike(state) == 0 for state in call["hx"]):
        raise call.refuse("a first state that isn't zero")
    x = call.arranged(call["input"], (0, 1, 2) if call["batch_first"] else (1, 0, 2))
    weights, count = list(call["params"]), call["num_layers"]
    ways = (False, True) if call["bidirectional"] else (False,)
    last = []
    for layer in range(count):
        done = [_one_way(call, x, weights, reverse) for reverse in ways]
        last += [_last(call, y, reverse) for y, reverse in zip(done, ways, strict=True)]
        x = joined(call, done, 2)
        if call["dropout"] and call["train"] and layer < count - 1:
            steps = (1, 0, 2) if call["batch_first"] else (0, 1, 2)  # masks are drawn step by step in either case
            x = call.moved(call.emit("dropout", {"rate": float(call["dropout"])}, call.moved(x, steps)), steps)
    return x, joined(call, last, 0), None


def _last(call: Call, y: Any, reverse: bool) -> Any:
    """(1, N, units): what a way said at the step that it read last."""
    axis = 1 if call["batch_first"] else 0
    start = 0 if reverse else y.sizes[axis] - 1
    part = call.emit("slice", {"axis": 1, "start": start, "stop": start + 1}, y)
    return call.moved(part, (1, 0, 2)) if axis else part


def _one_way(call: Call, x: Any, weights: list[Any], reverse: bool) -> Any:
    biased = bool(call["has_biases"])
    given = [weights.pop(0) for _ in range(4 if biased else 2)]
    units = given[1].sizes[1]
    if given[0].sizes[0] != 4 * units or len(given[1].sizes) != 2:
        raise call.refuse("a projection of its states")
    slots = {"kernel": call.slot(given[0], "kernel", (1, 0)), "recurrent": call.slot(given[1], "recurrent", (1, 0))}
    if biased:
        slots |= {"bias": call.slot(given[2], "bias"), "recurrent_bias": call.slot(given[3], "recurrent_bias")}
    return call.emit(
        "lstm", {"units": units, "reverse": reverse, "bias": biased, "recurrent_bias": biased}, x, parameters=slots
    )


RECURRENT = {"aten.lstm": lstm}
