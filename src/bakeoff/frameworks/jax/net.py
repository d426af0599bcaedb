"""A native Keras net in training on JAX: state is passed through pure functions and written back after each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bakeoff.frameworks._keras.net import KerasNet
from bakeoff.frameworks.jax.convolutions import quick
from bakeoff.frameworks.jax.feed import Feed
from bakeoff.graph.graph import Graph
from bakeoff.preprocessing import Signature
from bakeoff.schemas import Array, StepResult


class JaxNet(KerasNet):
    """See `bakeoff.protocols.Net`."""

    compiles = "always"

    def __init__(self, graph: Graph, precision: str, batch_norm: str, seed: int = 0) -> None:
        super().__init__(graph, precision, batch_norm, seed)
        chosen = {id(variable) for variable in self.variables}
        self._others = [variable for variable in self.native.variables if id(variable) not in chosen]
        self._forward = jax.jit(self._logits, static_argnums=3)

    def _call(self, weights: Any, others: Any, images: Any, train: bool) -> tuple[Any, Any, Any]:
        """Logits, the model's own terms of the loss, and the variables that aren't trained as they are afterwards."""
        from keras import StatelessScope

        mapping = [*zip(self.variables, weights, strict=True), *zip(self._others, others, strict=True)]
        with quick(), StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            logits, own = self.native(images, training=train), self.own_loss()
        return logits.astype(self.precision), own, [scope.get_current_value(variable) for variable in self._others]

    def scale_value(self, value: float) -> Any:
        return jnp.float32(value)

    def _logits(self, weights: Any, others: Any, images: Any, train: bool) -> tuple[Any, Any]:
        logits, _, new = self._call(weights, others, images, train)
        return logits, new

    def _state(self) -> tuple[list[Any], list[Any]]:
        return [v.value for v in self.variables], [v.value for v in self._others]

    def _assign(self, variables: list[Any], values: Any) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def logits(self, images: Array, *, train: bool = False) -> Array:
        logits, others = self._forward(*self._state(), jnp.asarray(images), train)
        if train:
            self._assign(self._others, others)
        return np.array(logits)

    def compiled(self) -> None:
        self.totals: list[Any] = []  # the gradients so far
        self._gradients = jax.jit(jax.value_and_grad(self._loss, has_aux=True))
        self._update = jax.jit(self._apply_to)
        self._step = jax.jit(self._run_step, donate_argnums=(0, 1, 2))  # a step writes where it has read

    def feed(self, signature: Signature) -> Feed | None:
        device = jax.local_devices()[0]
        return None if device.platform == "cpu" else Feed(device, signature, self.precision)

    def _loss(self, weights: Any, others: Any, images: Any, labels: Any, scaling: Any) -> tuple[Any, Any]:
        """What the gradient is taken of; the loss itself, and the variables that aren't trained."""
        logits, own, new = self._call(weights, others, images, True)
        loss = self.whole(self.losses(logits, labels), own)
        return (loss * scaling["scale"] if scaling else loss), (loss, new)

    def gradients(self, images: Array, labels: Array) -> StepResult:
        batch = jnp.asarray(images), jnp.asarray(labels)
        given = *self._state(), *batch, self.scaling
        if self.given is None:
            found = self._gradients(*given)
        else:
            found = self.watched(jax.value_and_grad(self._loss, has_aux=True), jax.jit, *given)
        (_, (loss, others)), gradients = found
        self._assign(self._others, others)
        fresh = self.count == 0 or not self.totals
        self.totals = list(gradients) if fresh else [a + b for a, b in zip(self.totals, gradients, strict=True)]
        self.count += len(labels)
        return StepResult(float(loss), len(labels))

    def gradient_arrays(self) -> dict[str, Array]:
        count = self.count * float(self.loss_scale().get("scale", 1.0))
        return self.canonical([np.array(total) / count for total in self.totals])

    def disturb(self, errors: Mapping[str, Array]) -> None:
        self.totals = [total + error for total, error in zip(self.totals, self.sums_of(errors), strict=True)]

    def sums(self) -> list[Array]:
        return [np.array(total) for total in self.totals or [jnp.zeros_like(v.value) for v in self.variables]]

    def load_sums(self, sums: list[Array], count: int) -> None:
        self.totals, self.count = [jnp.asarray(array) for array in sums], count

    def _optimizer_state(self, values: list[Any], rate: Any) -> list[Any]:
        """The optimizer's variables, with the rate of this step among them."""
        index = next(i for i, v in enumerate(self.optimizer.variables) if v is self.optimizer.rate)
        return [jnp.asarray(rate, value.dtype) if i == index else value for i, value in enumerate(values)]

    def _apply_to(self, weights: Any, slots: Any, gradients: Any, rate: Any, scaling: Any) -> tuple[Any, Any, Any]:
        """Weights, slots and scale after a step; in float16 it is left out where a gradient isn't finite."""
        finite: Any = None
        if scaling:
            gradients, finite, scaling = self.settled(list(gradients), scaling)
        state = self._optimizer_state(slots, rate)
        found = self.optimizer.stateless_apply(state, self.clipped(list(gradients)), weights)
        new_weights, new_slots = (list(values) for values in found)
        if scaling:
            new_weights = [jnp.where(finite, new, old) for new, old in zip(new_weights, weights, strict=True)]
            new_slots = [jnp.where(finite, new, old) for new, old in zip(new_slots, slots, strict=True)]
        return new_weights, new_slots, scaling

    def apply(self, rate: float) -> None:
        weights, _ = self._state()
        slots = [v.value for v in self.optimizer.variables]
        gradients = [total / self.count for total in self.totals]
        step = jnp.asarray(rate, self.precision)
        weights, slots, self.scaling = self._update(weights, slots, gradients, step, self.scaling)
        self._assign(self.variables, weights)
        self._assign(self.optimizer.variables, slots)
        self.count = 0

    def _run_step(
        self, weights: Any, others: Any, slots: Any, scaling: Any, images: Any, labels: Any, rate: Any
    ) -> Any:
        differentiated = jax.value_and_grad(self._loss, has_aux=True)
        (_, (loss, others)), gradients = differentiated(weights, others, images, labels, scaling)
        means = [gradient / len(labels) for gradient in gradients]
        weights, slots, scaling = self._apply_to(weights, slots, means, rate, scaling)
        return weights, list(others), slots, scaling, loss / len(labels)

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        """A call a step: within a loop of XLA's (lax.scan), convolutions take five times as long on a processor."""
        state: Any = (*self._state(), [v.value for v in self.optimizer.variables], self.scaling)
        losses = []
        for x, y, rate in zip(images, labels, rates, strict=True):
            *state, loss = self._step(*state, jnp.asarray(x), jnp.asarray(y), jnp.asarray(rate, self.precision))
            losses.append(loss)  # not looked at yet: the next step is prepared while this one runs
        weights, others, slots, self.scaling = state
        self._assign(self.variables, weights)
        self._assign(self._others, others)
        self._assign(self.optimizer.variables, slots)
        return np.array([float(loss) for loss in losses])
