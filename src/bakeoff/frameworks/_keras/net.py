"""What the Keras nets of TensorFlow and JAX share: building, copying, the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from bakeoff import ops, optimizers
from bakeoff import precision as precisions
from bakeoff.frameworks import _loss_scale
from bakeoff.frameworks._keras.build import Built, build
from bakeoff.frameworks._keras.draws import owners_of, watched
from bakeoff.frameworks._slots import Slotted
from bakeoff.graph.graph import Graph
from bakeoff.optimizers._page import Group
from bakeoff.protocols import PLAIN, StepSettings
from bakeoff.schemas import Array, Drawn
from bakeoff.seeds import key


class KerasNet(Slotted):
    """A keras.Model with its parameters by path; subclasses give the step."""

    library = "keras"

    def __init__(self, graph: Graph, precision: str, batch_norm: str, seed: int = 0) -> None:
        self.precision, self.seed = precisions.of_weights(precision), seed
        half = precision if precision in precisions.MIXED else ""
        self.built: Built = build(graph, self.precision, batch_norm, compute=half)
        self.scaling = {name: self.scale_value(value) for name, value in _loss_scale.FIRST.items()}
        if precision != "float16":
            self.scaling = {}
        self.native = self.built.model
        self.trainable = {
            path: self.built.variable(self.built.bindings[path])
            for path, parameter in graph.parameters.items()
            if parameter.trainable and parameter.role == "weight" and path in self.built.bindings
        }
        self.variables = list(self.trainable.values())
        self.moving = [
            self.built.variable(self.built.bindings[path])
            for path, parameter in graph.parameters.items()
            if parameter.role == "state" and path in self.built.bindings
        ]
        self.optimizer: Any = None
        self.count = 0
        self.given: Mapping[str, Array] | None = None
        self.drawn: dict[str, Drawn] = {}
        self._watched: Any = None
        self.seek(0)

    def compile(self, optimizer: str, settings: Mapping[str, Any], loss: str, step: StepSettings = PLAIN) -> None:
        self.page, self.loss_page = optimizers.page(optimizer), ops.page(loss)
        self.loss_attributes = self.loss_page.Attributes(**step.loss)
        # A group each: JAX takes the variables in the optimizer's order, which must stay the net's.
        groups = [Group((variable,), *step.of(path)) for path, variable in self.trainable.items()]
        self.optimizer = self.page.to_keras(keras, groups, self.page.Settings(**settings))
        if not self.optimizer.built:
            self.optimizer.build(self.variables)
        self.clip, self.count, self._watched = step.clip, 0, None
        self.compiled()

    def clipped(self, gradients: list[Any]) -> list[Any]:
        """All gradients times clip / max(norm, clip), the norm being that of all together."""
        if self.clip is None:
            return gradients
        squares = [keras.ops.sum(keras.ops.square(gradient)) for gradient in gradients]
        norm = keras.ops.sqrt(sum(squares[1:], squares[0]))
        clip = keras.ops.convert_to_tensor(self.clip, dtype=norm.dtype)
        scale = clip / keras.ops.maximum(norm, clip)
        return [gradient * scale for gradient in gradients]

    def compiled(self) -> None:
        """Called once optimizer and loss are known: trace functions."""

    def losses(self, logits: Any, labels: Any) -> Any:
        """Per-example losses, in the dtype of the weights."""
        logits = keras.ops.cast(logits, self.precision)
        return self.loss_page.to_keras(keras, self.loss_attributes, logits, labels)

    def own_loss(self) -> Any:
        """The terms of the loss that live in the model, of the call before; None where there are none."""
        found = [keras.ops.cast(loss, self.precision) for loss in self.native.losses]
        return sum(found[1:], found[0]) if found else None

    def whole(self, losses: Any, own: Any) -> Any:
        """The sum of the losses of a batch, of which each image's has the model's own terms."""
        loss = keras.ops.sum(losses)
        return loss if own is None else loss + own * keras.ops.cast(keras.ops.shape(losses)[0], self.precision)

    def settled(self, gradients: list[Any], scaling: dict[str, Any]) -> tuple[list[Any], Any, dict[str, Any]]:
        """float16: gradients without the scale of the loss, whether all are finite, and the state of the scale next."""
        found = [gradient / scaling["scale"] for gradient in gradients]
        finite = keras.ops.all(keras.ops.stack([keras.ops.all(keras.ops.isfinite(one)) for one in found]))
        state = {name: keras.ops.convert_to_tensor(value) for name, value in scaling.items()}
        return found, finite, _loss_scale.after(keras.ops, state, finite)

    def scaled(self, loss: Any) -> Any:
        """What the gradient is taken of."""
        return loss * self.scaling["scale"] if self.scaling else loss

    def canonical(self, natives: list[Array]) -> dict[str, Array]:
        """Native arrays, in the order of the trainable parameters, as canonical ones by path."""
        return {
            path: self.built.bindings[path].to_canonical(array)
            for path, array in zip(self.trainable, natives, strict=True)
        }

    def sums_of(self, errors: Mapping[str, Array]) -> list[Array]:
        """Canonical errors of gradients per image as native ones of their sums, in the order of the parameters."""
        factor = self.count * float(self.loss_scale().get("scale", 1.0))
        found = []
        for path, variable in self.trainable.items():
            native = self.built.bindings[path].to_native(errors[path]) if path in errors else np.zeros(variable.shape)
            found.append((factor * native).astype(self.precision))
        return found

    def statistics(self) -> list[Array]:
        return [np.array(variable.value) for variable in self.moving]

    def load_statistics(self, arrays: list[Array]) -> None:
        for variable, array in zip(self.moving, arrays, strict=True):
            variable.assign(array)

    def watched(self, function: Any, compiled: Any, *args: Any) -> Any:
        """What a function gives, its draws `given` and told in `drawn`; traced once."""
        if self._watched is None:
            self._watched = watched(function, compiled, owners_of(self.native), self.built.draws)
        out, self.drawn = self._watched(self.given, *args)
        return out

    def seek(self, batch: int) -> None:
        """Each layer's stream of masks is (seed of the layer's name, batches so far): the same after a resume."""
        for layer in self.native.layers:
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                start = key(self.seed, "noise", record=layer.name) % 2**31
                generator.state.assign(np.array([start, batch], str(generator.state.dtype)))
