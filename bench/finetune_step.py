"""A fine-tuning step against the best one written by hand with the same settings, and against the tutorials' plain one.

python bench/finetune_step.py [torch|tensorflow [BATCH SIZE]]

The whole of EfficientNet-lite0 at 224 pixels, batches of 16, Adam, batch norm in training. By hand: the same module,
channels last, fused Adam, gradients set to None (torch); GradientTape in a tf.function with Keras's Adam (TensorFlow).
Plain: as the tutorials have it, default layout, default Adam, loss.item() at every step. Ten interleaved rounds, the
median of their ratios and its interval by order statistics; our step with bfloat16 beside it. Each framework in a
process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import _common
import numpy as np

ROUNDS, BATCH, SIZE, CLASSES = 10, 16, 224, 10
LIMIT, FASTER = 1.05, 1.3


def graph() -> Any:
    from bakeoff import registry
    from bakeoff.graph import passes

    model = registry.load("bakeoff.models", "efficientnet_lite0")
    features = model.build(input_size=(SIZE, SIZE), channels=3, classes=None, seed=0)
    return passes.with_head(features, CLASSES, seed=0)


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, SIZE, SIZE, 3)).astype("float32"), rng.integers(0, CLASSES, BATCH)


def interleaved(steps: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Seconds of a step, a round each in turn."""
    for step in steps.values():
        step()
        step()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS):
        order = list(steps) if number % 2 else list(steps)[::-1]
        for name in order:
            began = time.perf_counter()
            steps[name]()
            found[name].append(time.perf_counter() - began)
    return found


def ratio(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """Median of a / b over the rounds, and its 95 % interval (2nd and 9th of ten)."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=True))
    return median(ratios), ratios[1], ratios[-2]


def ours(framework: str, images: np.ndarray, labels: np.ndarray, precision: str = "float32") -> Callable[[], Any]:
    from bakeoff import frameworks

    net = frameworks.load(framework).native(graph(), device="cpu", precision=precision, threads=2)
    net.compile("adam", {}, "softmax_cross_entropy")
    return lambda: net.steps([images], [labels], [1e-4])


def torch_steps() -> dict[str, Callable[[], Any]]:
    images, labels = batch()
    mine, half = ours("torch", images, labels), ours("torch", images, labels, "bfloat16")
    import torch

    from bakeoff.frameworks.torch.build import build

    by_hand, plain = build(graph()).module, build(graph()).module
    by_hand = by_hand.to(memory_format=torch.channels_last).train()
    plain.train()
    fused = torch.optim.Adam(by_hand.parameters(), lr=1e-4, fused=True)
    adam = torch.optim.Adam(plain.parameters(), lr=1e-4)
    criterion, target = torch.nn.CrossEntropyLoss(), torch.from_numpy(labels)
    contiguous = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def best() -> None:
        x = torch.from_numpy(images).permute(0, 3, 1, 2)
        fused.zero_grad(set_to_none=True)
        loss = criterion(by_hand(x), target)
        loss.backward()
        fused.step()
        loss.item()

    def tutorial() -> None:
        adam.zero_grad()
        loss = criterion(plain(contiguous), target)
        loss.backward()
        adam.step()
        loss.item()

    return {"ours": mine, "by hand": best, "plain": tutorial, "bfloat16": half}


def tensorflow_steps() -> dict[str, Callable[[], Any]]:
    images, labels = batch()
    mine, half = ours("tensorflow", images, labels), ours("tensorflow", images, labels, "bfloat16")
    import keras
    import tensorflow as tf

    from bakeoff.frameworks._keras.build import build

    model = build(graph(), batch_norm="stock").model
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return {
        "ours": mine,
        "by hand": lambda: float(step(tf.constant(images), tf.constant(labels))),
        "bfloat16": half,
    }


def measure(framework: str) -> None:
    found = interleaved(torch_steps() if framework == "torch" else tensorflow_steps())
    middle, low, high = ratio(found["ours"], found["by hand"])
    _common.say(
        f"{framework}: a step takes {1000 * median(found['ours']):.0f} ms, {middle:.3f} x the best by hand "
        f"({low:.3f} to {high:.3f}; wanted <= {LIMIT})",
        middle <= LIMIT,
    )
    if "plain" in found:
        middle, low, high = ratio(found["plain"], found["ours"])
        _common.say(
            f"{framework}: the tutorials' plain step takes {middle:.2f} x ours ({low:.2f} to {high:.2f}; "
            f"wanted >= {FASTER})",
            middle >= FASTER,
        )
    middle, low, high = ratio(found["bfloat16"], found["ours"])
    _common.say(f"{framework}: with bfloat16 a step takes {middle:.2f} x that ({low:.2f} to {high:.2f})", True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        if len(sys.argv) > 3:
            BATCH, SIZE = int(sys.argv[2]), int(sys.argv[3])
        measure(sys.argv[1])
        _common.finish()
    codes = [subprocess.call([sys.executable, __file__, name]) for name in ("torch", "tensorflow")]
    sys.exit(max(codes))
