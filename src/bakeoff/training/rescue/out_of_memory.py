"""Out of memory, in whatever framework: how many images do fit, and the settings that make the same steps of them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from bakeoff.errors import OutOfMemoryError
from bakeoff.schemas import Array

if TYPE_CHECKING:
    from bakeoff.training.loop.epochs import Loop

_KINDS = ("OutOfMemoryError", "ResourceExhaustedError")
_WORDS = ("out of memory", "can't allocate memory", "resource_exhausted", "oom when allocating", "cannot allocate")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a library ran out of memory; each says so in its own way."""
    text = str(error).lower()
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ in _KINDS
        or (isinstance(error, RuntimeError) and any(word in text for word in _WORDS))
    )


def explain(loop: Loop, images: Array, labels: Array) -> OutOfMemoryError:
    """The error, with the largest batch that fits: found by halving."""
    size = len(images)
    fits = next((n for n in _halves(size) if _fits(loop, images[:n], labels[:n])), None)
    start = f"out of memory at step {loop.state.step} with batches of {size} images"
    if fits is None:
        return OutOfMemoryError(f"{start}, and not even 1 fits.\nUse a smaller net or input: --set input.size=[H,W]")
    number = loop.context.recipe.phases.index(loop.phase)
    times = -(-size // fits) * loop.phase.accumulate
    return OutOfMemoryError(
        f"{start}; {fits} fit.\nThe same steps in less memory (train anew): "
        f"--set phases.{number}.batch_size={fits} --set phases.{number}.accumulate={times}"
    )


def _halves(size: int) -> list[int]:
    found = []
    while size > 1:
        size //= 2
        found.append(size)
    return found


def _fits(loop: Loop, images: Array, labels: Array) -> bool:
    gc.collect()
    try:
        loop.net.gradients(images, labels)
    except Exception as error:
        if is_out_of_memory(error):
            return False
        raise
    return True
