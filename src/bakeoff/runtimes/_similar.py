"""A runtime that knows, beside the logits, how near each image is to the classes; see `bakeoff.graph.similarity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bakeoff.runtimes._runtime import Runtime
from bakeoff.schemas import Array


@dataclass(frozen=True)
class Similar:
    """The runtime of a net that `graph.similarity.joined` made.

    Attributes:
        whole: gives the logits and, as one number more, the similarity.
    """

    whole: Runtime

    @property
    def name(self) -> str:
        """The library that computes."""
        return self.whole.name

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""
        return self.whole.metadata

    def predict(self, images: Array) -> Array:
        """Logits (N, n) of normalised images, float32 (N, H, W, C)."""
        return self.both(images)[0]

    def both(self, images: Array) -> tuple[Array, Array]:
        """The logits, and the similarities (N,)."""
        found = self.whole.predict(images)
        return found[:, :-1], found[:, -1]
