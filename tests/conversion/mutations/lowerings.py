"""Twenty-four mistakes in a lowering, each a few lines that run in TensorFlow's worker before it builds a net.

`change(op, function)` puts `function(true, scope, a, *inputs)` in the place of a page's `to_keras`; `also(op, **new)`
only changes attributes.
"""

from __future__ import annotations

CNN, TOKENS = "mutated_cnn", "mutated_tokens"
PRELUDE = """
from dataclasses import replace
from importlib import import_module

def change(op, function):
    page = import_module(f"bakeoff.ops.{op}")
    true = page.to_keras
    page.to_keras = lambda scope, a, *inputs: function(true, scope, a, *inputs)

def also(op, **new):
    change(op, lambda true, scope, a, *x: true(scope, replace(a, **{k: f(getattr(a, k)) for k, f in new.items()}), *x))

def layers(scope, made):
    return lambda true, scope, a, x, *_: scope.helper(made(scope, a), x, suffix="")
"""
LOWERINGS: dict[str, tuple[str, str]] = {
    "gradients off by 2e-9": (
        CNN,
        "def wrong(true, scope, a, *x):\n"
        "    y, ops = true(scope, a, *x), scope.lib.ops\n"
        "    return y + 2e-9 * (y - ops.stop_gradient(y))\n"
        "change('gelu', wrong)",
    ),
    "a momentum of .1001": (CNN, "also('batch_norm', momentum=lambda m: m * 1.001)"),
    "an epsilon of 1.001e-5": (CNN, "also('batch_norm', epsilon=lambda e: e * 1.001)"),
    "the biased variance": (CNN, "also('batch_norm', variance=lambda _: 'biased')"),
    "running statistics that stand still": (CNN, "also('batch_norm', momentum=lambda m: 0.0)"),
    "a pad on one side": (CNN, "also('conv2d', pad=lambda p: (2, 0, 1, 1) if p == (1, 1, 1, 1) else p)"),
    "a transposed kernel": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    turn = lambda v: scope.lib.ops.transpose(v, (0, 2, 1, 3))\n"
        "    return turn(true(scope, a, turn(x), *rest))\n"
        "change('conv2d', wrong)",
    ),
    "a rate of .31 for .3": (CNN, "also('dropout', rate=lambda r: r + 0.01)"),
    "a frozen draw": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    layer = scope.lib.layers.Dropout(a.rate, name=scope.name)\n"
        "    seed = scope.lib.ops.convert_to_tensor([7, 7], 'uint32')\n"
        "    layer.seed_generator.next = lambda ordered=True: seed  # every pass draws the same\n"
        "    return scope.helper(layer, x, suffix='')\n"
        "change('dropout', wrong)",
    ),
    "a mask split": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    each = scope.lib.layers.Dropout(a.rate, name=scope.name)  # a draw a value, not one an image\n"
        "    return scope.helper(each, x, suffix='')\n"
        "change('drop_path', wrong)",
    ),
    "drop-path by batch": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    whole = scope.lib.layers.Dropout(a.rate, noise_shape=(1, 1, 1, 1), name=scope.name)\n"
        "    return scope.helper(whole, x, suffix='')\n"
        "change('drop_path', wrong)",
    ),
    "the other form of gelu": (CNN, "also('gelu', form=lambda form: 'tanh')"),
    "zeros around a maximum": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    top, bottom, left, right = a.pad\n"
        "    padded = scope.lib.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))\n"
        "    pool = scope.lib.layers.MaxPooling2D(a.window, a.stride, name=scope.name)\n"
        "    return scope.helper(pool, padded, suffix='')\n"
        "change('max_pool2d', wrong)",
    ),
    "padding that is counted": (CNN, "also('avg_pool2d', count_include_pad=lambda c: True)"),
    "a bias that is not learned": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    y, ops = true(scope, a, x, *rest), scope.lib.ops\n"
        "    nothing = true(scope, a, ops.zeros_like(x), *rest)  # the bias alone\n"
        "    return y - nothing + ops.stop_gradient(nothing)\n"
        "change('dense', wrong)",
    ),
    "a batch branch": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    y, ops = true(scope, a, x, *rest), scope.lib.ops\n"
        "    count = ops.sum(ops.ones_like(y[:, 0]))\n"
        "    return y * ops.where(ops.equal(ops.mod(count, 4), 0), 1.0, 1.001)\n"
        "change('global_avg_pool', wrong)",
    ),
    "a size branch": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    y, ops = true(scope, a, x, *rest), scope.lib.ops\n"
        "    height = ops.sum(ops.ones_like(x[:1, :, :1, :1]))\n"
        "    return y * ops.where(height > 4, 1.001, 1.0)\n"
        "change('global_avg_pool', wrong)",
    ),
    "an L2 dropped": (CNN, "import_module('bakeoff.frameworks._keras.penalties').regularize = lambda *_: None"),
    "float32 in the middle": (
        CNN,
        "def wrong(true, scope, a, x, *rest):\n"
        "    ops = scope.lib.ops\n"
        "    return ops.cast(ops.cast(true(scope, a, x, *rest), 'float32'), scope.dtype)\n"
        "change('gelu', wrong)",
    ),
    "a tie rule": (
        CNN,
        "change('relu', lambda true, scope, a, x, *rest: (x + scope.lib.ops.abs(x)) / 2 + scope.lib.ops.where(\n"
        "    scope.lib.ops.equal(x, 0), x / 2, scope.lib.ops.zeros_like(x)))",
    ),
    "another scale of attention": (
        TOKENS,
        "also('attention', scale=lambda s: (8 ** -0.5 if s is None else s) * 1.0001)",
    ),
    "softmax along another axis": (TOKENS, "also('softmax', axis=lambda axis: -1 if axis == 1 else 1)"),
    "the first of equal ones": (
        TOKENS,
        "change('maximum', lambda true, scope, a, x, y: scope.lib.ops.where(x >= y, x, y))",
    ),
    "labels in another order": (
        TOKENS,
        "def wrong(true, scope, a, x, *rest):\n"
        "    y = true(scope, a, x, *rest)\n"
        "    return scope.lib.ops.flip(y, -1) if a.units == 10 else y\n"
        "change('dense', wrong)",
    ),
}
