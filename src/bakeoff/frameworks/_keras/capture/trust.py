"""What is refused before any importer looks at it: foreign code, settings without a rule, weights that nothing reads.

A class is Keras's own only if Keras's module holds that very class: a user's `Conv2D` that overrides `call` has another
module, and one that borrows Keras's module name isn't found there.
"""

from __future__ import annotations

import sys
from typing import Any

import keras

from bakeoff.errors import UnsupportedError

PENALTIES = ("L1", "L2", "L1L2")


def refusal(path: str, kind: str, why: str, remedy: str) -> UnsupportedError:
    """The error that names a layer, what is wrong, and how to go on."""
    return UnsupportedError(f"{kind} {path!r}: {why}.\n{remedy}")


def is_keras(thing: Any) -> bool:
    """Whether a class or function is Keras's own, and is what Keras's module holds under that name."""
    module = getattr(thing, "__module__", None) or ""
    held = getattr(sys.modules.get(module), getattr(thing, "__name__", ""), None)
    return module.startswith("keras.") and held is thing


def check_operation(operation: Any, path: str) -> None:
    """Refuse what has no exact rule, whatever the layer.

    Raises:
        UnsupportedError: names the layer's class, its path and the remedy.
    """
    kind = type(operation).__name__
    if not is_keras(type(operation)):
        raise refusal(
            path,
            f"{type(operation).__module__}.{kind}",
            "a layer of your own, whose code can't be read",
            "Write it with layers and operations of Keras in a functional model.",
        )
    if "call" in vars(operation):
        raise refusal(path, kind, "its `call` was replaced", "Use the layer as Keras has it.")
    if isinstance(operation, keras.Layer):
        check_settings(operation, path, kind)
        parts = operation._flatten_layers(include_self=False)
        inner = next((one for one in parts if one.activity_regularizer is not None), None)
        if inner is not None:
            why = f"its part {inner.name} has an activity regularizer"
            raise refusal(path, kind, why, "Use keras.layers.ActivityRegularization on what the layer gives.")


def check_settings(layer: Any, path: str, kind: str) -> None:
    """Refuse precisions, layouts and extras without a rule, of any layer.

    Raises:
        UnsupportedError: names the layer's class, its path and the remedy.
    """
    policy = layer.dtype_policy
    if policy.compute_dtype != policy.variable_dtype or policy.compute_dtype not in ("float32", "float64"):
        remedy = "Load or build the model with the dtype policy float32: the numbers of its weights are the same."
        raise refusal(path, kind, f"it computes in {policy.name} (only float32 and float64)", remedy)
    if getattr(layer, "data_format", "channels_last") == "channels_first":
        remedy = "Build the model with data_format='channels_last'; kernels stay as they are."
        raise refusal(path, kind, "data_format='channels_first'", remedy)
    if getattr(layer, "quantization_mode", None):
        raise refusal(path, kind, f"quantised to {layer.quantization_mode}", "Use the model before it was quantised.")
    if getattr(layer, "lora_enabled", False):
        raise refusal(path, kind, "LoRA is on", "Save and load the model: saving merges LoRA into the kernel.")


def factors(regularizer: Any, path: str, kind: str) -> tuple[float, float]:
    """(l1, l2) of a regularizer, as it holds them: L1 a number of float32, the others what was written.

    Raises:
        UnsupportedError: it is none of Keras's own of these.
    """
    if regularizer is None:
        return 0.0, 0.0
    name = getattr(regularizer, "__name__", type(regularizer).__name__)
    if name not in PENALTIES or not is_keras(type(regularizer)):
        remedy = f"Use one of {', '.join(PENALTIES)} of keras.regularizers, or none."
        raise refusal(path, kind, f"it has the regularizer {name}", remedy)
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))


def check_taken(layer: Any, path: str, taken: set[int]) -> None:
    """Refuse a layer with a weight that no node reads: nothing is dropped silently.

    Raises:
        UnsupportedError: names the weights.
    """
    left = [v.path for v in layer.variables if id(v) not in taken and "seed_generator" not in v.path]
    if left:
        raise refusal(
            path,
            type(layer).__name__,
            f"no operator reads its weights {', '.join(left)}",
            "This layer's settings are not known yet; use another form of it.",
        )
