"""What a runtime offers: logits for images, whatever file they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bakeoff.schemas import Array


class Runtime(Protocol):
    """A loaded model."""

    @property
    def name(self) -> str:
        """The library that computes, as `onnxruntime`."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself; see `_metadata`."""
        ...

    def predict(self, images: Array) -> Array:
        """Logits or features (N, n) of normalised images, float32 (N, H, W, C)."""
        ...


class Mapped(Runtime, Protocol):
    """A loaded model that gives its last feature map, similarities, or both, too."""

    def values(self, images: Array) -> list[Array]:
        """Logits (N, n), the map (N, rows, columns, channels), and last similarities (N, 1), of normalised images."""
        ...


@dataclass(frozen=True)
class FunctionRuntime:
    """A runtime that is a function of at most `step` images."""

    name: str
    function: Callable[[Array], Array]
    metadata: Mapping[str, str] = field(default_factory=dict)
    step: int = 32

    def predict(self, images: Array) -> Array:
        """Logits or features (N, n) of normalised images, float32 (N, H, W, C)."""
        import numpy as np

        parts = [images[start : start + self.step] for start in range(0, max(1, len(images)), self.step)]
        return np.concatenate([np.asarray(self.function(part.astype(np.float32)), np.float32) for part in parts])
