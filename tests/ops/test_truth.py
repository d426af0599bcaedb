"""Truths against plain loops that share no line with them, and against the laws in their headings."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.ops import page
from bakeoff.ops._page import Mode
from bakeoff.schemas import Array

RNG = np.random.default_rng(0)
PREDICT, TRAIN = Mode(), Mode(train=True)


def truth(
    op: str, *inputs: Array, mode: Mode = PREDICT, slots: dict[str, Array] | None = None, **attributes: Any
) -> Array:
    found: Array = page(op).truth(mode, page(op).Attributes(**attributes), *inputs, **(slots or {}))
    return found


def pads(size: int, span: int, stride: int, pad: Any, side: int) -> tuple[int, int]:
    """Cells before and after; "same" as TensorFlow's documentation has it: by the remainder of the size."""
    if pad != "same":
        return pad[2 * side], pad[2 * side + 1]
    total = max(span - stride, 0) if size % stride == 0 else max(span - size % stride, 0)
    return total // 2, total - total // 2


def slow_conv(
    x: Array, kernel: Array, stride: tuple[int, int], pad: Any, dilation: tuple[int, int], groups: int
) -> Array:
    n, h, w, _ = x.shape
    kh, kw, inner, filters = kernel.shape
    spans = [(kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1]
    (top, bottom), (left, right) = (pads((h, w)[i], spans[i], stride[i], pad, i) for i in (0, 1))
    rows, columns = (h + top + bottom - spans[0]) // stride[0] + 1, (w + left + right - spans[1]) // stride[1] + 1
    y = np.zeros((n, rows, columns, filters))
    for b, i, j, f in np.ndindex(y.shape):
        for u, v, c in product(range(kh), range(kw), range(inner)):
            row, column = i * stride[0] + u * dilation[0] - top, j * stride[1] + v * dilation[1] - left
            if 0 <= row < h and 0 <= column < w:
                channel = f // (filters // groups) * inner + c
                y[b, i, j, f] += x[b, row, column, channel] * kernel[u, v, c, f]
    return y


@pytest.mark.parametrize(
    ("stride", "dilation"), [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 1), (2, 1)), ((2, 2), (1, 2))]
)
@pytest.mark.parametrize("pad", ["same", (0, 0, 0, 0), (1, 0, 2, 1)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_conv2d_is_the_plain_loop(stride: tuple[int, int], dilation: tuple[int, int], pad: Any, groups: int) -> None:
    x, kernel = RNG.normal(size=(2, 7, 6, 4)), RNG.normal(size=(3, 2, 4 // groups, 4))
    settings = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    y = truth("conv2d", x, slots={"kernel": kernel}, filters=4, kernel=(3, 2), bias=False, **settings)
    np.testing.assert_allclose(y, slow_conv(x, kernel, **settings), atol=1e-12)


@pytest.mark.parametrize("pad", ["same", (0, 0, 0, 0), (1, 0, 1, 1)])
@pytest.mark.parametrize(("op", "counted"), [("max_pool2d", None), ("avg_pool2d", True), ("avg_pool2d", False)])
def test_pooling_is_the_plain_loop(op: str, counted: bool | None, pad: Any) -> None:
    x, window, stride = RNG.normal(size=(2, 7, 6, 3)), (3, 2), (2, 2)
    (top, bottom), (left, right) = (pads(x.shape[i + 1], window[i], stride[i], pad, i) for i in (0, 1))
    rows, columns = (7 + top + bottom - 3) // 2 + 1, (6 + left + right - 2) // 2 + 1
    expected = np.zeros((2, rows, columns, 3))
    for b, i, j, c in np.ndindex(expected.shape):
        elements = [(i * 2 + u - top, j * 2 + v - left) for u, v in product(range(3), range(2))]
        held = [x[b, row, column, c] for row, column in elements if 0 <= row < 7 and 0 <= column < 6]
        expected[b, i, j, c] = max(held) if counted is None else sum(held) / (6 if counted else len(held))
    settings = {} if counted is None else {"count_include_pad": counted}
    y = truth(op, x, window=window, stride=stride, pad=pad, **settings)
    np.testing.assert_allclose(y, expected, atol=1e-14)


SCALARS: dict[str, Callable[[float], float]] = {
    "relu": lambda v: v if v > 0 else 0.0,
    "relu6": lambda v: min(max(v, 0.0), 6.0),
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "silu": lambda v: v / (1 + math.exp(-v)),
    "hard_sigmoid": lambda v: 0.0 if v < -3 else 1.0 if v > 3 else v / 6 + 0.5,
    "hardswish": lambda v: 0.0 if v < -3 else v if v > 3 else v * (v + 3) / 6,
    "gelu": lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2)),
}


@pytest.mark.parametrize("op", SCALARS)
def test_activations_are_their_formulas(op: str) -> None:
    x = np.linspace(-8, 8, 333)
    np.testing.assert_allclose(truth(op, x), [SCALARS[op](v) for v in x], atol=1e-14)


@pytest.mark.parametrize("op", SCALARS)
def test_activations_stay_finite_far_out(op: str) -> None:
    with np.errstate(over="raise", invalid="raise"):
        y = truth(op, np.array([-1e4, -200.0, 200.0, 1e4], "float32"))
    assert np.isfinite(y).all()


def test_the_two_forms_of_gelu_are_near_but_not_the_same() -> None:
    x = np.linspace(-5, 5, 1001)
    apart = np.abs(truth("gelu", x) - truth("gelu", x, form="tanh")).max()
    assert 4.6e-4 < apart < 4.8e-4


def test_softmax_sums_to_one_and_ignores_a_shift() -> None:
    x = RNG.normal(size=(2, 3, 4, 5)) * 100
    for axis in (1, 2, 3):
        y = truth("softmax", x, axis=axis)
        np.testing.assert_allclose(y.sum(axis), 1)
        np.testing.assert_allclose(y, truth("softmax", x + 1000, axis=axis), atol=1e-12)


@pytest.mark.parametrize("variance", ["unbiased", "biased"])
def test_batch_norm_by_hand(variance: str) -> None:
    x, c = RNG.normal(size=(3, 2, 2, 2)) * 3 + 5, 1
    slots = {
        "mean": np.zeros(2),
        "variance": np.ones(2),
        "scale": np.array([1.0, 2.0]),
        "offset": np.array([0.0, -1.0]),
    }
    y = truth("batch_norm", x, mode=TRAIN, slots=slots, epsilon=0.0, momentum=0.25, variance=variance)
    assert y[..., c].mean() == pytest.approx(-1)
    assert y[..., c].std() == pytest.approx(2)
    new = page("batch_norm").update(TRAIN, page("batch_norm").Attributes(momentum=0.25, variance=variance), x, **slots)
    values = [float(v) for v in x[..., c].ravel()]
    mean = sum(values) / 12
    spread = sum((v - mean) ** 2 for v in values) / (11 if variance == "unbiased" else 12)
    assert new["mean"][c] == pytest.approx(0.25 * mean)
    assert new["variance"][c] == pytest.approx(0.75 + 0.25 * spread)


def test_frozen_statistics_stay() -> None:
    slots = {"mean": np.full(2, 3.0), "variance": np.full(2, 4.0)}
    settings = {"epsilon": 0.0, "affine": False, "statistics": "frozen"}
    y = truth("batch_norm", np.full((2, 1, 1, 2), 5.0), mode=TRAIN, slots=slots, **settings)
    assert (y == 1).all()
    new = page("batch_norm").update(TRAIN, page("batch_norm").Attributes(**settings), y, **slots)
    assert (new["mean"] == 3).all()
    assert (new["variance"] == 4).all()


def test_layer_norm_normalises_each_place() -> None:
    y = truth("layer_norm", RNG.normal(size=(2, 3, 4, 50)) * 7 + 3, epsilon=0.0, affine=False)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(-1), 1)


def test_flatten_orders_hold_the_same_numbers() -> None:
    x = np.arange(24).reshape(1, 2, 3, 4)
    assert truth("flatten", x).tolist() == [list(range(24))]
    assert truth("flatten", x, order="CHW")[0, :6].tolist() == [0, 4, 8, 12, 16, 20]


@pytest.mark.parametrize("op", ["dropout", "drop_path"])
def test_dropped_values_are_made_up_for(op: str) -> None:
    rng = np.random.default_rng(1)
    mode = Mode(True, lambda shape, keep: (rng.random(shape) < keep).astype(float))
    y = truth(op, np.ones((20000, 2)), mode=mode, rate=0.25)
    assert set(np.unique(y)) == {0.0, 4 / 3}
    assert y.mean() == pytest.approx(1, abs=0.02)
    together = (y[:, 0] == y[:, 1]).mean()
    assert together == 1 if op == "drop_path" else 0.6 < together < 0.65


def test_softmax_cross_entropy_by_hand() -> None:
    logits, labels = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]]), np.array([0, 2])
    first = math.log(math.exp(1) + math.exp(2) + math.exp(3)) - 1
    np.testing.assert_allclose(truth("softmax_cross_entropy", logits, labels), [first, 2000])
    smooth = 0.9 * first + 0.1 * (first + 1 - 2)
    assert truth("softmax_cross_entropy", logits, labels, smoothing=0.1)[0] == pytest.approx(smooth)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=5), st.floats(0, 0.5))
def test_binary_cross_entropy_is_softmax_of_zero_and_the_logit(values: list[float], smoothing: float) -> None:
    z, labels = np.array(values)[:, None], np.arange(len(values)) % 2
    pair = np.concatenate([np.zeros_like(z), z], 1)
    found = truth("binary_cross_entropy", z, labels, smoothing=smoothing)
    np.testing.assert_allclose(found, truth("softmax_cross_entropy", pair, labels, smoothing=smoothing), atol=1e-9)


sizes = st.integers(1, 40)


@given(size=sizes, kernel=st.integers(1, 5), stride=st.integers(1, 4), dilation=st.integers(1, 3))
def test_same_gives_the_ceiling(size: int, kernel: int, stride: int, dilation: int) -> None:
    a = page("conv2d").Attributes(2, (kernel, 1), (stride, 1), "same", (dilation, 1))
    assert page("conv2d").shape(a, (1, size, 3, 4)) == (1, math.ceil(size / stride), 3, 2)


@given(
    size=sizes, window=st.integers(1, 5), stride=st.integers(1, 4), before=st.integers(0, 2), after=st.integers(0, 2)
)
def test_explicit_pad_counts_the_places_of_the_window(
    size: int, window: int, stride: int, before: int, after: int
) -> None:
    a = page("max_pool2d").Attributes((window, 1), (stride, 1), (before, after, 0, 0))
    places = len(range(0, size + before + after - window + 1, stride))
    if places:
        assert page("max_pool2d").shape(a, (1, size, 3, 4)) == (1, places, 3, 4)
    else:
        with pytest.raises(Exception, match="does not fit"):
            page("max_pool2d").shape(a, (1, size, 3, 4))


@pytest.mark.parametrize(
    ("op", "shapes"), [("add", [(2, 3), (2, 4)]), ("concat", [(2, 3, 4), (2, 2, 5)]), ("concat", [(2, 3), (2,)])]
)
def test_shapes_that_do_not_fit_are_refused(op: str, shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(Exception, match=op):
        page(op).shape(page(op).Attributes(), *shapes)
