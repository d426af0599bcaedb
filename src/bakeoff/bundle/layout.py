"""A bundle on disk, and as a value.

bundle/
  bundle.json           schema, graph, signature, class names, recipe, scores, hashes, environment
  weights.safetensors   the canonical arrays by path
  unknown.safetensors   the class means that tell images of no class; where such a threshold was chosen
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bakeoff.graph.graph import Graph
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array, Brief

JSON_NAME = "bundle.json"
WEIGHTS_NAME = "weights.safetensors"
UNKNOWN_NAME = "unknown.safetensors"
MULTI_LABEL = "multi_label_cross_entropy"


@dataclass(frozen=True, repr=False, eq=False)
class Unknown(Brief):
    """What tells an image of no class: less similar to each of the class means than the threshold.

    Attributes:
        threshold: a cosine, -1 to 1.
        refused_validation: how many of the validation images are below it.
        num: how many validation images it was chosen on.
        means: of the features of each class, float32, (classes, n), of length 1.
        score: how similarity is measured.
    """

    threshold: float
    refused_validation: int
    num: int
    means: Array
    score: Literal["class_mean_cosine"] = "class_mean_cosine"

    def to_json(self) -> dict[str, Any]:
        """All but the means."""
        told = {"score": self.score, "threshold": self.threshold}
        return {**told, "refused_validation": self.refused_validation, "num": self.num}


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
        unknown: what tells images of no class; None: nothing does.
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
    unknown: Unknown | None = None

    @property
    def multilabel(self) -> bool:
        """Whether images may have several labels: each logit is a question of its own."""
        return self.loss == MULTI_LABEL
