"""A Keras net trained as its users do, by Keras's own `train_on_batch`: on the backend that this process has.

For comparisons: `keras-jax` and `keras-torch`. Net, loss and optimizer are those of every Keras net here.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from bakeoff.frameworks._keras.net import KerasNet
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array


class TrainedNet(KerasNet):
    """What a comparison asks of a net (`steps`, `logits`, `arrays`), through Keras's trainer."""

    def __init__(self, graph: Graph, precision: str, seed: int = 0) -> None:
        super().__init__(graph, precision, "exact", seed)
        self.native.trainable_variables  # noqa: B018  (Keras sorts them once)

    def compiled(self) -> None:
        def loss(labels: Any, logits: Any) -> Any:
            return keras.ops.mean(self.losses(logits, labels))  # what the model adds of its own, Keras adds itself

        self.optimizer.global_clipnorm = self.clip
        self.native.compile(optimizer=self.optimizer, loss=loss)

    def logits(self, images: Array, *, train: bool = False) -> Array:
        return np.asarray(self.native.predict_on_batch(images))

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        """As `bakeoff.protocols.Net` has it; Keras tells the mean over its batches so far, so it is told to forget."""
        losses = []
        for x, y, rate in zip(images, labels, rates, strict=True):
            self.optimizer.rate.assign(rate)
            self.native.reset_metrics()
            losses.append(float(self.native.train_on_batch(x, y)))
        return np.array(losses)
