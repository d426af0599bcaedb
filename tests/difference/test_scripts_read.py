"""What is read of a script: levels of grey, the loss by its value, augmentation in one language for both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bakeoff.difference.replay import slope
from bakeoff.difference.scripts import _levels, augmentations, loss_of, scaling_line
from bakeoff.difference.sides.script import framework_of
from bakeoff.errors import DataError, UnsupportedError

DRAW = np.random.default_rng(0)
BYTES = np.concatenate([DRAW.integers(0, 256, (3, 6, 6, 1)), [[[[0]] * 6] * 5 + [[[255]] * 6]]]).astype(np.float64)
Z, Y = DRAW.normal(size=(6, 4)), DRAW.integers(0, 4, 6)
P = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("scale", "offset", "mean", "std"),
    [
        (1 / 255, 0.0, 0.0, 1.0),
        (1 / 127.5, -1.0, 0.5, 0.5),
        (1.0, 0.0, 0.0, 1 / 255),
        (1 / 65025, 0.0, 0.0, 255.0),
        (1 / (255 * 0.3081), -0.1307 / 0.3081, 0.1307, 0.3081),
    ],
    ids=["0 to 1", "-1 to 1", "0 to 255", "twice", "as MNIST has it"],
)
def test_levels_and_numbers(scale: float, offset: float, mean: float, std: float) -> None:
    given = (BYTES * scale + offset).astype(np.float32)
    pixels, told = _levels([given], (1.0, 0.0))
    np.testing.assert_allclose(pixels[0], BYTES, atol=1e-3)
    assert told["input.mean"] == pytest.approx((mean,), abs=1e-5)
    assert told["input.std"] == pytest.approx((std,), rel=1e-5)


def test_what_the_net_does_first_counts() -> None:
    _, told = _levels([BYTES.astype(np.float32)], (1 / 255, 0.0))
    assert told["input.std"] == pytest.approx((1.0,))


def entropy(p: Any) -> Any:
    return -np.log(p[np.arange(6), Y])


CLIPPED = np.clip(Z, 1e-7, 1 - 1e-7)


@pytest.mark.parametrize(
    ("output", "own", "value", "told"),
    [
        (Z, 0, entropy(P).mean(), {"train.softmaxes": 1, "train.reduction": "mean"}),
        (Z, 0, entropy(P).sum(), {"train.softmaxes": 1, "train.reduction": "sum"}),
        (P, 1, entropy(P).mean(), {"train.softmaxes": 1}),
        (P, 1, entropy(np.exp(P) / np.exp(P).sum(1, keepdims=True)).mean(), {"train.softmaxes": 2}),
        (np.log(P), 1, entropy(P).mean(), {"train.softmaxes": 1}),
        (Z, 0, entropy(CLIPPED / CLIPPED.sum(1, keepdims=True)).mean(), {"train.softmaxes": 0}),
        (Z, 0, (0.9 * entropy(P) + 0.1 * -np.log(P).mean(1)).mean(), {"train.smoothing": 0.1}),
        (Z[:, :1], 0, ((Z[:, 0] - Y) ** 2).mean(), {"train.loss": "squares", "train.broadcast": False}),
        (Z[:, :1], 0, ((Z[:, :1] - Y[None]) ** 2).mean(), {"train.loss": "squares", "train.broadcast": True}),
        (Z, 0, 123.4, {"train.loss": "of its own"}),
    ],
    ids=["logits", "sum", "shares", "twice", "logarithms", "raw", "smoothed", "squares", "broadcast", "unknown"],
)
def test_a_loss_is_known_by_its_value(output: Any, own: int, value: float, told: dict[str, Any]) -> None:
    found = loss_of(output, Y, float(value), own, {})
    assert {key: found[key] for key in told} == told


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"train.reduction": "sum"},
        {"train.softmaxes": 2},
        {"train.softmaxes": 3, "train.smoothing": 0.1},
        {"train.softmaxes": 0},
        {"train.loss": "squares"},
    ],
    ids=str,
)
def test_the_slope_is_that_of_the_loss(told: dict[str, Any]) -> None:
    """By central differences of the formula that recognises it."""
    z = np.abs(Z) / 10 + 0.1

    def loss(z: Any) -> float:
        x = z
        if told.get("train.loss") == "squares":
            return float(((z - np.eye(4)[Y]) ** 2).mean())
        for _ in range(told.get("train.softmaxes", 1)):
            x = np.exp(x) / np.exp(x).sum(1, keepdims=True)
        x = np.log(x / x.sum(1, keepdims=True))
        s = told.get("train.smoothing", 0.0)
        each = -((1 - s) * x[np.arange(6), Y] + s * x.mean(1))
        return float(each.sum() if told.get("train.reduction") == "sum" else each.mean())

    expected = np.zeros_like(z)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = 1e-6
        expected[place] = (loss(z + step) - loss(z - step)) / 2e-6
    np.testing.assert_allclose(slope(z, Y, told), expected, atol=1e-8)


def test_augmentation_is_read_in_one_language() -> None:
    torch, line = augmentations("t = [\n    RandomRotation(36),\n    transforms.RandomHorizontalFlip(),\n]", "a.py")
    keras, _ = augmentations('[layers.RandomRotation(0.1), layers.RandomFlip("horizontal")]', "b.py")
    assert sorted(torch) == sorted(keras) == ["horizontal flip", "rotation up to 36 degrees"]
    assert line == "a.py:2"
    assert augmentations("[layers.RandomRotation(10)]", "b.py")[0] != keras[:1]
    assert scaling_line("a = 1\nx = x / 255.0", "a.py") == "a.py:2"


def test_frameworks_by_imports() -> None:
    assert framework_of("import torch.nn as nn", "a.py") == "torch"
    assert framework_of("from tensorflow import keras\nimport torch", "a.py") == "tensorflow"
    with pytest.raises(UnsupportedError, match="Keras on jax"):
        framework_of('os.environ["KERAS_BACKEND"] = "jax"\nimport keras', "a.py")
    with pytest.raises(UnsupportedError, match="a script of JAX can't be recorded yet"):
        framework_of("import jax\nimport optax", "a.py")
    with pytest.raises(DataError, match="neither torch nor keras"):
        framework_of("import numpy", "a.py")
    with pytest.raises(DataError, match="line 2"):
        framework_of("x = 1\nx =", "a.py")
