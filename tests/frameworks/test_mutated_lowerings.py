"""A lowering with one mistake in it is noticed by the page's cases: padding, epsilon, momentum, layout, divisor, ...

The mistake is made in the text of the page: one piece is replaced, and the mutant's lowering takes the place of the
real one. So a mutation whose text is gone fails, and has to be thought over.
"""

from __future__ import annotations

import inspect
import types
from typing import Any

import numpy as np
import pytest
from harness import case_inputs, mask_of, native, one_node, relative, slots_of, truth_of

from bakeoff.ops import page
from bakeoff.ops._page import Mode

# what is mistaken: (operator, right, wrong)
TORCH = {
    "uneven padding is flipped": ("conv2d", "(left, right, top, bottom)", "(right, left, bottom, top)"),
    "axes of padding are swapped": ("conv2d", "pad = pads[0], pads[2]", "pad = pads[2], pads[2] + 1"),
    "a kernel lies on its side": ("conv2d", "h w i o -> o i h w", "h w i o -> o i w h"),
    "dilation is lost": ("conv2d", "a.stride, pad, a.dilation, a.groups, a.bias", "a.stride, pad, 1, a.groups, a.bias"),
    "the stride of the other axis": ("conv2d", "a.kernel, a.stride, pad", "a.kernel, a.stride[::-1], pad"),
    "Keras's epsilon": ("batch_norm", "kind(channels, a.epsilon", "kind(channels, 1e-3"),
    "Keras's momentum": ("batch_norm", "a.epsilon, a.momentum", "a.epsilon, 1 - a.momentum"),
    "the other running variance": ("batch_norm", 'a.variance == "unbiased" and', "True and"),
    "frozen statistics thaw": ("batch_norm", "statistics=a.statistics", 'statistics="batch"'),
    "scale and offset are swapped": ("batch_norm", '"weight", "offset": "bias"', '"bias", "offset": "weight"'),
    "epsilon of layer_norm": ("layer_norm", "eps=a.epsilon", "eps=1e-6"),
    "epsilon of group_norm": ("group_norm", "a.epsilon, a.affine", "1e-5, a.affine"),
    "one group": ("group_norm", "GroupNorm(a.groups", "GroupNorm(1"),
    "epsilon of rms_norm": ("rms_norm", "[-1], a.epsilon", "[-1], 1e-8"),
    "the other gelu": ("gelu", '"tanh" if', '"none" if'),
    "the other slope": ("leaky_relu", "LeakyReLU(a.slope)", "LeakyReLU()"),
    "padding counts": ("avg_pool2d", "pad, ceil, a.count_include_pad", "pad, ceil, True"),
    "another divisor": ("avg_pool2d", "a.count_include_pad, a.divisor)", "a.count_include_pad, None)"),
    "zeros win over negative inputs": ("max_pool2d", "value=LOWEST", "value=0.0"),
    "softmax over another axis": ("softmax", "Softmax(scope.axis(a.axis))", "Softmax(-1)"),
    "axes are not translated": ("reduce_var", "axes = physical(scope, a.axes)", "axes = a.axes"),
    "the other reduction": ("reduce_mean", 'torch="mean"', 'torch="amax"'),
    "another module": ("tanh", 'module("Tanh")', 'module("Softsign")'),
    "another function": ("exp", 'function("exp")', 'function("sqrt")'),
    "the tie goes to the other": ("leaky_relu", "where(x >= 0, x", "where(x > 0, x"),
    "the biased variance": ("reduce_var", "correction=a.correction", "correction=0"),
    "the sum of sizes": ("reduce_norm", "vector_norm(x, a.p", "vector_norm(x, 1"),
    "another rate": ("dropout", "nn.Dropout(a.rate)", "nn.Dropout(a.rate / 2)"),
    "the largest for the mean": ("adaptive_avg_pool2d", '"AdaptiveAvgPool2d", "size"', '"AdaptiveMaxPool2d", "size"'),
    "a row less": ("conv_transpose2d", "a.stride, pad, a.more, a.groups, a.bias", "a.stride, pad, 0, a.groups, a.bias"),
    "stride and dilation are swapped": ("unfold", "a.dilation, pad, a.stride", "a.stride, pad, a.dilation"),
    "alpha of elu": ("elu", '"ELU", "alpha"', '"ELU"'),
}
KERAS = {
    "padding is flipped": ("conv2d", "((top, bottom), (left, right))", "((bottom, top), (right, left))"),
    "torch's padding is taken for same": (
        "conv2d",
        "symmetric = a.stride == (1, 1) and",
        "symmetric = a.pad[0] == 1 or",
    ),
    "a kernel lies on its side": ("conv2d", "h w i o -> h w i o", "h w i o -> w h i o"),
    "multipliers before channels": ("conv2d", "h w 1 (g m) -> h w g m", "h w 1 (m g) -> h w g m"),
    "dilation is lost": ("conv2d", '"dilation_rate": a.dilation, "use_bias"', '"dilation_rate": (1, 1), "use_bias"'),
    "Keras's epsilon": ("batch_norm", '"epsilon": a.epsilon', '"epsilon": 1e-3'),
    "torch's momentum": ("batch_norm", '"momentum": 1 - a.momentum', '"momentum": a.momentum'),
    "the other running variance": ("batch_norm", "BatchNorm(variance=a.variance", 'BatchNorm(variance="biased"'),
    "frozen statistics thaw": ("batch_norm", "statistics=a.statistics, **", 'statistics="batch", **'),
    "scale and offset are swapped": ("batch_norm", '"gamma", "offset": "beta"', '"beta", "offset": "gamma"'),
    "Keras's epsilon of layer_norm": ("layer_norm", "epsilon=a.epsilon, name", "epsilon=1e-5, name"),
    "epsilon of rms_norm": ("rms_norm", "RMSNormalization(epsilon=a.epsilon", "RMSNormalization(epsilon=1e-8"),
    "one group": ("group_norm", "kind(a.groups", "kind(1"),
    "the other gelu": ("gelu", "Gelu(a.form", 'Gelu("exact"'),
    "Keras's slope": ("leaky_relu", "negative_slope=a.slope, ", ""),
    "padding doesn't count": ("avg_pool2d", "constant_values=1", "constant_values=0"),
    "elements beyond count": ("avg_pool2d", "(a.count_include_pad and not any(a.beyond)) or", "a.count_include_pad or"),
    "another divisor": ("avg_pool2d", "a.window[0] * a.window[1] / a.divisor", "a.divisor / a.window[0] / a.window[1]"),
    "zeros win over negative inputs": ("max_pool2d", "constant_values=LOWEST", "constant_values=0.0"),
    "softmax over another axis": ("softmax", "Softmax(scope.axis(a.axis)", "Softmax(-1"),
    "the other reduction": ("reduce_mean", 'keras="mean"', 'keras="sum"'),
    "another activation": ("tanh", 'activation("tanh")', 'activation("softsign")'),
    "another operation": ("sqrt", 'operation("sqrt")', 'operation("square")'),
    "the tie goes to the other": ("leaky_relu", "x > 0 if a.ties", "x >= 0 if a.ties"),
    "a bend in the middle": ("selu", "* SCALE\n    return y if", "* SCALE\n    return y if True or"),
    "the biased variance": ("reduce_var", "return n / (n - a.correction)", "return 1.0"),
    "a root of zero": (
        "l2_normalize",
        "chosen(ops.where, keras_norm",
        "chosen(lambda c, x, y: ops.where(c, y, x), keras_norm",
    ),
    "another rate": ("dropout", "Dropout(a.rate", "Dropout(a.rate / 2"),
    "the largest for the mean": ("adaptive_avg_pool2d", '2d", "Average"', '2d", "Max"'),
    "cut at the wrong end": (
        "conv_transpose2d",
        "((top, ends[0]), (left, ends[1]))",
        "((ends[0], top), (ends[1], left))",
    ),
    "elements are counted in another order": (
        "unfold",
        "in slices(a.spans, a.dilation, a.stride)]",
        "in list(slices(a.spans, a.dilation, a.stride))[::-1]]",
    ),
    "alpha is not divided by size": ("lrn", "a.alpha / a.size", "a.alpha"),
    "no threshold": ("softplus", "y if a.threshold is None else", "y if True else"),
}


def mutant(op: str, right: str, wrong: str) -> types.ModuleType:
    """The page with one piece of its text replaced."""
    source = inspect.getsource(page(op))
    assert right in source, f"{op} no longer says {right!r}: choose another mutation"
    module = types.ModuleType(page(op).__name__)
    exec(compile(source.replace(right, wrong), f"<{op}, mutated>", "exec"), module.__dict__)
    return module


def noticed(framework: str, op: str) -> bool:
    """Whether a case's output, new state or gradient at ties parts from the truth: by a value, not by an exception."""
    for name, case in page(op).CASES.items():
        for dtype in ("float32", "float64"):
            case, inputs = case_inputs(op, name, dtype)
            graph = one_node(op, case, dtype)
            tied = np.ones(truth_of(op, case, inputs, slots_of(graph)).shape, dtype) if case.ties else None
            done = native(framework, graph, dtype).run(inputs, case.train, tied)
            random = case.train and page(op).DRAWS
            mask = mask_of(op, case.attributes, done.output) if random else None
            if relative(done.output, truth_of(op, case, inputs, slots_of(graph), mask)) > page(op).TOLERANCE[dtype]:
                return True
            rule = page(op).gradient(case.attributes, tied, *inputs, **slots_of(graph)) if case.ties else ()
            if any(relative(g, right) > 1e-4 for g, right in zip(done.inputs, rule, strict=True)):
                return True
            if not hasattr(page(op), "update"):
                continue
            state = page(op).update(Mode(case.train), case.attributes, *inputs, **slots_of(graph))
            if any(relative(done.after[f"node.{slot}"], v) > page(op).TOLERANCE[dtype] for slot, v in state.items()):
                return True
    return False


def check(framework: str, monkeypatch: pytest.MonkeyPatch, op: str, right: str, wrong: str) -> None:
    wrong_page: Any = mutant(op, right, wrong)
    word = "to_torch" if framework == "torch" else "to_keras"
    monkeypatch.setattr(page(op), word, getattr(wrong_page, word))
    if hasattr(wrong_page, "native"):
        monkeypatch.setattr(page(op), "native", wrong_page.native)
    assert noticed(framework, op), f"nobody noticed {wrong!r} for {right!r} in {op}'s {word}"


@pytest.mark.torch
@pytest.mark.parametrize("what", TORCH)
def test_a_mistaken_torch_lowering_is_noticed(framework: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    check(framework, monkeypatch, *TORCH[what])


@pytest.mark.tensorflow  # JAX has the same lowerings
@pytest.mark.parametrize("what", KERAS)
def test_a_mistaken_keras_lowering_is_noticed(framework: str, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    check(framework, monkeypatch, *KERAS[what])


@pytest.mark.torch
@pytest.mark.tensorflow
@pytest.mark.parametrize("op", sorted({op for op, *_ in (*TORCH.values(), *KERAS.values())}))
def test_without_a_mistake_nothing_is_noticed(framework: str, op: str) -> None:
    assert not noticed(framework, op)
