"""Where values tie or functions bend, a captured net sends the gradient where its source did: black pictures tie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import native, relative

from bakeoff.schemas import Array

X = np.random.default_rng(0).choice((-6.0, -3.0, -1.0, 0.0, 0.0, 1.0, 3.0, 6.0), (2, 6, 4, 3))  # N, H, W, C
WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0]])
TORCH = {
    "abs": lambda t, F, x: x.abs(),
    "maximum": lambda t, F, x: t.maximum(x, x.flip(2)),
    "max of two": lambda t, F, x: t.max(x, x.flip(2)),
    "minimum": lambda t, F, x: t.minimum(x, -x),
    "max(dim)": lambda t, F, x: x.max(2)[0],
    "max(dim), kept": lambda t, F, x: x.max(1, keepdim=True)[0],
    "min(dim)": lambda t, F, x: x.min(3)[0],
    "max of all": lambda t, F, x: x.flatten(1).amax(1, keepdim=True),
    "amax": lambda t, F, x: x.amax((2, 3)),
    "amin": lambda t, F, x: x.amin(1),
    "clamp": lambda t, F, x: x.clamp(-1, 3),
    "clamp from below": lambda t, F, x: x.clamp_min(-3),
    "clamp by a tensor": lambda t, F, x: x.clamp(max=t.tensor(3.0, dtype=x.dtype)),
    "hardtanh": lambda t, F, x: F.hardtanh(x),
    "relu6": lambda t, F, x: F.relu6(x),
    "hardsigmoid": lambda t, F, x: F.hardsigmoid(x),
    "hardswish": lambda t, F, x: F.hardswish(x),
    "leaky_relu": lambda t, F, x: F.leaky_relu(x, 0.3),
    "rrelu": lambda t, F, x: F.rrelu(x, training=False),
    "elu": lambda t, F, x: F.elu(x, 0.7),
    "selu": lambda t, F, x: F.selu(x),
    "celu": lambda t, F, x: F.celu(x, 0.7),
    "threshold": lambda t, F, x: F.threshold(x, 1, 2.5),
    "softshrink": lambda t, F, x: F.softshrink(x, 1.0),
    "hardshrink": lambda t, F, x: F.hardshrink(x, 1.0),
    "where": lambda t, F, x: t.where(x > 1, x, 0.1 * x),
    "std": lambda t, F, x: (x > 7) * x.std(1, keepdim=True) + (x * 0).std((2, 3), keepdim=True),
    "norm": lambda t, F, x: (x * (x > 7)).norm(dim=1),
    "normalize": lambda t, F, x: F.normalize(x * (x > 2), dim=1),
    "max_pool2d": lambda t, F, x: F.max_pool2d(x, 3, 2, 1),
    "max_pool1d": lambda t, F, x: F.max_pool1d(x.flatten(2), 3, 2),
    "max_pool1d, dilated, to the end": lambda t, F, x: F.max_pool1d(x.flatten(2), 2, 2, dilation=2, ceil_mode=True),
    "adaptive_max_pool2d": lambda t, F, x: F.adaptive_max_pool2d(x, (4, 3)),
    "adaptive_max_pool2d to one": lambda t, F, x: F.adaptive_max_pool2d(x, 1),
}
KERAS = {
    "abs": lambda k, x: k.ops.absolute(x),
    "maximum": lambda k, x: k.ops.maximum(x, k.ops.flip(x, 2)),
    "maximum of a number and x": lambda k, x: k.ops.maximum(np.zeros((1, 1, 1, 1)), x),
    "Minimum": lambda k, x: k.layers.Minimum()([x, -x, x]),
    "max": lambda k, x: k.ops.max(x, axis=(1, 2)),
    "min": lambda k, x: k.ops.min(x, axis=-1),
    "GlobalMaxPooling2D": lambda k, x: k.layers.GlobalMaxPooling2D()(x),
    "clip": lambda k, x: k.ops.clip(x, -1, 3),
    "hard_tanh": lambda k, x: k.layers.Activation("hard_tanh")(x),
    "ReLU, largest 3": lambda k, x: k.layers.ReLU(max_value=3.0)(x),
    "ReLU, a slope": lambda k, x: k.layers.ReLU(negative_slope=0.3)(x),
    "relu6": lambda k, x: k.layers.Activation("relu6")(x),
    "hard_sigmoid": lambda k, x: k.layers.Activation("hard_sigmoid")(x),
    "hard_silu": lambda k, x: k.layers.Activation("hard_silu")(x),
    "LeakyReLU": lambda k, x: k.layers.LeakyReLU(0.3)(x),
    "leaky_relu": lambda k, x: k.layers.Activation("leaky_relu")(x),
    "PReLU": lambda k, x: k.layers.PReLU("ones", shared_axes=[1, 2])(x),
    "elu": lambda k, x: k.layers.ELU(0.7)(x),
    "selu": lambda k, x: k.layers.Activation("selu")(x),
    "celu": lambda k, x: k.layers.Activation("celu")(x),
    "softsign": lambda k, x: k.layers.Activation("softsign")(x),
    "MaxPooling2D": lambda k, x: k.layers.MaxPooling2D(3, 2, "same")(x),
    "AdaptiveMaxPooling2D": lambda k, x: k.layers.AdaptiveMaxPooling2D((4, 3))(x),
}


def agrees(framework: str, graph: Any, expected: Array, gradient: Array) -> None:
    done = native(framework, graph, "float64").run([X], False, WEIGHTS)
    for ours, own in ((done.output, expected), (done.inputs[0], gradient)):
        assert relative(ours, own) < 1e-7  # libraries take some numbers in float32; a tie would be off by all of it


@pytest.mark.torch
@pytest.mark.parametrize("what", TORCH)
def test_torch(framework: str, what: str) -> None:
    import torch
    from torch import nn

    from bakeoff.frameworks.torch.capture import capture

    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return TORCH[what](torch, nn.functional, x)

    x = torch.tensor(X).permute(0, 3, 1, 2).requires_grad_()
    torch.manual_seed(0)
    features = Net()(x).flatten(1).shape[1]
    model = nn.Sequential(Net(), nn.Flatten(), nn.Linear(features, 2)).double()
    y = model(x)
    (gradient,) = torch.autograd.grad(y, x, torch.tensor(WEIGHTS))
    found = capture(model, input_size=X.shape[1:3])
    agrees("torch", found.graph, y.detach().numpy(), gradient.permute(0, 2, 3, 1).numpy())


@pytest.mark.tensorflow
@pytest.mark.jax
@pytest.mark.parametrize("what", KERAS)
def test_keras(framework: str, what: str) -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.float64 import enable

    enable()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        keras.utils.set_random_seed(0)
        inputs = keras.Input(X.shape[1:])
        y = keras.layers.Dense(2)(keras.layers.Flatten()(KERAS[what](keras, inputs)))
        model = keras.Model(inputs, y)
        found = capture(model).graph
    finally:
        keras.config.set_dtype_policy(before)
    agrees(framework, found, np.array(model(X)), of_keras(framework, model))


def of_keras(framework: str, model: Any) -> Array:
    """The model's own gradient."""
    if framework == "jax":
        import jax

        return np.array(jax.grad(lambda x: (model(x) * WEIGHTS).sum())(jax.numpy.asarray(X)))
    import tensorflow as tf

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(model(x) * WEIGHTS)
    gradient: Array = tape.gradient(total, x).numpy()
    return gradient
