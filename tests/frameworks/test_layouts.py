"""Nets of transposes and reshapes: what they compute, and that nothing is moved that the source did not move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import holds_and_learns, in_onnx, native, one_node, relative

from bakeoff.graph import Composer, Graph, Ref, run
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim
from bakeoff.ops._page import Case, Mode

BATCH = Dim("batch")
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}  # of the largest logit; attention and norms stand in a row

# name: (net, size of its images, {"torch": transposes, "keras": transposes} at the most)
NETS: dict[str, tuple[Callable[[], Graph], tuple[int, int, int], dict[str, int]]] = {}


def net(*size: int, torch: int, keras: int) -> Callable[[Callable[[], Graph]], Callable[[], Graph]]:
    """Register a net, the size of its images, and how many activations it may transpose in each library."""

    def keep(make: Callable[[], Graph]) -> Callable[[], Graph]:
        NETS[make.__name__] = make, size, {"torch": torch, "keras": keras}  # type: ignore[assignment]
        return make

    return keep


def constant(c: Composer, path: str, array: np.ndarray) -> Ref:
    """A constant as a value."""
    c.add("constant", path, shape=array.shape, weights={"value": array})
    return Ref(path)


def heads(c: Composer, name: str, x: Ref, count: int, mask: Ref | None = None, **attributes: Any) -> Ref:
    """Multi-head self-attention as timm writes it: one projection, reshape, permute, unbind."""
    batch, tokens, width = c.shape(x)
    x = c.add("dense", f"{name}.qkv", x, units=3 * width)
    x = c.add("reshape", f"{name}.parts", x, shape=(batch, tokens, 3, count, width // count))
    x = c.add("transpose", f"{name}.moved", x, axes=(2, 0, 3, 1, 4))
    c.add("split", f"{name}.unbound", x, sizes=(1, 1, 1), axis=0)
    parts = [
        c.add("reshape", f"{name}.{i}", Ref(f"{name}.unbound", i), shape=(batch, count, tokens, width // count))
        for i in range(3)
    ]
    y = c.add("attention", f"{name}.attention", *parts, *([mask] if mask else []), **attributes)
    y = c.add("transpose", f"{name}.back", y, axes=(0, 2, 1, 3))
    y = c.add("reshape", f"{name}.joined", y, shape=(batch, tokens, width))
    return c.add("dense", f"{name}.proj", y, units=width)


@net(4, 4, 3, torch=2, keras=0)
def bare_rows_and_columns() -> Graph:
    """As many rows as columns and channels: keras.ops.add on TensorFlow takes one for another."""
    c, rng = Composer((BATCH, 4, 4, 3)), np.random.default_rng(3)
    x = c.add("conv2d", "conv", c.input, filters=4, kernel=(1, 1))
    for number, shape in enumerate([(4, 1, 1), (1, 4, 1), (1, 1, 4)]):
        bare = c.add(
            "parameter", f"p{number}", shape=shape, weights={"value": rng.normal(size=shape).astype("float32")}
        )
        x = c.add("add", f"add{number}", *([x, bare] if number else [bare, x]))
    both = c.add(
        "add",
        "both",
        constant(c, "row", rng.normal(size=(1, 4, 1)).astype("float32")),
        constant(c, "column", rng.normal(size=(4, 1, 1)).astype("float32")),
    )
    x = c.add("flatten", "flat", c.add("relu", "relu", c.add("add", "sum", x, both)))
    return c.finish(c.add("dense", "head", x, units=3))


@net(8, 8, 3, torch=6, keras=0)  # timm: 1 of the patches, 1 of qkv, 1 behind the attention; 3 arguments are views
def vision_transformer() -> Graph:
    c = Composer((BATCH, 8, 8, 3))
    x = c.add("conv2d", "patch", c.input, filters=12, kernel=(4, 4), stride=(4, 4))
    x = c.add("reshape", "tokens", x, shape=(BATCH, 4, 12))
    token = c.parameter("cls", np.linspace(-1, 1, 12).reshape(1, 1, 12).astype("float32"))
    token = c.add("expand", "cls_each", token, shape=(BATCH, 1, 12))
    x = c.add("concat", "all", token, x, axis=1)
    x = c.add("add", "placed", x, c.parameter("places", np.linspace(-2, 1, 60).reshape(1, 5, 12).astype("float32")))
    y = heads(c, "attn", c.add("layer_norm", "norm1", x), 3)
    x = c.add("add", "sum1", x, y)
    y = c.add("gelu", "act", c.add("dense", "fc1", c.add("layer_norm", "norm2", x), units=20))
    x = c.add("add", "sum2", x, c.add("dense", "fc2", y, units=12))
    x = c.add("slice", "first", x, axis=1, start=0, stop=1)
    return c.finish(c.add("dense", "head", c.add("reshape", "flat", x, shape=(BATCH, 12)), units=3))


@net(8, 8, 4, torch=9, keras=2)  # Swin moves windows twice; torch's images go to channels last and views of q, k, v
def shifted_windows() -> Graph:
    c = Composer((BATCH, 8, 8, 4))
    x = c.add("conv2d", "stem", c.input, filters=6, kernel=(1, 1))
    x = c.add("roll", "shifted", c.add("layer_norm", "norm", x), shifts=(-2, -2), axes=(1, 2))
    x = c.add("reshape", "apart", x, shape=(BATCH, 2, 4, 2, 4, 6))
    x = c.add("transpose", "windows", x, axes=(0, 1, 3, 2, 4, 5))
    x = c.add("reshape", "batches", x, shape=(4 * BATCH, 16, 6))
    table = c.parameter("table", np.random.default_rng(0).normal(size=(49, 2)).astype("float32"))
    rows, columns = np.divmod(np.arange(16), 4)
    places = (rows[:, None] - rows + 3) * 7 + columns[:, None] - columns + 3
    bias = c.add("take", "relative", table, axis=0, size=(16, 16), weights={"indices": places})
    bias = c.add("transpose", "by_head", bias, axes=(2, 0, 1))
    bias = c.add("expand", "bias", c.add("reshape", "one", bias, shape=(1, 2, 16, 16)), shape=(4 * BATCH, 2, 16, 16))
    x = heads(c, "attn", x, 2, bias)
    x = c.add("reshape", "windows_again", x, shape=(BATCH, 2, 2, 4, 4, 6))
    x = c.add("transpose", "together", x, axes=(0, 1, 3, 2, 4, 5))
    x = c.add("reshape", "image", x, shape=(BATCH, 8, 8, 6))
    x = c.add("roll", "back", x, shifts=(2, 2), axes=(1, 2))
    return c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=3))


@net(4, 4, 6, torch=1, keras=1)
def channel_shuffle() -> Graph:
    c = Composer((BATCH, 4, 4, 6))
    x = c.add("conv2d", "conv", c.input, filters=6, kernel=(3, 3), pad=(1, 1, 1, 1))
    x = c.add("reshape", "groups", x, shape=(BATCH, 4, 4, 2, 3))
    x = c.add("transpose", "shuffled", x, axes=(0, 1, 2, 4, 3))
    x = c.add("reshape", "joined", x, shape=(BATCH, 4, 4, 6))
    x = c.add("conv2d", "conv2", x, filters=4, kernel=(3, 3))
    return c.finish(c.add("dense", "head", c.add("global_avg_pool", "gap", x), units=3))


@net(6, 6, 4, torch=2, keras=0)  # torch: a gate is spread as a view; rows come first at the end
def sliced_and_joined() -> Graph:
    """What CNNs do with shapes: parts of channels, every other row, both halves, a gate for each channel."""
    c = Composer((BATCH, 6, 6, 4))
    x = c.add("conv2d", "conv", c.input, filters=6, kernel=(3, 3), pad=(1, 1, 1, 1))
    c.add("split", "parts", x, sizes=(2, 4), axis=-1)
    y = c.add("slice", "rows", Ref("parts", 1), axis=1, start=0, step=2)
    y = c.add("slice", "columns", y, axis=2, start=1, step=2)
    y = c.add("pad_axes", "wider", y, pads=((0, 0), (1, 2), (3, 0), (0, 0)))
    x = c.add("concat", "both", Ref("parts", 0), y)
    gate = c.add("reshape", "gate", c.add("global_avg_pool", "gap", x), shape=(BATCH, 1, 1, 6))
    x = c.add("mul", "gated", x, c.add("expand", "everywhere", gate, shape=(BATCH, 6, 6, 6)))
    x = c.add("take", "chosen", x, axis=3, size=(3,), weights={"indices": np.array([4, 0, 4])})
    x = c.add("conv2d", "conv2", c.add("slice", "mirrored", x, axis=2, step=-1), filters=2, kernel=(3, 3))
    return c.finish(c.add("reshape", "flat", x, shape=(BATCH, 32)))


@net(4, 4, 3, torch=2, keras=1)
def tokens_first() -> Graph:
    """As torch's MultiheadAttention counts: tokens, batch, features."""
    c = Composer((BATCH, 4, 4, 3))
    x = c.add("conv2d", "patch", c.input, filters=6, kernel=(2, 2), stride=(2, 2))
    x = c.add("transpose", "tokens_first", c.add("reshape", "tokens", x, shape=(BATCH, 4, 6)), axes=(1, 0, 2))
    x = c.add("layer_norm", "norm", c.add("dense", "proj", x, units=6))
    x = c.add("einsum", "mixed", x, c.add("relu", "act", x), equation="tbi,sbi->bts")
    return c.finish(c.add("dense", "head", c.add("reshape", "flat", x, shape=(BATCH, 16)), units=3))


@net(4, 4, 2, torch=2, keras=2)
def hidden_by_a_mask() -> Graph:
    """Conditions and integers are constants; numbers come of them by where and cast."""
    c = Composer((BATCH, 4, 4, 2))
    x = c.add("reshape", "tokens", c.input, shape=(BATCH, 16, 2))
    keep = constant(c, "keep", np.arange(16 * 16).reshape(16, 16) % 3 > 0)
    low = constant(c, "low", np.array(-np.inf, "float32"))
    scores = c.add("matmul", "scores", x, c.add("transpose", "keys", x, axes=(0, 2, 1)))
    x = c.add("matmul", "mixed", c.add("softmax", "soft", c.add("where", "hidden", keep, scores, low)), x)
    grid = c.add("cast", "numbers", constant(c, "grid", np.arange(32).reshape(16, 2)))
    x = c.add("add", "placed", x, grid)
    return c.finish(c.add("dense", "head", c.add("flatten", "flat", x), units=3))


@net(4, 4, 2, torch=3, keras=0)
def a_token_for_each_window() -> Graph:
    c = Composer((BATCH, 4, 4, 2))
    x = c.add("reshape", "rows", c.input, shape=(4 * BATCH, 4, 2))
    token = c.add("expand", "each", c.parameter("token", np.ones((1, 1, 2), "float32")), shape=(4 * BATCH, 1, 2))
    x = c.add("dense", "mix", c.add("concat", "all", token, x, axis=1), units=2)
    x = c.add("reshape", "images", x, shape=(BATCH, 4, 5, 2))
    x = c.add("repeat_interleave", "tall", x, count=2, axis=1)
    x = c.add("resize", "wide", x, size=(8, 7), mode="bilinear")
    return c.finish(c.add("global_avg_pool", "gap", x))


def images(size: tuple[int, ...], dtype: str, count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, *size)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NETS)
def test_the_net_is_the_interpreter_at_any_batch(framework: str, name: str, dtype: str) -> None:
    make, size, _ = NETS[name]
    graph = make().astype(dtype)
    built = native(framework, graph, dtype)
    for count in (3, 1):
        x = images(size, dtype, count)
        for train in (False, True):
            found = built.run([x], train).output
            assert found.dtype == dtype
            assert relative(found, run(graph, x, Mode(train))) <= TOLERANCE[dtype], (count, train)


@pytest.mark.parametrize("name", NETS)
def test_gradients_and_weights(framework: str, name: str) -> None:
    make, size, _ = NETS[name]
    graph = make().astype("float64")
    built, x = native(framework, graph, "float64"), images(size, "float64")
    holds_and_learns(graph, built, x)


@pytest.mark.parametrize("name", NETS)
def test_nothing_is_moved_without_need(framework: str, name: str) -> None:
    make, _, most = NETS[name]
    built = native(framework, make(), "float32").built
    if framework == "torch":
        nodes = built.module.graph.nodes
        moves = [n for n in nodes if n.target in ("permute", "transpose") and n.args[0].op != "get_attr"]
    else:
        moves = [layer for layer in built.model.operations if type(layer).__name__ in ("Permute", "Transpose")]
        moves = [layer for layer in moves if None in layer.output.shape]  # else it is of a parameter
    assert len(moves) <= most["torch" if framework == "torch" else "keras"]


def test_attention_drops_weights_in_training_alone(framework: str) -> None:
    case = Case(((4, 64, 3),) * 3, page("attention").Attributes(rate=0.5))
    built = native(framework, one_node("attention", case, "float32"), "float32")
    q, k, ones = np.zeros((4, 64, 3), "float32"), np.zeros((4, 64, 3), "float32"), np.ones((4, 64, 3), "float32")
    assert np.allclose(built.run([q, k, ones], False).output, 1, atol=1e-6)
    dropped = built.run([q, k, ones], True).output[..., 0]  # sums of 64 weights of 0 or 2 / 64
    assert abs(dropped.mean() - 1) < 0.05
    assert 0.08 < dropped.std() < 0.17


@pytest.mark.torch
@pytest.mark.parametrize("name", NETS)
def test_onnx_runtime_gives_the_same(name: str) -> None:
    graph = NETS[name][0]()
    x = images(NETS[name][1], "float32")
    assert relative(in_onnx(graph, x), run(graph, x)) <= TOLERANCE["float32"]
