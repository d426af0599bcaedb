"""A bundle on disk, and as a value.

bundle/
  bundle.json           schema, graph, signature, class names, recipe, scores, hashes, environment
  weights.safetensors   the canonical arrays by path
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bakeoff.graph.graph import Graph
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Brief

JSON_NAME = "bundle.json"
WEIGHTS_NAME = "weights.safetensors"
MULTI_LABEL = "multi_label_cross_entropy"


@dataclass(frozen=True, repr=False)
class Bundle(Brief):
    """A finished classifier: everything that predicting, exporting and serving need, and what made it.

    Attributes:
        graph: images to logits, with its weights.
        signature: how an image becomes an input.
        classes: names, in the order of the logits (two names for one binary logit).
        recipe_toml: the resolved recipe.
        scores: by split.
        framework: what trained it.
        loss: softmax_cross_entropy, binary_cross_entropy or multi_label_cross_entropy: how logits become probabilities.
        threshold: the probability from which one of several labels is given.
        extra: environment, licence of the weights, and what else should travel.
    """

    graph: Graph
    signature: Signature
    classes: tuple[str, ...]
    recipe_toml: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict)
    framework: str = ""
    loss: str = "softmax_cross_entropy"
    threshold: float = 0.5
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels: each logit is a question of its own."""
        return self.loss == MULTI_LABEL
