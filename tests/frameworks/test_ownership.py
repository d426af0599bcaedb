"""Who holds a parameter: computed kernels, weights that unlike operators share, layers on constants alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import holds_and_learns, in_onnx, native, relative

from bakeoff.graph import Composer, Graph, Ref, run
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode

BATCH = Dim("batch")
NETS: dict[str, Callable[[], Graph]] = {}
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


def net(make: Callable[[], Graph]) -> Callable[[], Graph]:
    NETS[make.__name__] = make
    return make


def with_kernel(graph: Graph, id: str, kernel: Ref, slot: str = "kernel") -> Graph:
    """The graph whose node takes a computed kernel in place of its own."""
    lost = graph.node(id).parameters[slot]
    changed = tuple(
        replace(node, parameters={**node.parameters, slot: kernel}) if node.id == id else node for node in graph.nodes
    )
    kept = {path: parameter for path, parameter in graph.parameters.items() if path != lost}
    return Graph(graph.inputs, changed, graph.outputs, kept)


def standardised(c: Composer, shape: tuple[int, ...]) -> Ref:
    """A kernel brought to mean 0 and length 1 for each filter, as StdConv2d does."""
    weight = c.parameter("weight", np.random.default_rng(0).normal(size=shape).astype("float32"))
    centred = c.add("sub", "centred", weight, c.add("reduce_mean", "mean", weight, axes=(0, 1, 2), keepdims=True))
    power = c.add("reduce_sum", "power", c.add("square", "square", centred), axes=(0, 1, 2), keepdims=True)
    return c.add("mul", "kernel", centred, c.add("rsqrt", "factor", power))


def standardised_conv(kernel: tuple[int, ...], **attributes: Any) -> Graph:
    c = Composer((BATCH, 9, 8, 4))
    k = standardised(c, kernel)
    x = c.add("conv2d", "conv", c.input, filters=kernel[3], kernel=kernel[:2], **attributes)
    graph = c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", c.add("relu", "relu", x)), units=3))
    return with_kernel(graph, "conv", k)


@net
def standardised_kernel() -> Graph:
    return standardised_conv((3, 3, 4, 6), pad=(1, 1, 1, 1), stride=(2, 2))


@net
def standardised_kernel_in_groups() -> Graph:
    return standardised_conv((3, 3, 2, 6), pad="same", stride=(2, 2), groups=2)


@net
def standardised_kernel_depthwise() -> Graph:
    return standardised_conv((3, 3, 1, 8), pad=(1, 1, 1, 1), groups=4)


@net
def standardised_kernel_strided_and_dilated() -> Graph:
    return standardised_conv((3, 3, 4, 2), pad="same", stride=(2, 2), dilation=(2, 2), bias=False)


@net
def a_dense_layer_of_a_computed_kernel() -> Graph:
    c = Composer((BATCH, 2, 2, 2))
    weight = c.parameter("weight", np.random.default_rng(0).normal(size=(3, 8)).astype("float32"))
    kernel = c.add("transpose", "turned", c.add("l2_normalize", "unit", weight, axis=-1, epsilon=1e-6), axes=(1, 0))
    x = c.add("dense", "head", c.add("flatten", "flat", c.input), units=3)
    return with_kernel(c.finish(x), "head", kernel)


@net
def one_weight_for_two_operators() -> Graph:
    """Tied: features are multiplied by a matrix, and come back by its transpose."""
    c = Composer((BATCH, 3, 2, 4))
    x = c.add("dense", "up", c.input, units=5)
    weight = c.parameter("tied", np.zeros((4, 5), "float32"))
    turned = c.add("transpose", "turned", weight, axes=(1, 0))
    x = c.add("reshape", "rows", c.add("relu", "relu", x), shape=(BATCH, 6, 5))
    x = c.add("matmul", "down", x, c.add("reshape", "one", turned, shape=(1, 5, 4)))
    graph = c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=3))
    node = replace(graph.node("tied"), parameters={"value": "up.kernel"})
    nodes = tuple(node if old.id == "tied" else old for old in graph.nodes)
    return replace(graph, nodes=nodes, parameters={k: v for k, v in graph.parameters.items() if k != "tied"})


@net
def layers_on_constants_alone() -> Graph:
    """A small net of a grid of places, as relative positions have it: it must stay in the graph."""
    c = Composer((BATCH, 2, 2, 3))
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 2), np.linspace(-1, 1, 2)), -1).reshape(1, 4, 2)
    grid = c.add("constant", "grid", shape=grid.shape, weights={"value": grid.astype("float32")})
    y = c.add("dense", "mlp2", c.add("relu", "act", c.add("dense", "mlp1", grid, units=6)), units=3)
    x = c.add("add", "placed", c.add("reshape", "tokens", c.input, shape=(BATCH, 4, 3)), y)
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=2))


@net
def one_batch_norm_twice() -> Graph:
    c = Composer((BATCH, 3, 3, 4))
    x = c.add("relu", "relu", c.add("batch_norm", "bn", c.input))
    x = c.add("batch_norm", "again", x, share="bn")
    return c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=2))


def images(graph: Graph, dtype: str) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, *graph.input_shape[1:])).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_the_net_is_the_interpreter(framework: str, name: str, dtype: str) -> None:
    graph = NETS[name]().astype(dtype)
    built, x = native(framework, graph, dtype), images(graph, dtype)
    for train in (False, True) if name != "one_batch_norm_twice" else (False,):
        assert relative(built.run([x], train).output, run(graph, x, Mode(train))) <= TOLERANCE[dtype], train


@pytest.mark.parametrize("name", NETS)
def test_every_weight_is_there_once_and_learns(framework: str, name: str) -> None:
    graph = NETS[name]().astype("float64")
    built, x = native(framework, graph, "float64"), images(graph, "float64")
    assert trainable(framework, built) == graph.count(trainable=True)
    holds_and_learns(graph, built, x)


def trainable(framework: str, built: Any) -> int:
    """How many numbers of the native net learn."""
    if framework == "torch":
        return sum(p.numel() for p in built.built.module.parameters() if p.requires_grad)
    return sum(int(np.prod(v.shape)) for v in built.built.model.trainable_variables)


@pytest.mark.torch
@pytest.mark.parametrize("name", NETS)
def test_onnx_runtime_gives_the_same(name: str) -> None:
    graph = NETS[name]()
    x = images(graph, "float32")
    assert relative(in_onnx(graph, x), run(graph, x)) <= TOLERANCE["float32"]
