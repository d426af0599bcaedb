"""The two sides of this judge, each a live net in float64 in plain PyTorch or plain Keras: asked, trained, set back.

Pictures are (N, H, W, C); weights are one flat vector a side, in the side's own order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from draws import Draw, Supply, keras_draws, torch_draws

RATE, MOMENTUM = 2**-8, 0.5  # exact in float32, through which Keras takes them


class Side:
    """What both have: named arrays, flat or not.

    `flat_channel`: whether batch norm met a channel that is all one number. What it leaves of that is the rounding of
    a sum, 1e-12 up or down by the order of its terms, and a ReLU behind it opens or shuts by chance.
    """

    names: list[str]
    flat_channel = False

    def flat(self, arrays: dict[str, Any]) -> Any:
        """All arrays after each other."""
        return np.concatenate([np.asarray(arrays[name], "float64").ravel() for name in self.names])

    def place(self, index: int) -> str:
        """The name of the array that holds the number at that place of the flat vector."""
        for name, size in zip(self.names, self.sizes(), strict=True):
            if index < size:
                return name
            index -= size
        return "?"

    def sizes(self) -> list[int]:
        return [int(np.prod(array.shape)) for array in self.arrays().values()]

    def arrays(self) -> dict[str, Any]:
        raise NotImplementedError


class TorchSide(Side):
    """An nn.Module; `penalty` is what is added to its loss."""

    def __init__(self, module: Any, penalty: Any = None) -> None:
        import torch

        self.torch, self.module, self.penalty = torch, module.double(), penalty
        # torch's float64 hardsigmoid takes float32's 1/6 in its backward pass: the exact form here
        self.tensors = dict(module.named_parameters())
        self.trainable = {name for name, p in self.tensors.items() if p.requires_grad}
        self.tensors |= {name: b for name, b in module.named_buffers() if b.is_floating_point()}
        self.whole = [*module.parameters(), *module.buffers()]
        self.names = list(self.tensors)
        for part in module.modules():
            if "BatchNorm" in type(part).__name__:
                part.register_forward_pre_hook(self._look)

    def _look(self, part: Any, given: Any) -> None:
        x = given[0].detach()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean = x.mean(axes)
        self.flat_channel |= part.training and bool(
            ((x.var(axes, correction=0) <= 1e-20 * mean**2) & (mean != 0)).any()
        )

    def arrays(self) -> dict[str, Any]:
        return {name: tensor.detach().numpy().copy() for name, tensor in self.tensors.items()}

    def put(self, vector: Any) -> None:
        """Set all arrays from the flat vector."""
        start = 0
        with self.torch.no_grad():
            for tensor in self.tensors.values():
                piece = vector[start : start + tensor.numel()]
                tensor.copy_(self.torch.from_numpy(piece.reshape(tuple(tensor.shape)).copy()))
                start += tensor.numel()

    def kept(self) -> Any:
        return [tensor.detach().clone() for tensor in self.whole]

    def restore(self, kept: Any) -> None:
        with self.torch.no_grad():
            for tensor, old in zip(self.whole, kept, strict=True):
                tensor.copy_(old)

    def _input(self, images: Any) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))

    @contextlib.contextmanager
    def _around(self, supply: Supply | None, found: list[Draw]) -> Iterator[None]:
        with exact_hard_sigmoid(self.torch), torch_draws(supply, found):
            yield

    def logits(self, images: Any, supply: Supply | None, found: list[Draw]) -> Any:
        self.module.eval()
        with self.torch.no_grad(), self._around(supply, found):
            return self.module(self._input(images)).numpy()

    def begin(self) -> None:
        chosen = [self.tensors[name] for name in self.names if name in self.trainable]
        self.optimizer = self.torch.optim.SGD(chosen, lr=RATE, momentum=MOMENTUM)

    def loss(self, images: Any, labels: Any, supply: Supply | None, found: list[Draw]) -> tuple[float, dict[str, Any]]:
        """Loss and gradients in training, the penalty within."""
        functional = self.torch.nn.functional
        self.module.train()
        self.module.zero_grad(set_to_none=True)
        with self._around(supply, found):
            logits = self.module(self._input(images))
            y = self.torch.from_numpy(labels)
            if logits.shape[-1] == 1:
                loss = functional.binary_cross_entropy_with_logits(logits[:, 0], y.double())
            else:
                loss = functional.cross_entropy(logits, y)
            if self.penalty is not None:
                loss = loss + self.penalty()
            loss.backward()
        grads = {}
        for name, tensor in self.tensors.items():
            empty = name not in self.trainable or tensor.grad is None
            grads[name] = np.zeros(tuple(tensor.shape)) if empty else tensor.grad.numpy().copy()
        return float(loss.detach()), grads

    def step(self) -> None:
        self.optimizer.step()


@contextlib.contextmanager
def exact_hard_sigmoid(torch: Any) -> Iterator[None]:
    """torch's float64 hardsigmoid and hardswish take float32's 1/6 in their backward passes (3e-8): written out."""
    functional = torch.nn.functional
    before = functional.hardsigmoid, functional.hardswish
    functional.hardsigmoid = lambda x, inplace=False: functional.relu6(x + 3) / 6
    functional.hardswish = lambda x, inplace=False: x * functional.relu6(x + 3) / 6
    try:
        yield
    finally:
        functional.hardsigmoid, functional.hardswish = before


class KerasSide(Side):
    """A keras.Model on TensorFlow, eager; its own losses (regularizers, add_loss) within the loss."""

    def __init__(self, model: Any, head: str = "") -> None:
        import tensorflow as tf

        self.tf, self.model, self.head = tf, model, head
        everything = {id(v): v for v in model.variables}.values()
        self.whole = list(everything)
        floating = [v for v in self.whole if str(v.dtype).startswith("float")]
        learned = {id(v) for v in model.trainable_variables}
        self.tensors = {f"{index}:{v.path}": v for index, v in enumerate(floating)}
        self.trainable = {name for name, v in self.tensors.items() if id(v) in learned}
        self.names = list(self.tensors)

    def arrays(self) -> dict[str, Any]:
        return {name: v.numpy().copy() for name, v in self.tensors.items()}

    def put(self, vector: Any) -> None:
        start = 0
        for v in self.tensors.values():
            size = int(np.prod(v.shape))
            v.assign(vector[start : start + size].reshape(tuple(v.shape)))
            start += size

    def kept(self) -> Any:
        return [v.numpy().copy() for v in self.whole]

    def restore(self, kept: Any) -> None:
        for v, old in zip(self.whole, kept, strict=True):
            v.assign(old)

    def _log(self, out: Any) -> Any:
        """Logits as they are; of probabilities the logits that they come from, up to softmax's free constant."""
        if self.head == "sigmoid":
            return self.tf.math.log(out) - self.tf.math.log1p(-out)
        return self.tf.math.log(out) if self.head == "softmax" else out

    def _call(self, images: Any, training: bool) -> Any:
        return self._log(self.model(self.tf.constant(images), training=training))

    def logits(self, images: Any, supply: Supply | None, found: list[Draw]) -> Any:
        with exact_constants(), keras_draws(supply, found):
            return self._call(images, False).numpy()

    def begin(self) -> None:
        import keras

        self.optimizer = keras.optimizers.SGD(RATE, momentum=MOMENTUM)
        self.optimizer.build([self.tensors[name] for name in self.names if name in self.trainable])

    def loss(self, images: Any, labels: Any, supply: Supply | None, found: list[Draw]) -> tuple[float, dict[str, Any]]:
        tf = self.tf
        learned = [self.tensors[name] for name in self.names if name in self.trainable]
        with exact_constants(), keras_draws(supply, found), tf.GradientTape() as tape:
            logits = self._call(images, True)
            if logits.shape[-1] == 1:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.constant(labels, "float64"), logits[:, 0])
            else:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.constant(labels), logits)
            loss = tf.reduce_mean(losses)
            for term in self.model.losses:
                loss = loss + tf.cast(tf.reduce_sum(term), "float64")
        with exact_constants():
            zero = tf.UnconnectedGradients.ZERO
            self.found = tape.gradient(loss, [v.value for v in learned], unconnected_gradients=zero)
        self.found = [tf.convert_to_tensor(g) for g in self.found]
        grads = {name: np.zeros(tuple(v.shape)) for name, v in self.tensors.items()}
        chosen = [name for name in self.names if name in self.trainable]
        grads |= {name: g.numpy() for name, g in zip(chosen, self.found, strict=True)}
        return float(loss), grads

    def step(self) -> None:
        self.optimizer.apply(self.found)


@contextlib.contextmanager
def exact_constants() -> Iterator[None]:
    """Where TensorFlow computes in float32 though all is float64: exactly here.

    tf.cast of Python floats, leaky_relu's slope, and bilinear resizing, which is two matrices, one a side.
    """
    import tensorflow as tf
    from tensorflow.python.ops import math_ops

    cast, leaky, resize = math_ops.cast, tf.nn.leaky_relu, tf.image.resize
    double = tf.float64

    def exact(x: Any, dtype: Any, name: Any = None) -> Any:
        if isinstance(x, float) and tf.as_dtype(dtype) == double:
            return tf.constant(x, double)
        return cast(x, dtype, name)

    def resized(images: Any, size: Any, method: Any = "bilinear", antialias: bool = False, **more: Any) -> Any:
        if method != "bilinear" or antialias or images.dtype != double:
            return resize(images, size, method, antialias=antialias, **more)
        rows, columns = (tf.constant(_between(old, int(new))) for old, new in zip(images.shape[1:3], size, strict=True))
        return tf.einsum("rh,nhwc,kw->nrkc", rows, images, columns)

    math_ops.cast = tf.cast = exact
    tf.image.resize = resized
    tf.nn.leaky_relu = lambda features, alpha=0.2, name=None: tf.where(
        features > 0, features, tf.constant(alpha, features.dtype) * features
    )
    try:
        yield
    finally:
        math_ops.cast = tf.cast = cast
        tf.nn.leaky_relu = leaky
        tf.image.resize = resize


def _between(old: int, new: int) -> Any:
    """(new, old): the shares of the two nearest elements, centres at halves, the border repeated."""
    at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    below = np.minimum(np.floor(at).astype(int), max(old - 2, 0))
    shares = np.zeros((new, old))
    shares[np.arange(new), below] += 1 - (at - below)
    shares[np.arange(new), np.minimum(below + 1, old - 1)] += at - below
    return shares


def doubled(model: Any) -> Any:
    """A keras.Model again in float64: its configuration with other dtypes, its numbers."""
    import keras

    own = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
    own = {name: kind for name, kind in own.items() if not kind.__module__.startswith("keras.")}
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")  # for layers within layers, whose own type no configuration holds
    try:
        with keras.saving.custom_object_scope(own):
            twin = type(model).from_config(_in_double(model.get_config()))
    finally:
        keras.config.set_dtype_policy(policy)
    for old, new in zip(model.variables, twin.variables, strict=True):
        new.assign(old.numpy())
    for old, new in zip(model._flatten_layers(), twin._flatten_layers(), strict=True):
        if not hasattr(old, "layers"):
            new.trainable = old.trainable
    return twin


def _in_double(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_double(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_in_double(item) for item in value)
    return "float64" if isinstance(value, str) and value in ("float32", "float16", "mixed_float16") else value
