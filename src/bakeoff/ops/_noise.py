"""What dropout and drop_path share: a rate, masks in training, nothing in prediction."""

from __future__ import annotations

from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._page import Mode, Scope
from bakeoff.schemas import Array


def check_rate(rate: float, what: str) -> None:
    """Refuse a rate that is no share below 1."""
    if not 0 <= rate < 1:
        raise UnsupportedError(f"{what}: the rate {rate} is not at least 0 and below 1")


def masked(mode: Mode, rate: float, x: Array, shape: tuple[int, ...], what: str) -> Array:
    """x times a mask of that shape in training, scaled so that its expectation stays; x in prediction."""
    if not mode.train or not rate:
        return x
    if mode.mask is None:
        raise UnsupportedError(f"{what}: the truth of a training pass needs Mode(mask=...)")
    y: Array = x * mode.mask(shape, 1 - rate).astype(x.dtype) / (1 - rate)
    return y


def unchanged(scope: Scope, a: Any, x: Any, *_: Any) -> Any:
    """ONNX predicts alone: nothing is left of it."""
    return x
