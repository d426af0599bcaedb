"""The running mean and variance of BatchNorm: never updated, of other data, or not copied along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.difference.account import said, same
from bakeoff.difference.causes import Account, Guesses, differing

STAGE, WORLD, KEYS = "net", "predict", ("array.batch_norm.*.mean", "array.batch_norm.*.variance")
SAYS = "the running statistics of BatchNorm are {a} on one side and {b} on the other"
TORCH = "model.load_state_dict(state)  # buffers too: running_mean, running_var; train in model.train()"
KERAS = "layer.set_weights([gamma, beta, moving_mean, moving_variance])  # all four; train with training=True"


def suspect(a: Account, b: Account) -> Mapping[str, Any] | None:
    """Where the statistics differ and the learned weights don't."""
    found = differing(a, b, KEYS)
    others = differing(a, b, ("array.conv*.kernel", "array.batch_norm.*.scale", "array.batch_norm.*.offset"))
    return found if found and (not others or _untouched(b) or _untouched(a)) else None


def guesses(a: Account) -> Guesses:
    keys = [key for key in a.settings if key.startswith("array.batch_norm.") and key.endswith(("mean", "variance"))]
    if keys:
        yield {key: np.full_like(a.settings[key], 1.0 if key.endswith("variance") else 0.0) for key in keys}


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    other = b if any(b.sees(key) for key in changes) else a.switched(changes)
    return _state(a), _state(other)


def _state(one: Account) -> str:
    if _untouched(one):
        return "those of the start, 0 and 1, never updated"
    means = [
        value for key, value in one.settings.items() if key.startswith("array.batch_norm.") and key.endswith("mean")
    ]
    return f"a mean of {said(float(np.mean(means[0])))} in the first layer"


def _untouched(one: Account) -> bool:
    found = {key: value for key, value in one.settings.items() if key.startswith("array.batch_norm.")}
    means = [value for key, value in found.items() if key.endswith(".mean")]
    variances = [value for key, value in found.items() if key.endswith(".variance")]
    return (
        bool(means)
        and all(same(x, np.zeros_like(x)) for x in means)
        and all(same(x, np.ones_like(x)) for x in variances)
    )
