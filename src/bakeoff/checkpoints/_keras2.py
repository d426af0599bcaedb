"""What Keras 2 wrote into a model's config, in the words of Keras 3, which refuses some of it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

# Operations with a number, between layers: as a layer that computes the same to the last bit.
OPERATIONS: dict[str, Callable[[float], tuple[str, dict[str, Any]]]] = {
    **dict.fromkeys(("math.add", "__operators__.add"), lambda y: ("Rescaling", {"scale": 1.0, "offset": y})),
    **dict.fromkeys(("math.subtract", "__operators__.sub"), lambda y: ("Rescaling", {"scale": 1.0, "offset": -y})),
    **dict.fromkeys(("math.multiply", "__operators__.mul"), lambda y: ("Rescaling", {"scale": y, "offset": 0.0})),
    "math.truediv": lambda y: ("Normalization", {"axis": None, "mean": 0.0, "variance": y * y}),
}


def today(item: Any) -> Any:
    """A config: names without slashes, no `groups` beside a depthwise kernel, operations as layers."""
    if isinstance(item, list):
        return [today(one) for one in item]
    if not isinstance(item, dict):
        return item.replace("/", "_") if isinstance(item, str) else item
    found = {key: today(value) for key, value in item.items()}
    if found.get("class_name") == "DepthwiseConv2D" and found["config"].get("groups") == 1:
        del found["config"]["groups"]
    if found.get("class_name") == "TFOpLambda" and found["config"].get("function") in OPERATIONS:
        ((before, node, tensor, given),) = found["inbound_nodes"]
        if isinstance(given.get("y"), int | float) and set(given) <= {"y", "name"}:
            kind, settings = OPERATIONS[found["config"]["function"]](float(given["y"]))
            settings |= {key: found["config"][key] for key in ("name", "dtype")}
            return {**found, "class_name": kind, "config": settings, "inbound_nodes": [[[before, node, tensor, {}]]]}
    if "output_layers" in found:
        inner = {layer["name"] for layer in found["layers"] if "layers" in layer["config"]}
        found["output_layers"] = _called(found["output_layers"], inner)
        for layer in found["layers"]:
            layer["inbound_nodes"] = _called(layer["inbound_nodes"], inner)
    return found


def _called(item: Any, inner: Set[str]) -> Any:
    """References to the calls of inner models: Keras 2 counted their making as the first."""
    if isinstance(item, list):
        if len(item) > 2 and isinstance(item[0], str) and item[0] in inner:
            return [item[0], item[1] - 1, *item[2:]]
        return [_called(one, inner) for one in item]
    return {key: _called(one, inner) for key, one in item.items()} if isinstance(item, dict) else item
