"""Every operator page on this framework: values, state, gradients, weights back, and that wrong attributes show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import Pass, case_inputs, cases, mask_of, native, one_node, relative, slots_of, truth_of
from page_cases import inputs_of

from bakeoff import ops
from bakeoff.errors import UnsupportedError
from bakeoff.graph import Graph
from bakeoff.ops import page
from bakeoff.ops._page import Case, Mode, rounding
from bakeoff.schemas import Array

DTYPES = ("float32", "float64")
CASES = cases()
IDS = [f"{op}: {name}" for op, name in CASES]
GRADIENT = {"float32": 2e-4, "float64": 1e-7}  # central differences are good to 1e-8; float32 sums to 1e-5
FINE = 1e-10  # differences of eighth order in float64, which need a function that does not bend
CENTRAL, EIGHTH = (0.5,), (4 / 5, -1 / 5, 4 / 105, -1 / 280)  # their factors at 1, 2, ... steps on both sides


class Ran(NamedTuple):
    """What a case gave on a native net."""

    case: Case
    graph: Graph
    inputs: list[Array]
    cotangent: Array
    done: Pass
    before: dict[str, Array]

    @property
    def given(self) -> dict[str, Array]:
        """The inputs by number, and the parameters by path."""
        return {str(index): x for index, x in enumerate(self.inputs)} | self.graph.arrays()

    @property
    def gradients(self) -> dict[str, Array]:
        """Theirs."""
        return {str(index): gradient for index, gradient in enumerate(self.done.inputs)} | self.done.parameters


@cache
def ran(framework: str, op: str, case: Case, dtype: str) -> Ran:
    """A case on a native net, once for all tests."""
    inputs = inputs_of(case, dtype)
    graph = one_node(op, case, dtype)
    net = native(framework, graph, dtype)
    before = net.arrays()
    slots = {slot: array.astype(dtype) if array.dtype.kind == "f" else array for slot, array in slots_of(graph).items()}
    shape = truth_of(op, replace(case, train=False), inputs, slots).shape
    cotangent = np.random.default_rng(3).normal(size=shape).astype(dtype)
    return Ran(case, graph, inputs, cotangent, net.run(inputs, case.train, cotangent), before)


def ran_case(framework: str, op: str, name: str, dtype: str) -> Ran:
    return ran(framework, op, page(op).CASES[name], dtype)


def mode_mask(op: str, case: Case, output: Array) -> Any:
    return mask_of(op, case.attributes, output) if case.train and page(op).DRAWS else None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "name"), CASES, ids=IDS)
def test_forward_is_the_truth(framework: str, op: str, name: str, dtype: str) -> None:
    case, graph, inputs, _, done, _ = ran_case(framework, op, name, dtype)
    expected = truth_of(op, case, inputs, slots_of(graph), mode_mask(op, case, done.output))
    assert done.output.dtype == expected.dtype == dtype
    assert relative(done.output, expected) <= page(op).TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "name"), CASES, ids=IDS)
def test_gradients_are_those_of_the_truth(framework: str, op: str, name: str, dtype: str) -> None:
    """By differences; those of inputs that may tie by the page's rule, too."""
    found = ran_case(framework, op, name, dtype)
    if hasattr(page(op), "gradient") and (found.case.ties or len(found.inputs) == 1):
        assert off_the_rule(op, found, dtype) <= 1
    differences(op, found, dtype, [key for key in found.gradients if not found.case.ties or not key.isdecimal()])


def off_the_rule(op: str, found: Ran, dtype: str) -> float:
    """How far the inputs' gradients are from what the page says of them, in what rounding may do."""
    expected = page(op).gradient(found.case.attributes, found.cotangent, *found.inputs, **slots_of(found.graph))
    allowed = max(page(op).TOLERANCE[dtype], rounding(9, dtype))
    return max(relative(g, right) / allowed for g, right in zip(found.done.inputs, expected, strict=True))


def differences(op: str, found: Ran, dtype: str, keys: Iterable[str]) -> None:
    """These gradients are central differences of the truth."""
    case, _, _, cotangent, done, _ = found
    mask = mode_mask(op, case, done.output)
    values = {key: array.astype("float64") if array.dtype.kind == "f" else array for key, array in found.given.items()}

    def total(values: dict[str, Array]) -> float:
        chosen = [array for key, array in values.items() if key.isdecimal()]
        slots = {path.removeprefix("node."): array for path, array in values.items() if path.startswith("node.")}
        return float((truth_of(op, case, chosen, slots, mask) * cotangent).sum())

    smooth = dtype == "float64" and not hasattr(page(op), "gradient")
    factors, step, allowed = (EIGHTH, 4e-4, FINE) if smooth else (CENTRAL, 1e-6, GRADIENT[dtype])
    rng = np.random.default_rng(4)
    for key in keys:
        gradient = found.gradients[key]
        for _ in range(2):
            direction = rng.normal(size=values[key].shape)
            moved = [
                factor * sign * total({**values, key: values[key] + sign * count * step * direction})
                for count, factor in enumerate(factors, 1)
                for sign in (1, -1)
            ]
            expected = 0.0 if getattr(page(op), "STOPS", False) else sum(moved) / step
            scale = np.linalg.norm(gradient) * np.linalg.norm(direction) + 1e-2
            assert abs((gradient * direction).sum() - expected) <= allowed * scale, key


FREE = [pair for pair in CASES if not hasattr(page(pair[0]), "gradient") and not page(pair[0]).DRAWS]
UNRULED = [(op, case) for op, name in FREE for case in [page(op).CASES[name]] if not case.positive]


@pytest.mark.torch
@pytest.mark.parametrize("op", sorted({op for op, _ in UNRULED}))
def test_a_page_without_a_rule_does_not_bend(framework: str, op: str) -> None:
    """On few whole numbers, which tie, gradients are the truth's differences: where it bends they can't be."""
    for case in (case for owner, case in UNRULED if owner == op):
        found = ran(framework, op, replace(case, ties=True), "float64")
        differences(op, found, "float64", found.gradients)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "name"), [pair for pair in CASES if hasattr(page(pair[0]), "update")])
def test_state_moves_as_the_page_says(framework: str, op: str, name: str, dtype: str) -> None:
    case, graph, inputs, _, done, _ = ran_case(framework, op, name, dtype)
    expected = page(op).update(Mode(case.train), case.attributes, *inputs, **slots_of(graph))
    for slot, array in expected.items():
        assert relative(done.after[f"node.{slot}"], array) <= page(op).TOLERANCE[dtype], slot


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("op", "name"), [pair for pair in CASES if hasattr(page(pair[0]), "parameters")])
def test_weights_come_back_bit_for_bit(framework: str, op: str, name: str, dtype: str) -> None:
    _, graph, _, _, _, before = ran_case(framework, op, name, dtype)
    assert before.keys() == graph.parameters.keys()
    for path, array in graph.arrays().items():
        assert before[path].dtype == array.dtype
        assert np.array_equal(before[path], array), path


MUTATIONS = [(op, attribute) for op in ops.names() if not hasattr(page(op), "LOSS") for attribute in page(op).MUTATIONS]


def differs(framework: str, op: str, name: str, attribute: str) -> bool:
    """Whether a lowering with a wrong attribute parts from the truth with the right one."""
    case, inputs = case_inputs(op, name, "float32")
    wrong = page(op).MUTATIONS[attribute]
    if getattr(case.attributes, attribute) == wrong:
        return False
    right = one_node(op, case, "float32")
    try:
        mutant = one_node(op, replace(case, attributes=replace(case.attributes, **{attribute: wrong})), "float32")
        assert mutant.output_shape  # raises where the shapes do not fit
        done = native(framework, mutant, "float32").run(inputs, case.train)
    except (UnsupportedError, IndexError):
        return False  # not lowered at all: no proof that a value would show
    if case.ties:
        cotangent = np.random.default_rng(3).normal(size=done.output.shape).astype("float32")
        done = native(framework, mutant, "float32").run(inputs, case.train, cotangent)
        if off_the_rule(op, Ran(case, right, inputs, cotangent, done, {}), "float32") > 10:
            return True
    mask = mode_mask(op, case, done.output)
    if relative(done.output, truth_of(op, case, inputs, slots_of(right), mask)) > 10 * page(op).TOLERANCE["float32"]:
        return True
    state = page(op).update(Mode(case.train), case.attributes, *inputs, **slots_of(right)) if op == "batch_norm" else {}
    return any(relative(done.after[f"node.{slot}"], array) > 1e-3 for slot, array in state.items())


@pytest.mark.parametrize(("op", "attribute"), MUTATIONS, ids=[f"{op}.{attribute}" for op, attribute in MUTATIONS])
def test_a_wrong_attribute_is_noticed(framework: str, op: str, attribute: str) -> None:
    assert any(differs(framework, op, name, attribute) for name in page(op).CASES)


LOSSES = [op for op in ops.names() if hasattr(page(op), "LOSS")]


def native_losses(framework: str, op: str, attributes: Any, logits: Array, labels: Array) -> tuple[Array, Array]:
    """Losses, and the gradient of their sum."""
    if framework == "torch":
        import torch

        x = torch.tensor(logits, requires_grad=True)
        losses = page(op).to_torch(torch, attributes, x, torch.tensor(labels))
        return losses.detach().numpy(), torch.autograd.grad(losses.sum(), x)[0].numpy()
    import keras

    from bakeoff.frameworks._keras.float64 import enable

    enable()
    if framework == "jax":
        import jax

        def total(x: Any) -> Any:
            losses = page(op).to_keras(keras, attributes, x, labels)
            return losses.sum(), losses

        gradient, losses = jax.grad(total, has_aux=True)(logits)
        return np.array(losses), np.array(gradient)
    import tensorflow as tf

    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = page(op).to_keras(keras, attributes, x, tf.constant(labels))
    return losses.numpy(), tape.gradient(losses, x).numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 60.0, 0.0])
@pytest.mark.parametrize(("op", "name"), [(op, name) for op in LOSSES for name in page(op).CASES])
def test_losses_and_their_gradients(framework: str, op: str, name: str, dtype: str, scale: float) -> None:
    case, (logits,) = case_inputs(op, name, dtype)
    logits, labels = logits * np.asarray(scale, dtype), page(op).labels_of(case)
    losses, gradient = native_losses(framework, op, case.attributes, logits, labels)
    expected = page(op).truth(Mode(), case.attributes, logits, labels)
    assert losses.dtype == gradient.dtype == dtype
    assert relative(losses, expected) <= page(op).TOLERANCE[dtype]
    wide, direction = logits.astype("float64"), np.random.default_rng(5).normal(size=logits.shape)
    ahead, behind = (page(op).truth(Mode(), case.attributes, wide + h * direction, labels).sum() for h in (1e-6, -1e-6))
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(("op", "attribute"), [(op, attribute) for op in LOSSES for attribute in page(op).MUTATIONS])
def test_a_wrong_attribute_of_a_loss_is_noticed(framework: str, op: str, attribute: str) -> None:
    for name in page(op).CASES:
        case, (logits,) = case_inputs(op, name, "float32")
        labels, wrong = page(op).labels_of(case), replace(case.attributes, **{attribute: page(op).MUTATIONS[attribute]})
        losses, _ = native_losses(framework, op, wrong, logits, labels)
        expected = page(op).truth(Mode(), case.attributes, logits, labels)
        assert relative(losses, expected) > 10 * page(op).TOLERANCE["float32"]
