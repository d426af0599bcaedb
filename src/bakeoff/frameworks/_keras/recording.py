"""Records a Keras training script on TensorFlow: `fit` and loops of one's own, run eagerly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.losses.loss import Loss
from keras.src.optimizers.base_optimizer import BaseOptimizer
from keras.src.trainers.compile_utils import CompileLoss
from tensorflow.python.data.ops import iterator_ops

from bakeoff.frameworks._recording import EVALUATED, Recording, Step, Stop, Watch


def record(script: Path, most: int) -> Recording:
    """What a script does in its first optimizer steps."""
    found = Recording(script, most)
    tf.config.run_functions_eagerly(True)
    _Watch(found).install()
    try:
        found.run()
    finally:
        tf.config.run_functions_eagerly(False)
    found.end = found.end or found.model.get_weights()
    return found


class _Watch(Watch):
    """Hooks that fill a recording."""

    before: Any = None
    source: Any = None
    own: float | None = None
    fitting = training = False

    def install(self) -> None:
        """Put the hooks in; the recording takes them out."""
        r = self.recording
        r.patch(keras.Model, "__call__", self._called)
        r.patch(keras.Model, "fit", self._fit)
        r.patch(keras.Model, "evaluate", self._evaluate)
        r.patch(keras.Model, "predict", self._predict)
        r.patch(keras.layers.Layer, "__init__", self.layer)
        r.patch(BaseOptimizer, "__init__", self.optimizer)
        r.patch(BaseOptimizer, "apply", self._apply)
        r.patch(Loss, "__call__", self._loss)
        r.patch(tf.GradientTape, "gradient", self._gradient)
        r.patch(keras.utils, "set_random_seed", self.seed)
        r.patch(iterator_ops.OwnedIterator, "__init__", self._iterator)
        r.patch(iterator_ops.OwnedIterator, "__next__", self._next)

    # what runs

    def _called(self, original: Any, model: Any, *arguments: Any, **named: Any) -> Any:
        outermost, self.depth = self.depth == 0, self.depth + 1
        eager = bool(arguments) and isinstance(arguments[0], tf.Tensor | np.ndarray) and tf.executing_eagerly()
        if outermost and eager and model.built and not self.recording.steps:
            self.before = model.get_weights()
        try:
            output = original(model, *arguments, **named)
        finally:
            self.depth -= 1
        if outermost and eager:
            self._passed(model, arguments[0], output, bool(named.get("training")))
        return output

    def _passed(self, model: Any, images: Any, output: Any, training: bool) -> None:
        r = self.recording
        if not r.steps or not r.full:
            self.forward = model, images, output
            self.training = training
        if r.full and model is r.model:
            r.note(r.here(), eval__mode="train" if training else "eval")

    def _fit(
        self, original: Any, model: Any, x: Any = None, y: Any = None, batch_size: Any = None, **named: Any
    ) -> Any:
        r, self.fitting = self.recording, True
        if isinstance(x, tf.data.Dataset):
            self._chain(x, r.here())
        else:
            shuffle = bool(named.get("shuffle", True))
            r.note(r.here(), train__shuffle="images" if shuffle else "none", train__batch_size=batch_size or 32)
            r.note(r.here(), train__drop_last=False)
        r.places.setdefault("train.loss", r.here())
        named |= {"verbose": 0, "validation_data": None, "validation_split": named.get("validation_split", 0.0)}
        named.pop("validation_freq", None)
        try:
            return original(model, x, y, batch_size, **{**named, "epochs": 2, "steps_per_epoch": r.epoch})
        except Stop:
            return keras.callbacks.History()
        finally:
            self.fitting = False

    def _evaluate(self, original: Any, model: Any, x: Any = None, y: Any = None, **named: Any) -> Any:
        self.recording.note(self.recording.here(), eval__mode="eval", eval__labels="in order")
        named |= {"verbose": 0, "steps": EVALUATED}
        return original(model, x, y, **named)

    def _predict(self, original: Any, model: Any, x: Any = None, **named: Any) -> Any:
        r = self.recording
        apart = isinstance(x, tf.data.Dataset) and any(kind == "Shuffle" for kind, _ in _links(x))
        r.note(r.here(), eval__mode="eval", eval__labels="shuffled apart" if apart else "in order")
        return original(model, x, **{**named, "verbose": 0})

    def _loss(self, original: Any, made: Any, y_true: Any, y_pred: Any, *arguments: Any, **named: Any) -> Any:
        value = original(made, y_true, y_pred, *arguments, **named)
        if not isinstance(made, CompileLoss) and tf.executing_eagerly() and not self.recording.full:
            self.recording.labels, self.own = np.array(y_true), float(np.sum(value))
            self.recording.note(train__loss_value=True)
        return value

    def _gradient(self, original: Any, tape: Any, target: Any, *arguments: Any, **named: Any) -> Any:
        if tf.executing_eagerly() and getattr(target, "shape", None) is not None and target.shape.rank == 0:
            self.recording.loss = float(target)
        return original(tape, target, *arguments, **named)

    # steps

    def _apply(self, original: Any, made: Any, grads: Any, trainable_variables: Any = None) -> Any:
        r = self.recording
        if r.full or self.forward is None or not tf.executing_eagerly():
            if r.full:
                raise Stop
            return original(made, grads, trainable_variables)
        model, images, output = self.forward
        if r.model is None:
            r.model, r.start = model, self.before or model.get_weights()
            self._settings(made, trainable_variables)
        loss = self.own if self.own is not None and self.fitting else r.loss
        rate = float(np.asarray(made.learning_rate))
        labels = self.labels()
        labels = None if labels is None else np.array(labels)
        r.steps.append(Step(np.array(images), np.array(output), labels, loss, rate))
        if self.source is not None:
            self.trained.add(self.source)
        done = original(made, grads, trainable_variables)
        r.labels, self.own = None, None
        if r.full:
            r.end = model.get_weights()
            if self.fitting or self.source is None:
                raise Stop
        return done

    def _settings(self, made: Any, variables: Any) -> None:
        r, place, name = self.recording, self.places.get(id(made), ""), type(made).__name__.lower()
        r.note(r.here(), train__mode="train" if self.training else "eval")
        schedule = getattr(made, "_learning_rate", None)
        if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            r.note(place, train__schedule=type(schedule).__name__)
        decay = float(made.weight_decay or 0.0)
        some = bool(getattr(made, "_exclude_from_weight_decay", ()))
        r.trained(
            place,
            optimizer="adam" if name == "adamw" else name,
            rate=float(np.asarray(made.learning_rate)),
            momentum=getattr(made, "momentum", None),
            nesterov=getattr(made, "nesterov", None),
            beta1=getattr(made, "beta_1", None),
            beta2=getattr(made, "beta_2", getattr(made, "rho", None)),
            epsilon=getattr(made, "epsilon", None),
            epsilon_form="before the correction" if hasattr(made, "epsilon") else None,
            decay=decay,
            decay_form="decoupled" if decay else None,
            decay_scope=None if not decay else "kernels" if some else "all",
            momentum_form="with its rate" if getattr(made, "momentum", None) and name == "sgd" else None,
            **_clip(made),
        )
        r.note(train__keeps_gradients=False)

    # data

    def _iterator(self, original: Any, made: Any, dataset: Any = None, *arguments: Any, **named: Any) -> None:
        original(made, dataset, *arguments, **named)
        made._recorded, made._count, made._place = dataset, 0, self.recording.here()

    def _next(self, original: Any, iterator: Any) -> Any:
        r, dataset = self.recording, getattr(iterator, "_recorded", None)
        if dataset is None or self.fitting:
            return original(iterator)
        if self.ends(id(dataset), iterator._count):
            raise StopIteration
        iterator._count += 1
        found = original(iterator)
        self.batch, self.source = found, id(dataset)
        if not r.steps:
            r.settings.pop("train.shuffle", None)
            self._chain(dataset, iterator._place)
        return found

    def _chain(self, dataset: Any, place: str) -> None:
        """Shuffle, batch and their order, as the links of a dataset say."""
        links = _links(dataset)  # from the last to the first
        kinds = [kind for kind, _ in links]
        told: dict[str, Any] = {"shuffle": "none"}
        for position, (kind, link) in enumerate(links):
            if kind == "Shuffle":
                after = "Batch" in kinds[position:] or "ParallelBatch" in kinds[position:]
                most, buffer = int(link._input_dataset.cardinality()), int(link._buffer_size)
                told |= {"shuffle": "batches" if after else "images", "buffer": buffer if buffer < most else None}
            if kind in ("Batch", "ParallelBatch"):
                told |= {"batch_size": int(link._batch_size), "drop_last": bool(link._drop_remainder)}
        self.recording.trained(place, **told)


def _clip(made: Any) -> dict[str, Any]:
    forms = {"global_clipnorm": "all together", "clipnorm": "each array", "clipvalue": "each number"}
    found = next(((getattr(made, key), form) for key, form in forms.items() if getattr(made, key, None)), None)
    return {"clip": float(found[0]), "clip_form": found[1]} if found else {"clip": 0.0}


def _links(dataset: Any) -> list[tuple[str, Any]]:
    """(kind, dataset), from the last link to the first."""
    found = []
    while dataset is not None:
        kind = type(dataset).__name__.strip("_").removesuffix("Dataset").removesuffix("V2")
        found.append((kind, dataset))
        dataset = getattr(dataset, "_input_dataset", None)
    return found
