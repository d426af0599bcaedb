"""Where a library computes less than float64: as far off as the page says, no further, and not at all in the trial."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import native, one_node, relative, slots_of
from page_cases import inputs_of

from bakeoff import ops
from bakeoff.graph import Composer
from bakeoff.graph.faults import faults
from bakeoff.graph.interpreter import run
from bakeoff.ops import page
from bakeoff.ops._page import Case

EXACT = 1e-14  # some roundings
KERAS = {
    "gelu": lambda k, x: k.layers.Activation("gelu")(x),
    "leaky_relu": lambda k, x: k.layers.LeakyReLU(0.3)(x),
    "resize": lambda k, x: k.layers.UpSampling2D(2, interpolation="bilinear")(x),
    "scale_shift": lambda k, x: k.layers.Rescaling(0.3, 0.1)(x),
    "clamp": lambda k, x: k.layers.ReLU(max_value=0.7)(x),
    "attention": lambda k, x: (lambda y: k.layers.MultiHeadAttention(2, 5)(y, y))(k.layers.Reshape((24, 3))(x)),
}
CELU = page("celu").Attributes(0.7)
TORCH = {"hard_sigmoid": page("hard_sigmoid").Attributes(), "celu": CELU}


def declared(framework: str) -> set[str]:
    return {op for op in ops.names() if framework in page(op).FAULTS}


def test_every_fault_has_its_case(framework: str) -> None:
    assert declared("torch") == set(TORCH)
    assert declared("tensorflow") == set(KERAS)
    assert declared("jax") == set()


@pytest.mark.torch
@pytest.mark.parametrize("op", TORCH)
def test_torch(framework: str, op: str) -> None:
    case = Case(((3, 40),), TORCH[op])
    graph, inputs = one_node(op, case, "float64"), inputs_of(case, "float64")
    cotangent = np.random.default_rng(3).normal(size=(3, 40))
    (right,) = page(op).gradient(TORCH[op], cotangent, *inputs, **slots_of(graph))

    def off(*, lifted: bool) -> float:
        done = native(framework, graph, "float64", lifted=lifted).run(inputs, True, cotangent)
        return relative(done.inputs[0], right)

    assert EXACT < off(lifted=False) <= page(op).FAULTS["torch"].size
    assert off(lifted=True) <= EXACT


@pytest.mark.torch
@pytest.mark.parametrize("inplace", [False, True])
def test_in_place_stays_in_place(framework: str, inplace: bool) -> None:
    import torch

    from bakeoff.frameworks.torch.lifted import Lifted

    for module in (torch.nn.Hardsigmoid(inplace), torch.nn.CELU(0.7, inplace)):
        x = torch.linspace(-4, 4, 9, dtype=torch.float64)
        with Lifted():
            y = module(x)
        assert (y is x) is inplace
        assert (
            torch.allclose(y, type(module)(*([0.7] if isinstance(module, torch.nn.CELU) else []))(x.clone())) or inplace
        )


@pytest.mark.tensorflow
@pytest.mark.parametrize("op", KERAS)
def test_keras(framework: str, op: str) -> None:
    import keras

    from bakeoff.frameworks._keras.capture import capture
    from bakeoff.frameworks._keras.live import LiveKeras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 4, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(KERAS[op](keras, inputs))))
    found = capture(model)
    assert any(line.startswith(f"{op} in tensorflow: ") for line in faults(found.graph, "tensorflow"))
    live = LiveKeras(model, found, "float64")
    x = np.random.default_rng(1).normal(size=(3, 6, 4, 3))
    right = run(found.graph.astype("float64"), x)
    assert relative(live.logits(x), right) <= EXACT
    assert EXACT < relative(np.array(live.native(x, training=False)), right) <= page(op).FAULTS["tensorflow"].size


def test_a_net_without_faults_has_no_sentence(framework: str) -> None:
    c: Any = Composer((2, 8, 8, 3))
    graph = c.finish(c.add("dense", "head", c.add("flatten", "flat", c.input), units=2))
    assert faults(graph, framework) == []
