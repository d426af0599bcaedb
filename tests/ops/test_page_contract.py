"""Every page is whole: what `_page.py` asks for is there, its cases run in NumPy, its shape rule is right."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, get_args

import numpy as np
import pytest
from page_cases import as_one, draw_parameters, inputs_of

from bakeoff import ops
from bakeoff.errors import UnsupportedError
from bakeoff.graph import Node, Ref
from bakeoff.ops import page
from bakeoff.ops._dimension import Dim, at
from bakeoff.ops._page import Case, Layout, Mode
from bakeoff.schemas import Array

OPERATORS = [name for name in ops.names() if not hasattr(page(name), "LOSS")]
LOSSES = [name for name in ops.names() if hasattr(page(name), "LOSS")]
UNTRIED = ("cast", "constant", "parameter", "prelu")  # no other value of their attributes runs on the same input
OF_ONE_SIZE = ("flatten", "reshape", "expand", "take", "resize")  # their attributes say sizes, or places
CASES = [(op, name) for op in OPERATORS for name in page(op).CASES]


def value(op: str, case: Case, dtype: str, inputs: list[Array] | None = None, mask: Any = None) -> Array:
    """The truth of a case; masks keep every other value, unless others are given."""
    chosen = page(op)
    inputs = inputs_of(case, dtype) if inputs is None else inputs
    shapes = [x.shape for x in inputs]
    slots = chosen.parameters(case.attributes, *shapes) if hasattr(chosen, "parameters") else {}

    def other(shape: tuple[int, ...], keep: float) -> Array:
        return (np.arange(np.prod(shape)).reshape(shape) % 2).astype(dtype)

    found = chosen.truth(Mode(case.train, mask or other), case.attributes, *inputs, **draw_parameters(slots, dtype))
    return as_one(case.attributes, found)


def shape_of(op: str, attributes: Any, shapes: Any) -> Any:
    """The shape of what `value` gives."""
    found = page(op).shape(attributes, *shapes)
    return page("concat").shape(attributes, *found[::-1]) if isinstance(found[0], tuple) else found


@pytest.mark.parametrize("op", ops.names())
def test_the_page_is_whole(op: str) -> None:
    chosen = page(op)
    assert chosen.LAYOUT in get_args(Layout)
    assert chosen.__doc__.startswith(f"{op}: ")
    assert "\nShape " in chosen.__doc__
    assert "\nTraps " in chosen.__doc__
    assert chosen.FROM_TORCH or op in LOSSES or "\nRaised " in chosen.__doc__
    assert is_dataclass(chosen.Attributes)
    told = {field.name for field in fields(chosen.Attributes)}
    assert set(chosen.MUTATIONS) <= told
    assert chosen.MUTATIONS or not told or op in UNTRIED
    assert set(chosen.TOLERANCE) == {"float32", "float64"}
    hash(next(iter(chosen.CASES.values())).attributes if chosen.CASES else chosen.Attributes((1,)))


@pytest.mark.parametrize("op", [op for op in OPERATORS if hasattr(page(op), "native")])
def test_each_slot_has_a_layout_in_each_library(op: str) -> None:
    for case in page(op).CASES.values():
        slots = set(page(op).parameters(case.attributes, *case.inputs))
        layouts = page(op).native(case.attributes, *case.inputs)
        assert set(layouts) == {"torch", "keras"}
        assert all(slots <= set(found) for found in layouts.values())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("op", "name"), CASES)
def test_truth_keeps_the_dtype_and_the_shape_rule(op: str, name: str, dtype: str) -> None:
    case = page(op).CASES[name]
    y = value(op, case, dtype)
    assert y.dtype == dtype
    assert y.shape == shape_of(op, case.attributes, case.inputs)
    assert np.isfinite(y).all()


@pytest.mark.parametrize(("op", "name"), CASES)
def test_what_a_page_says_of_training_is_so(op: str, name: str) -> None:
    """It draws; at rate 0 no masks; it moves its state; it predicts one of its inputs."""
    chosen, case = page(op), page(op).CASES[name]
    node = Node("node", op, case.attributes, tuple(map(Ref, map(str, range(len(case.inputs))))))
    assert draws(op, case) == node.draws
    if node.masks:
        assert not draws(op, replace(case, attributes=replace(case.attributes, rate=0.0)))
    slots = chosen.parameters(case.attributes, *case.inputs) if hasattr(chosen, "parameters") else {}
    assert hasattr(chosen, "update") == any(slot.role == "state" for slot in slots.values())
    inputs = inputs_of(case)
    if hasattr(chosen, "update"):
        arrays = draw_parameters(slots)
        after = chosen.update(Mode(True), case.attributes, *inputs, **arrays)
        assert node.keeps_state == any(not np.array_equal(array, arrays[slot]) for slot, array in after.items())
    if node.predicts:
        assert np.array_equal(value(op, replace(case, train=False), "float32"), inputs[int(node.predicts.node)])


def draws(op: str, case: Case) -> bool:
    """Whether the truth asks for a mask in training."""
    asked: list[bool] = []

    def mask(shape: tuple[int, ...], keep: float) -> Array:
        asked.append(True)
        return np.ones(shape)

    value(op, replace(case, train=True), "float32", mask=mask)
    return bool(asked)


@pytest.mark.parametrize(("op", "name"), [(op, name) for op, name in CASES if op not in OF_ONE_SIZE])
def test_symbolic_shapes_agree_with_the_truth(op: str, name: str) -> None:
    case = page(op).CASES[name]
    first = case.inputs[0]
    if len(first) != 4 or any(shape[1:3] != first[1:3] for shape in case.inputs):
        pytest.skip("no image, or images of several sizes")
    free = [(Dim("batch"), Dim("height"), Dim("width"), shape[3]) for shape in case.inputs]
    try:
        symbolic = shape_of(op, case.attributes, free)
    except UnsupportedError as error:
        if "needs a fixed size" not in str(error):
            raise
        pytest.skip(str(error))
    for n, h, w in [(1, 9, 9), (2, 10, 13), (3, 16, 11)]:
        inputs = inputs_of(replace(case, inputs=tuple((n, h, w, shape[3]) for shape in case.inputs)), "float64")
        assert value(op, case, "float64", inputs).shape == tuple(at(s, batch=n, height=h, width=w) for s in symbolic)


@pytest.mark.parametrize("op", LOSSES)
def test_losses_give_one_number_a_image(op: str) -> None:
    for case in page(op).CASES.values():
        (logits,), labels = inputs_of(case, "float64"), page(op).labels_of(case)
        losses = page(op).truth(Mode(), case.attributes, logits, labels)
        assert losses.shape == page(op).shape(case.attributes, logits.shape, labels.shape)
        assert (losses >= 0).all()


def test_an_unknown_operator_names_the_nearest() -> None:
    with pytest.raises(Exception, match="conv2d"):
        page("conv2")


def attributes(op: str, **settings: Any) -> Any:
    return page(op).Attributes(**settings)


@pytest.mark.parametrize("op", ["dropout", "drop_path"])
def test_a_rate_of_one_is_refused(op: str) -> None:
    with pytest.raises(Exception, match="rate 1"):
        attributes(op, rate=1.0)
