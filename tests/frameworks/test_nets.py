"""Whole small nets: layouts, orders of features, shared, bare and computed parameters, free sizes, no transposes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import holds_and_learns, native, relative

from bakeoff.errors import UnsupportedError
from bakeoff.graph import Composer, Graph, Ref, run
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Mode

BATCH = Dim("batch")
Maker = Callable[[], Graph]
NETS: dict[str, tuple[Maker, tuple[int, ...]]] = {}


def net(*size: int) -> Callable[[Maker], Maker]:
    """Register a net and the size of its images."""

    def keep(make: Maker) -> Maker:
        NETS[make.__name__] = make, size
        return make

    return keep


def conv(c: Composer, name: str, x: Ref, filters: int, **attributes: Any) -> Ref:
    return c.add("conv2d", name, x, filters=filters, kernel=(3, 3), **{"pad": (1, 1, 1, 1), **attributes})


@net(6, 5, 3)
def classic() -> Graph:
    c = Composer((BATCH, 6, 5, 3))
    x = c.add("relu", "block.relu", conv(c, "block.conv", c.input, 4))
    x = c.add("batch_norm", "block.bn", x)
    x = c.add("max_pool2d", "pool", x, window=(2, 2), stride=(2, 2))
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=3))


@net(4, 3, 2)
def torch_order() -> Graph:
    c = Composer((BATCH, 4, 3, 2))
    x = c.add("flatten", "flat", conv(c, "conv", c.input, 4), order="CHW")
    return c.finish(c.add("dense", "head", c.add("relu", "relu", x), units=3))


@net(4, 3, 2)
def normalised_features() -> Graph:
    c = Composer((BATCH, 4, 3, 2))
    x = c.add("flatten", "flat", conv(c, "conv", c.input, 4))
    x = c.add("batch_norm", "bn", c.add("layer_norm", "ln", x))
    return c.finish(c.add("dense", "head", x, units=3))


@net(4, 3, 2)
def a_dense_that_keeps_the_shape() -> Graph:
    c = Composer((BATCH, 4, 3, 2))
    x = c.add("dense", "square", c.add("flatten", "flat", conv(c, "conv", c.input, 4)), units=48)
    return c.finish(c.add("dense", "head", c.add("relu", "relu", x), units=3))


@net(4, 3, 2)
def joined_features() -> Graph:
    c = Composer((BATCH, 4, 3, 2))
    left = c.add("flatten", "left", conv(c, "conv1", c.input, 4))
    right = c.add("flatten", "right", conv(c, "conv2", c.input, 4))
    other = c.add("flatten", "other", conv(c, "conv3", c.input, 2), order="CHW")
    x = c.add("concat", "concat", left, right, other)
    return c.finish(c.add("dense", "head", x, units=3))


@net(4, 3, 2)
def features_met_by_a_parameter() -> Graph:
    c = Composer((BATCH, 4, 3, 2))
    x = c.add("flatten", "flat", conv(c, "conv", c.input, 4))
    gain = c.parameter("gain", np.linspace(-1, 1, 48).astype("float32"))
    return c.finish(c.add("dense", "head", c.add("mul", "scaled", x, gain), units=3))


@net(6, 6, 3)
def squeeze_and_excite() -> Graph:
    c = Composer((BATCH, 6, 6, 3))
    x = c.add("silu", "act", conv(c, "conv", c.input, 4))
    s = c.add("global_avg_pool", "se.pool", x, keepdims=True)
    s = c.add("relu", "se.relu", c.add("conv2d", "se.down", s, filters=2, kernel=(1, 1)))
    s = c.add("sigmoid", "se.gate", c.add("conv2d", "se.up", s, filters=4, kernel=(1, 1)))
    x = c.add("mul", "se.mul", x, s)
    x = c.add("add", "residual", x, conv(c, "deep", x, 4, groups=4))
    x = c.add("concat", "both", x, c.input)
    x = c.add("global_avg_pool", "gap", x)
    return c.finish(c.add("dense", "head", x, units=3))


@net(4, 4, 3)
def one_module_twice() -> Graph:
    c = Composer((BATCH, 4, 4, 3))
    x = conv(c, "conv", c.input, 3)
    x = c.add("relu", "relu", x)
    x = c.add("conv2d", "again", x, share="conv", filters=3, kernel=(3, 3), pad=(1, 1, 1, 1))
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=2))


@net(4, 4, 3)
def one_kernel_two_strides() -> Graph:
    c = Composer((BATCH, 4, 4, 3))
    near = conv(c, "near", c.input, 3)
    far = c.add("conv2d", "far", c.input, share="near", filters=3, kernel=(3, 3), pad=(2, 2, 2, 2), dilation=(2, 2))
    x = c.add("global_avg_pool", "gap", c.add("add", "sum", near, far))
    x = c.add("dense", "head", x, units=3)
    return c.finish(c.add("dense", "tail", x, share="head", units=3, bias=False))


@net(4, 4, 3)
def layer_scale() -> Graph:
    c = Composer((BATCH, 4, 4, 3))
    x = conv(c, "conv", c.input, 4)
    gamma = c.parameter("block.gamma", np.array([0.1, -0.2, 0.3, 0.4], "float32"))
    x = c.add("add", "residual", x, c.add("mul", "scaled", x, gamma))
    return c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=2))


@net(4, 4, 3)
def computed_kernel() -> Graph:
    """The kernel is the product of two parameters, as weight standardisation computes it from one."""
    c = Composer((BATCH, 4, 4, 3))
    raw = c.parameter("raw", np.random.default_rng(0).normal(size=(3, 3, 3, 4)).astype("float32"))
    kernel = c.add("mul", "kernel", raw, c.parameter("gain", np.linspace(0.5, 1.5, 4).astype("float32")))
    x = c.add("global_avg_pool", "gap", conv(c, "conv", c.input, 4))
    graph = c.finish(c.add("dense", "head", x, units=2))
    computed = {**graph.node("conv").parameters, "kernel": kernel}
    nodes = tuple(replace(node, parameters=computed) if node.id == "conv" else node for node in graph.nodes)
    kept = {path: parameter for path, parameter in graph.parameters.items() if path != "conv.kernel"}
    return Graph(graph.inputs, nodes, graph.outputs, kept)


CONVOLUTIONAL = (
    "classic",
    "squeeze_and_excite",
    "one_module_twice",
    "layer_scale",
    "torch_order",
    "one_kernel_two_strides",
)
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}  # of the largest logit


def images(size: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, *size)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_the_net_is_the_interpreter(framework: str, name: str, dtype: str) -> None:
    make, size = NETS[name]
    graph = make().astype(dtype)
    built, x = native(framework, graph, dtype), images(size, dtype)
    for train in (False, True):
        expected = run(graph, x, Mode(train))
        assert relative(built.run([x], train).output, expected) <= TOLERANCE[dtype], train


@pytest.mark.parametrize("name", NETS)
def test_gradients_and_weights_of_a_net(framework: str, name: str) -> None:
    make, size = NETS[name]
    graph = make().astype("float64")
    built, x = native(framework, graph, "float64"), images(size, "float64")
    holds_and_learns(graph, built, x)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_no_transposes_in_a_convolutional_net(framework: str, name: str) -> None:
    built = native(framework, NETS[name][0](), "float32").built
    if framework == "torch":
        moves = [node for node in built.module.graph.nodes if node.target in ("permute", "transpose")]
    else:
        kinds = [type(layer).__name__ for layer in built.model.layers]
        moves = [kind for kind in kinds if kind in ("Permute", "Transpose")]
    assert moves == [] or (name == "one_kernel_two_strides" and all_of_parameters(framework, moves))


def all_of_parameters(framework: str, moves: list[Any]) -> bool:
    """A kernel that two operators share is laid out on its way to each: it is not an image."""
    return framework == "torch" and all(move.args[0].op == "get_attr" for move in moves)


@pytest.mark.parametrize("size", [(8, 7, 3), (11, 14, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_free_input_size_with_same_padding(framework: str, size: tuple[int, ...], dtype: str) -> None:
    c = Composer((BATCH, Dim("height"), Dim("width"), 3))
    x = conv(c, "conv1", c.input, 4, stride=(2, 2), pad="same")
    x = conv(c, "conv2", x, 4, stride=(2, 2), pad="same", groups=4)
    x = c.add("max_pool2d", "max", x, window=(3, 3), stride=(2, 2), pad="same")
    x = c.add("avg_pool2d", "avg", x, window=(2, 2), stride=(2, 2), pad="same")
    x = c.add("avg_pool2d", "avg2", x, window=(2, 2), stride=(2, 2), pad="same", count_include_pad=True)
    graph = c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=2)).astype(dtype)
    x = images(size, dtype)
    assert relative(native(framework, graph, dtype).run([x]).output, run(graph, x)) <= TOLERANCE[dtype]


def test_a_grey_image_of_free_size(framework: str) -> None:
    c = Composer((BATCH, Dim("height"), Dim("width"), 1))
    graph = c.finish(c.add("global_avg_pool", "gap", c.add("layer_norm", "norm", conv(c, "conv", c.input, 1))))
    x = images((5, 4, 1), "float32")
    assert relative(native(framework, graph, "float32").run([x]).output, run(graph, x)) <= TOLERANCE["float32"]


def test_a_shared_scale_has_no_form_and_says_so(framework: str) -> None:
    graph = NETS["classic"][0]()
    first = graph.node("block.bn")
    changed = replace(first.attributes, epsilon=0.1)
    other = replace(first, id="bn2", path="bn2", inputs=(Ref("block.bn"),), attributes=changed)
    nodes = []
    for node in graph.nodes:
        nodes.append(replace(node, inputs=(Ref("bn2"),)) if node.id == "pool" else node)
        if node.id == "block.bn":
            nodes.append(other)
    with pytest.raises(UnsupportedError, match="parameters of its own"):
        native(framework, replace(graph, nodes=tuple(nodes)), "float32")


def test_weights_are_copied_never_aliased(framework: str) -> None:
    graph = NETS["layer_scale"][0]()
    before = {path: array.copy() for path, array in graph.arrays().items()}
    built = native(framework, graph, "float32")
    built.built.load({path: array + 1 for path, array in before.items()})
    assert all(np.array_equal(graph.parameters[path].array, array) for path, array in before.items())


def test_stock_batch_norm_predicts_the_same(framework: str) -> None:
    if framework == "torch":
        pytest.skip("stock is a word of Keras")
    graph, x = NETS["classic"][0](), images((6, 5, 3), "float32")
    built = native(framework, graph, "float32", batch_norm="stock")
    assert relative(built.run([x]).output, run(graph, x)) <= TOLERANCE["float32"]
