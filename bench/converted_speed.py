"""How fast a converted net is beside the same architecture written by hand in that framework: forward, and a step.

    python bench/converted_speed.py torch [NAME ...]          torchvision's and timm's own modules
    python bench/converted_speed.py tensorflow [NAME ...]     plain keras.layers, as a person writes them
    ... --cpu-time --batch 2                                  seconds of the processor: on a machine that others use

The source is always the PyTorch module: captured in a process of its own, and rebuilt in the framework asked for. Both
nets take the same images, take turns, and are timed by one loop; 10 rounds, the quotient of the medians, and between
which the quotients of 8 of 10 rounds lie. Wanted: at most 1.10. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import finish, say

NAMES = ("resnet50", "mobilenet_v2", "vit_tiny_patch16_224")
ROUNDS, BATCH, MOST = 10, 8, 1.10


def size_of(name: str) -> int:
    """Pixels of a side."""
    return 224 if name.startswith("vit") else 128


def source(name: str) -> Any:
    """The PyTorch module, with random weights."""
    if name.startswith("vit"):
        import timm

        return timm.create_model(name)
    import torchvision

    return torchvision.models.get_model(name, weights=None)


def capture(name: str, path: Path) -> None:
    """Write the module's graph (in its own process: torch and TensorFlow can't share one)."""
    import pickle

    from bakeoff.frameworks.torch.capture import capture

    side = size_of(name)
    path.write_bytes(pickle.dumps(capture(source(name), input_size=(side, side)).graph))


def captured(name: str) -> Any:
    """The graph, from such a process."""
    import pickle

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph"
        subprocess.run([sys.executable, __file__, "capture", name, "--output", str(path)], check=True)
        return pickle.loads(path.read_bytes())


# 1. the same loop for both nets --------------------------------------------------------------------------------------


def torch_calls(net: Any, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A prediction, and a step of gradient descent."""
    import torch

    x, y = torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
    net = net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 1e-4)

    def forward() -> Any:
        net.eval()
        with torch.inference_mode():
            return net(x)

    def step() -> Any:
        net.train()
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return forward, step


def keras_calls(net: Any, images: np.ndarray, labels: np.ndarray) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The same, compiled by tf.function."""
    import keras
    import tensorflow as tf

    x, y = tf.constant(images), tf.constant(labels)
    optimizer = keras.optimizers.SGD(1e-4)
    optimizer.build(net.trainable_variables)

    @tf.function
    def predict() -> Any:
        return net(x, training=False)

    @tf.function
    def train() -> Any:
        with tf.GradientTape() as tape:
            logits = net(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    return lambda: predict().numpy(), lambda: train().numpy()


def compare(what: str, ours: Callable[[], Any], theirs: Callable[[], Any], clock: Callable[[], float]) -> None:
    """Take turns, and say the quotient of the times."""
    for call in (ours, theirs, ours, theirs):  # traces, caches
        call()
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for turn in range(ROUNDS):
        order = [("ours", ours), ("theirs", theirs)]
        for key, call in order if turn % 2 else order[::-1]:
            start = clock()
            call()
            taken[key].append(clock() - start)
    quotients = sorted(a / b for a, b in zip(taken["ours"], taken["theirs"], strict=True))
    middle = statistics.median(taken["ours"]) / statistics.median(taken["theirs"])
    ours_ms, theirs_ms = (1e3 * statistics.median(taken[key]) for key in ("ours", "theirs"))
    span = f"quotient of a round {quotients[1]:.2f} to {quotients[-2]:.2f}"
    say(f"{what}: {middle:.2f} x by hand ({ours_ms:.0f} ms to {theirs_ms:.0f} ms; {span})", middle <= MOST)


# 2. the same architectures, written by hand in Keras ------------------------------------------------------------------


def resnet50(side: int) -> Any:
    """ResNet-50 with the stride in the 3 x 3, as torchvision has it."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, kernel: int, stride: int = 1) -> Any:
        if kernel > 1 and stride > 1:
            x, padding = layers.ZeroPadding2D(kernel // 2)(x), "valid"
        else:
            padding = "same"
        x = layers.Conv2D(filters, kernel, stride, padding, use_bias=False)(x)
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

    def block(x: Any, filters: int, stride: int, widen: bool) -> Any:
        y = layers.ReLU()(conv(x, filters, 1))
        y = layers.ReLU()(conv(y, filters, 3, stride))
        y = conv(y, 4 * filters, 1)
        return layers.ReLU()(layers.Add()([y, conv(x, 4 * filters, 1, stride) if widen else x]))

    inputs = keras.Input((side, side, 3))
    x = layers.ReLU()(conv(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))  # behind a ReLU, zeros do as well as -inf
    for filters, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for index in range(count):
            x = block(x, filters, stride if index == 0 else 1, index == 0)
    return keras.Model(inputs, layers.Dense(1000)(layers.GlobalAveragePooling2D()(x)))


def mobilenet_v2(side: int) -> Any:
    """MobileNetV2 as torchvision has it."""
    import keras
    from keras import layers

    def norm(x: Any, act: bool = True) -> Any:
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        return layers.ReLU(6.0)(x) if act else x

    def block(x: Any, expand: int, filters: int, stride: int) -> Any:
        width = x.shape[-1]
        y = norm(layers.Conv2D(width * expand, 1, use_bias=False)(x)) if expand > 1 else x
        padding = "same" if stride == 1 else "valid"
        y = y if stride == 1 else layers.ZeroPadding2D(1)(y)
        y = norm(layers.DepthwiseConv2D(3, stride, padding, use_bias=False)(y))
        y = norm(layers.Conv2D(filters, 1, use_bias=False)(y), act=False)
        return layers.Add()([x, y]) if stride == 1 and width == filters else y

    inputs = keras.Input((side, side, 3))
    x = norm(layers.Conv2D(32, 3, 2, use_bias=False)(layers.ZeroPadding2D(1)(inputs)))
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expand, filters, count, stride in stages:
        for index in range(count):
            x = block(x, expand, filters, stride if index == 0 else 1)
    x = layers.GlobalAveragePooling2D()(norm(layers.Conv2D(1280, 1, use_bias=False)(x)))
    return keras.Model(inputs, layers.Dense(1000)(layers.Dropout(0.2)(x)))


def vit_tiny_patch16_224(side: int) -> Any:
    """ViT-tiny as keras.io's examples write it, with a class token."""
    import keras
    from keras import layers, ops

    class Tokens(layers.Layer):
        """The class token and the positions."""

        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]))
            self.places = self.add_weight(shape=(1, shape[1] + 1, shape[-1]))

        def call(self, x: Any) -> Any:
            token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
            return ops.concatenate([token, x], 1) + self.places

    inputs = keras.Input((side, side, 3))
    x = layers.Reshape((-1, 192))(layers.Conv2D(192, 16, 16)(inputs))
    x = Tokens()(x)
    for _ in range(12):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, 64)(y, y)])
        y = layers.Dense(768, activation="gelu")(layers.LayerNormalization(epsilon=1e-6)(x))
        x = layers.Add()([x, layers.Dense(192)(y)])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(inputs, layers.Dense(1000)(x[:, 0]))


BY_HAND = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2, "vit_tiny_patch16_224": vit_tiny_patch16_224}


# 3. -------------------------------------------------------------------------------------------------------------------


def measure(framework: str, name: str, batch: int, clock: Callable[[], float]) -> None:
    """One architecture."""
    side = size_of(name)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(batch, side, side, 3)).astype("float32")
    labels = rng.integers(0, 1000, batch)
    graph = captured(name)
    if framework == "torch":
        from bakeoff.frameworks.torch.build import build as rebuild

        ours, theirs = (torch_calls(net, images, labels) for net in (rebuild(graph).module, source(name)))
    else:
        from bakeoff.frameworks._keras.build import build

        hand = BY_HAND[name](side)
        assert hand.count_params() == build(graph).model.count_params(), "not the same architecture"
        ours, theirs = (keras_calls(net, images, labels) for net in (build(graph).model, hand))
    for what, mine, other in zip(("forward", "step"), ours, theirs, strict=True):
        compare(f"{framework} {name} {what}", mine, other, clock)


def main() -> None:
    """Capture, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("torch", "tensorflow", "capture"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--cpu-time", action="store_true")
    chosen = parser.parse_args()
    if chosen.what == "capture":
        capture(chosen.names[0], chosen.output)
        return
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in chosen.names or NAMES:
        measure(chosen.what, name, chosen.batch, time.process_time if chosen.cpu_time else time.perf_counter)
    finish()


if __name__ == "__main__":
    main()
