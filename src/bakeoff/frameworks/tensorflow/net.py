"""A native Keras net in training on TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf

from bakeoff.frameworks._keras.net import KerasNet
from bakeoff.frameworks.tensorflow.feed import Feed
from bakeoff.graph.graph import Graph
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Array, StepResult


class TensorFlowNet(KerasNet):
    """See `bakeoff.protocols.Net`.

    Attributes:
        eager: steps run as Python calls each operation, as under Keras's `run_eagerly`: to see what the graph gives.
    """

    eager = False

    def __init__(self, graph: Graph, precision: str, batch_norm: str, seed: int = 0) -> None:
        super().__init__(graph, precision, batch_norm, seed)
        images = tf.TensorSpec([None, *self.native.input_shape[1:]], self.precision)
        self._predict = tf.function(lambda x: self._logits(x, False), input_signature=[images])
        self._batch_logits = tf.function(lambda x: self._logits(x, True), input_signature=[images])

    def scale_value(self, value: float) -> Any:
        return tf.Variable(value, dtype="float32", trainable=False)

    def _set_scale(self, name: str, value: float) -> None:
        self.scaling[name].assign(value)

    def _logits(self, images: Any, train: bool) -> Any:
        return tf.cast(self.native(images, training=train), self.precision)

    def logits(self, images: Array, *, train: bool = False) -> Array:
        found: Array = (self._batch_logits if train else self._predict)(images).numpy()
        return found

    def compiled(self) -> None:
        self.totals = [tf.Variable(tf.zeros_like(v.value), trainable=False) for v in self.variables]  # gradients so far
        self._apply = tf.function(self._apply_sums)
        self._traced: dict[Any, Any] = {}

    def _function(self, which: Any, images: Array, labels: Array, *more: Any) -> Any:
        """`which`, traced once for each size of batch, whatever was traced before.

        Left to itself, tf.function would trace shapes more and more loosely, and the rounding of a step would depend
        on the steps before it: a training that goes on after a kill would part from one that never stopped.
        """
        steps = which == self._run_steps
        free = [None] if steps else []
        kind = (which.__name__, images.shape[len(free)], labels.dtype.name, labels.shape[len(free) + 1 :])
        if kind not in self._traced:
            fixed = [
                tf.TensorSpec([*free, *images.shape[len(free) :]], images.dtype),
                tf.TensorSpec([*free, *labels.shape[len(free) :]], labels.dtype),
            ]
            self._traced[kind] = tf.function(
                which, input_signature=[*fixed, *more], jit_compile=True if which == self._run_step else None
            )
        return self._traced[kind]

    def feed(self, signature: Signature) -> Feed | None:
        gpus = tf.config.list_logical_devices("GPU")
        return Feed(gpus[0].name, signature, self.precision) if gpus else None

    def _gradient(self, images: Any, labels: Any) -> tuple[Any, list[Any]]:
        values = [variable.value for variable in self.variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            losses = self.losses(self.native(images, training=True), labels)
            loss = self.whole(losses, self.own_loss())
            scaled = self.scaled(loss)
        zero = tf.UnconnectedGradients.ZERO
        return loss, tape.gradient(scaled, values, unconnected_gradients=zero)

    def _add_gradients(self, images: Any, labels: Any) -> Any:
        loss, gradients = self._gradient(images, labels)
        for total, gradient in zip(self.totals, gradients, strict=True):
            total.assign_add(gradient)
        return loss

    def gradients(self, images: Array, labels: Array) -> StepResult:
        if self.count == 0:
            for total in self.totals:
                total.assign(tf.zeros_like(total))
        batch = tf.constant(images), tf.constant(labels)
        if self.given is None:
            loss = self._function(self._add_gradients, images, labels)(*batch)
        else:
            loss = self.watched(self._add_gradients, tf.function, *batch)
        self.count += len(labels)
        return StepResult(float(loss), len(labels))

    def gradient_arrays(self) -> dict[str, Array]:
        count = self.count * float(self.loss_scale().get("scale", 1.0))
        return self.canonical([total.numpy() / count for total in self.totals])

    def disturb(self, errors: Mapping[str, Array]) -> None:
        for total, error in zip(self.totals, self.sums_of(errors), strict=True):
            total.assign_add(error)

    def sums(self) -> list[Array]:
        return [total.numpy() for total in self.totals]

    def load_sums(self, sums: list[Array], count: int) -> None:
        for total, array in zip(self.totals, sums, strict=True):
            total.assign(array)
        self.count = count

    def _apply_sums(self, count: Any) -> None:
        self._update([total / count for total in self.totals])

    def _update(self, gradients: list[Any]) -> None:
        """One step of the optimizer; in float16 only where all gradients are finite."""
        if not self.scaling:
            self.optimizer.apply(self.clipped(gradients), self.variables)
            return
        gradients, finite, state = self.settled(gradients, self.scaling)

        def step() -> Any:
            self.optimizer.apply(self.clipped(gradients), self.variables)
            return tf.constant(True)

        tf.cond(finite, step, lambda: tf.constant(False))
        for name, value in state.items():
            self.scaling[name].assign(value)

    def apply(self, rate: float) -> None:
        self.optimizer.rate.assign(rate)
        self._apply(tf.constant(self.count, self.precision))
        self.count = 0

    def _run_steps(self, images: Any, labels: Any, rates: Any) -> Any:
        """A loop inside the graph: Python and the dispatch of a function cost as much as a step of a small net."""
        count = tf.shape(images)[0]
        size = tf.constant(images.shape[1], self.precision)
        losses = tf.TensorArray(self.precision, size=count)
        for k in tf.range(count):
            loss, gradients = self._gradient(images[k], labels[k])
            self.optimizer.rate.assign(rates[k])
            self._update([gradient / size for gradient in gradients])
            losses = losses.write(k, loss / size)
        return losses.stack()

    def _run_step(self, images: Any, labels: Any, rate: Any) -> Any:
        size = tf.constant(images.shape[0], self.precision)
        loss, gradients = self._gradient(images, labels)
        self.optimizer.rate.assign(rate)
        self._update([gradient / size for gradient in gradients])
        return loss / size

    def _compiled_steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        """By XLA, one call a step: a loop would be compiled anew for every number of steps."""
        step = self._function(self._run_step, images[0], labels[0], tf.TensorSpec([], self.precision))
        losses = [
            step(tf.constant(x), tf.constant(y), tf.constant(rate, self.precision))
            for x, y, rate in zip(images, labels, rates, strict=True)
        ]
        found: Array = np.array([loss.numpy() for loss in losses], "float64")
        return found

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        if self.eager:
            triples = zip(images, labels, rates, strict=True)
            given = ((tf.constant(x), tf.constant(y), tf.constant(rate, self.precision)) for x, y, rate in triples)
            return np.array([self._run_step(*one).numpy() for one in given], "float64")
        done = []
        for start, end in runs([len(y) for y in labels]):
            if len(labels[start]) == self.compile_batch:
                part = slice(start, end)
                done.append(self._compiled_steps(images[part], labels[part], rates[part]))
                continue
            x = (np if isinstance(images[start], np.ndarray) else tf).stack(images[start:end])
            y = np.stack(labels[start:end])
            many = self._function(self._run_steps, x, y, tf.TensorSpec([None], self.precision))
            losses = many(tf.constant(x), tf.constant(y), tf.constant(rates[start:end], self.precision))
            done.append(losses.numpy().astype("float64"))
        return np.concatenate(done)


def runs(sizes: list[int]) -> list[tuple[int, int]]:
    """Stretches of batches of one size: the last batch of an epoch is smaller."""
    cuts = [0, *(i for i in range(1, len(sizes)) if sizes[i] != sizes[i - 1]), len(sizes)]
    return [(a, b) for a, b in pairwise(cuts) if b > a]
