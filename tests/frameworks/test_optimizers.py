"""Every optimizer page on this framework: twenty steps against the truth, under every way of running them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bakeoff import optimizers
from bakeoff.optimizers import Group, page, set_rate
from bakeoff.optimizers._page import STEPS
from bakeoff.schemas import Array

MODES = {"torch": ("plain",), "tensorflow": ("eager", "function", "xla"), "jax": ("jit",)}
CASES = [(name, case) for name in optimizers.names() for case in page(name).CASES]
MUTATIONS = [(name, setting) for name in optimizers.names() for setting in page(name).MUTATIONS]
RATES = [0.0123456789 * (1 - step / 40) for step in range(STEPS)]
FACTORS, DECAYS = (1.0, 0.3, 1.0), (None, 0.0, 0.02)  # three groups of one parameter each


def drawn(dtype: str) -> tuple[list[Array], list[list[Array]]]:
    """Weights, and the gradients of each step."""
    rng, shapes = np.random.default_rng(0), [(5, 7), (3,), ()]
    weights = [np.asarray(rng.normal(size=shape)).astype(dtype) for shape in shapes]
    return weights, [[np.asarray(rng.normal(size=shape)).astype(dtype) for shape in shapes] for _ in range(STEPS)]


def truth(name: str, settings: Any, dtype: str, steps: int = STEPS) -> tuple[list[Array], list[dict[str, Array]]]:
    """Weights and slots after the steps."""
    weights, gradients = drawn(dtype)
    slots = [page(name).start(w) for w in weights]
    for t in range(steps):
        for i, (factor, decay) in enumerate(zip(FACTORS, DECAYS, strict=True)):
            own = settings if decay is None else replace(settings, weight_decay=decay)
            g, rate = gradients[t][i], RATES[t] * factor
            weights[i], slots[i] = page(name).truth(weights[i], g, slots[i], t + 1, rate, own)
            weights[i] = np.asarray(weights[i])
    return weights, slots


def groups(parameters: list[Any]) -> tuple[Group, ...]:
    return tuple(Group((p,), f, d) for p, f, d in zip(parameters, FACTORS, DECAYS, strict=True))


class TorchRun:
    """Parameters under torch's own optimizer."""

    library = "torch"

    def __init__(self, name: str, settings: Any, weights: list[Array], mode: str) -> None:
        import torch

        self.torch = torch
        self.parameters: list[Any] = [torch.nn.Parameter(torch.tensor(w)) for w in weights]
        self.optimizer = page(name).to_torch(torch, groups(self.parameters), settings)

    def step(self, gradients: list[Array], rate: float) -> None:
        set_rate(self.optimizer, rate)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = self.torch.tensor(gradient)
        self.optimizer.step()

    def weights(self) -> list[Array]:
        return [p.detach().numpy().copy() for p in self.parameters]


class KerasRun:
    """The same under the Keras form: eagerly, in a tf.function, under XLA, and as JAX's pure function."""

    library = "keras"

    def __init__(self, name: str, settings: Any, weights: list[Array], mode: str) -> None:
        import keras

        from bakeoff.frameworks._keras.float64 import enable

        enable()
        self.parameters: list[Any] = [keras.Variable(w, dtype=str(w.dtype)) for w in weights]
        self.optimizer = page(name).to_keras(keras, groups(self.parameters), settings)
        self.apply = {"jit": self._jax, "eager": self._eager}.get(mode) or self._function(mode == "xla")

    def _eager(self, gradients: list[Any]) -> None:
        self.optimizer.apply(gradients, self.parameters)

    def _function(self, xla: bool) -> Any:
        import tensorflow as tf

        run = tf.function(self._eager, jit_compile=xla)
        return lambda gradients: run([tf.constant(g) for g in gradients])

    def _jax(self, gradients: list[Array]) -> None:
        import jax

        if not hasattr(self, "pure"):
            self.pure = jax.jit(self.optimizer.stateless_apply)
        state = [v.value for v in self.optimizer.variables]
        weights, state = self.pure(state, gradients, [v.value for v in self.parameters])
        for variable, value in zip([*self.parameters, *self.optimizer.variables], [*weights, *state], strict=True):
            variable.assign(value)

    def step(self, gradients: list[Array], rate: float) -> None:
        set_rate(self.optimizer, rate)
        self.apply(gradients)

    def weights(self) -> list[Array]:
        return [np.asarray(v.value.numpy() if hasattr(v.value, "numpy") else v.value) for v in self.parameters]


def start(framework: str, name: str, settings: Any, weights: list[Array], mode: str) -> Any:
    return (TorchRun if framework == "torch" else KerasRun)(name, settings, weights, mode)


def differences(found: list[Array], expected: list[Array]) -> float:
    return max(float(np.abs(f - e).max() / np.abs(e).max()) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "case"), CASES)
def test_twenty_steps(framework: str, name: str, case: str, dtype: str) -> None:
    settings = page(name).CASES[case]
    expected, slots = truth(name, settings, dtype)
    weights, gradients = drawn(dtype)
    for mode in MODES[framework]:
        run = start(framework, name, settings, weights, mode)
        for g, rate in zip(gradients, RATES, strict=True):
            run.step(g, rate)
        assert differences(run.weights(), expected) <= page(name).TOLERANCE[dtype], mode
        assert page(name).TOLERANCE["float64"] <= 1e-12
        for parameter, wanted in zip(run.parameters, slots, strict=True):
            for slot, array in page(name).read_slots(run.library, run.optimizer, parameter).items():
                np.testing.assert_allclose(array, wanted[slot], rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_going_on_from_written_slots(framework: str, name: str, case: str) -> None:
    settings, half = page(name).CASES[case], STEPS // 2
    expected, _ = truth(name, settings, "float64")
    weights, slots = truth(name, settings, "float64", half)
    _, gradients = drawn("float64")
    run = start(framework, name, settings, weights, MODES[framework][0])
    for parameter, held in zip(run.parameters, slots, strict=True):
        page(name).write_slots(run.library, run.optimizer, parameter, held, half)
        again = page(name).read_slots(run.library, run.optimizer, parameter)
        assert all(np.array_equal(again[slot], held[slot]) for slot in again)
    for step in range(half, STEPS):
        run.step(gradients[step], RATES[step])
    assert differences(run.weights(), expected) <= 1e-12


@pytest.mark.parametrize(("name", "setting"), MUTATIONS)
def test_a_wrong_setting_is_noticed(framework: str, name: str, setting: str) -> None:
    def differs(settings: Any) -> bool:
        weights, gradients = drawn("float32")
        run = start(
            framework, name, replace(settings, **{setting: page(name).MUTATIONS[setting]}), weights, MODES[framework][0]
        )
        for g, rate in zip(gradients, RATES, strict=True):
            run.step(g, rate)
        return differences(run.weights(), truth(name, settings, "float32")[0]) > 10 * page(name).TOLERANCE["float32"]

    assert any(differs(settings) for settings in page(name).CASES.values())


def test_a_rate_that_float32_can_not_hold(framework: str) -> None:
    settings = page("sgd").Settings()
    run = start(framework, "sgd", settings, [np.zeros(()), np.zeros(()), np.zeros(())], MODES[framework][-1])
    run.step([np.asarray(1.0)] * 3, 0.0123456789)
    assert run.weights()[0] == -0.0123456789
