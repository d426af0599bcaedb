"""What Keras 2 wrote into a model's config, in the words of Keras 3, which refuses some of it."""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any

from bakeoff.errors import DataError

# Operations between layers, as layers that compute the same to the last bit: of two values, and of one with a number.
OPERATIONS: dict[str, tuple[str, Callable[[float], tuple[str, dict[str, Any]]]]] = {
    "add": ("Add", lambda y: ("Rescaling", {"scale": 1.0, "offset": y})),
    **dict.fromkeys(("subtract", "sub"), ("Subtract", lambda y: ("Rescaling", {"scale": 1.0, "offset": -y}))),
    **dict.fromkeys(("multiply", "mul"), ("Multiply", lambda y: ("Rescaling", {"scale": y, "offset": 0.0}))),
    "truediv": ("", lambda y: ("Normalization", {"axis": None, "mean": 0.0, "variance": y * y})),
}


def today(item: Any) -> Any:
    """A config: names without slashes, no `groups` beside a depthwise kernel, operations as layers.

    Raises:
        DataError: it has what means something else now.
    """
    if isinstance(item, list):
        return [today(one) for one in item]
    if not isinstance(item, dict):
        return item.replace("/", "_") if isinstance(item, str) else item
    found = {key: today(value) for key, value in item.items()}
    if any(key.endswith("activation") and value == "hard_sigmoid" for key, value in found.items()):
        raise DataError(
            f"layer {found.get('name')!r}: hard_sigmoid of Keras 2 is clip(x / 5 + 1 / 2), that of Keras 3 another.\n"
            "Build the net in Keras 3 with operations for it, and set_weights(old.get_weights())."
        )
    if found.get("class_name") == "DepthwiseConv2D" and found["config"].get("groups") == 1:
        del found["config"]["groups"]
    if found.get("class_name") == "TFOpLambda":
        found |= _layer(found)
    if "output_layers" in found:
        inner = {layer["name"] for layer in found["layers"] if "layers" in layer["config"]}
        found["output_layers"] = _called(found["output_layers"], inner)
        for layer in found["layers"]:
            layer["inbound_nodes"] = _called(layer["inbound_nodes"], inner)
    return found


def _layer(operation: dict[str, Any]) -> dict[str, Any]:
    """The layer in its place; nothing where there is none."""
    settings, calls = operation["config"], operation["inbound_nodes"]
    of_two, of_one = OPERATIONS.get(str(settings.get("function")).rpartition(".")[2], ("", None))
    if of_one is None or len(calls) != 1 or not set(calls[0][-1]) <= {"y", "name"}:
        return {}
    (*value, given), same = calls[0], {"name": settings["name"], "dtype": settings.get("dtype", "float32")}
    if of_two and isinstance(given["y"], list):
        return {"class_name": of_two, "config": same, "inbound_nodes": [[[*value, {}], [*given["y"], {}]]]}
    if not isinstance(given["y"], int | float):
        return {}
    kind, more = of_one(float(given["y"]))
    return {"class_name": kind, "config": {**same, **more}, "inbound_nodes": [[[*value, {}]]]}


def _called(item: Any, inner: Set[str]) -> Any:
    """References to the calls of inner models: Keras 2 counted their making as the first."""
    if isinstance(item, list):
        if len(item) > 2 and isinstance(item[0], str) and item[0] in inner:
            return [item[0], item[1] - 1, *item[2:]]
        return [_called(one, inner) for one in item]
    return {key: _called(one, inner) for key, one in item.items()} if isinstance(item, dict) else item
