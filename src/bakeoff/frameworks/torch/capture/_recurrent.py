"""LSTM of several layers and directions: one node of the page lstm for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bakeoff.ops._raise import joined

if TYPE_CHECKING:
    from bakeoff.frameworks.torch.capture._call import Call


def lstm(call: Call) -> Any:
    """torch.lstm: the sequence alone; what reads the last states is refused."""
    if call.overload != "input":
        raise call.refuse("packed sequences")
    states = [call.array(state) for state in call["hx"]]
    if any(state is None or state.any() for state in states):
        raise call.refuse("a first state that isn't zero")
    x = call.arranged(call["input"], (0, 1, 2) if call["batch_first"] else (1, 0, 2))
    weights, last = list(call["params"]), call["num_layers"] - 1
    ways = (False, True) if call["bidirectional"] else (False,)
    for layer in range(last + 1):
        x = joined(call, [_one_way(call, x, weights, reverse) for reverse in ways], 2)
        if call["dropout"] and call["train"] and layer < last:
            x = call.emit("dropout", {"rate": float(call["dropout"])}, x)
    return x, None, None


def _one_way(call: Call, x: Any, weights: list[Any], reverse: bool) -> Any:
    biased = bool(call["has_biases"])
    given = [weights.pop(0) for _ in range(4 if biased else 2)]
    units = given[1].sizes[1]
    if given[0].sizes[0] != 4 * units or len(given[1].sizes) != 2:
        raise call.refuse("a projection of its states")
    slots = {"kernel": call.slot(given[0], "kernel", (1, 0)), "recurrent": call.slot(given[1], "recurrent", (1, 0))}
    if biased:
        slots |= {"bias": call.slot(given[2], "bias"), "recurrent_bias": call.slot(given[3], "recurrent_bias")}
    return call.emit("lstm", {"units": units, "reverse": reverse, "bias": biased}, x, parameters=slots)


RECURRENT = {"aten.lstm": lstm}
