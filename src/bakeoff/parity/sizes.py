"""At which sizes, and in which batches, a net that takes any is asked beside the one that it was made for."""

from __future__ import annotations

from bakeoff.seeds import rng

BATCHES = (1, 2, 3, 7)
BEYOND = 512  # pixels: where nets that save memory branch


def drawn(size: tuple[int, int], seed: int = 0) -> tuple[tuple[int, int], ...]:
    """(height, width): a small odd one, a tall one, a wide one, and a large one, beyond 512 pixels.

    Args:
        size: the one that the net was made for.
        seed: of the draw.
    """
    draw = rng(seed, "sizes", record=f"{size}")
    height, width = size

    def near(side: int, low: float, high: float) -> int:
        return max(8, int(side * draw.uniform(low, high)))

    return (
        (near(height, 0.6, 0.9) // 2 * 2 + 1, near(width, 0.6, 0.9) // 2 * 2 + 1),
        (near(height, 1.3, 1.9), near(width, 0.6, 0.9)),
        (near(height, 0.6, 0.9), near(width, 1.3, 1.9)),
        (max(2 * height, BEYOND) + near(64, 0.2, 1.0), max(2 * width, BEYOND) + near(64, 0.2, 1.0)),
    )
