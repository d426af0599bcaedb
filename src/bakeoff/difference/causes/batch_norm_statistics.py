"""The running mean and variance of BatchNorm: never updated, of other data, or not copied along."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.difference.account import said, same
from bakeoff.difference.causes import Account, Guesses, claims, differing

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
    yield from [_started(_statistics(a))] if _statistics(a) else []


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    return _state(a), _state(b if any(b.sees(key) for key in changes) else a.switched(changes))


def _state(one: Account) -> str:
    if _untouched(one):
        return "those of the start, 0 and 1, never updated"
    first = next(value for key, value in _statistics(one).items() if key.endswith("mean"))
    return f"a mean of {said(float(np.mean(first)))} in the first layer"


def _untouched(one: Account) -> bool:
    found = _statistics(one)
    return bool(found) and all(same(found[key], value) for key, value in _started(found).items())


def _statistics(one: Account) -> dict[str, Any]:
    return {key: value for key, value in one.settings.items() if claims(KEYS, key)}


def _started(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: np.full_like(value, 1.0 if key.endswith("variance") else 0.0) for key, value in found.items()}
