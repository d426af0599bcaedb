"""What the losses share."""

from __future__ import annotations

from typing import Any

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape


def one_each(a: Any, logits: Shape, labels: Shape) -> Shape:
    """A loss for each image."""
    return (logits[0],)


def check_gamma(gamma: float) -> None:
    """Between 0 and 1 the focal loss has an infinite slope at p = 1.

    Raises:
        UnsupportedError: it is there, or below 0.
    """
    if not (gamma == 0 or gamma >= 1):
        raise UnsupportedError(f"focal loss: gamma {gamma}: expected 0, or 1 and more")
