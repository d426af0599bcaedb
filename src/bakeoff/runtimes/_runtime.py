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
    """A runtime that is a function of at most `step` images, to logits alone or to a list of outputs, logits first."""

    name: str
    function: Callable[[Array], Array | list[Array]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    step: int = 32

    def predict(self, images: Array) -> Array:
        """Logits or features (N, n) of normalised images, float32 (N, H, W, C)."""
        return self.values(images)[0]

    def values(self, images: Array) -> list[Array]:
        """All outputs, (N, ...) each."""
        import numpy as np

        parts = [images[start : start + self.step] for start in range(0, max(1, len(images)), self.step)]
        found = [self.function(part.astype(np.float32)) for part in parts]
        rows = [one if isinstance(one, list) else [one] for one in found]
        return [np.concatenate([np.asarray(one, np.float32) for one in outs]) for outs in zip(*rows, strict=True)]
