"""Arguments of another kind are named before anything begins: a text for a list, a list for a text."""

from __future__ import annotations

from typing import Any

import pytest

import bakeoff
from bakeoff.errors import UsageError
from bakeoff.training.api import resume

CASES: list[tuple[Any, dict[str, Any], str]] = [
    (
        bakeoff.train,
        {"overrides": "model.name=mnist_mlp"},
        r"overrides='model.name=mnist_mlp': .* a list, as \['model.n",
    ),
    (bakeoff.train, {"overrides": {"phases.0.epochs": 1}}, r"a list, as \['phases.0.epochs=1'\]"),
    (bakeoff.train, {"overrides": [1]}, "a list of texts"),
    (bakeoff.train, {"overrides": None}, "a list"),
    (bakeoff.train, {"phases": "probe"}, r"as \['probe'\]"),
    (bakeoff.train, {"recipe": ["photos"]}, "recipe=.*a text or Recipe"),
    (bakeoff.train, {"backbone": ["a", "b"]}, "backbone=.*a text or None"),
    (bakeoff.train, {"seed": "3"}, "seed='3': expected a whole number"),
    (resume, {"run": ["run"]}, "a text or a path"),
    (bakeoff.compare, {"frameworks": "torch, jax"}, r"as \['torch', 'jax'\]"),
    (bakeoff.tune, {"search": ["k=1 | 2"]}, "a dict"),
    (bakeoff.tune, {"trials": True}, "a whole number"),
    (bakeoff.read_data, {"split": "0.8"}, "a list or a dict"),
    (bakeoff.read_data, {"path": ["a"]}, "a text or a path"),
    (bakeoff.evaluate, {"run": "r", "split": ["test"]}, "split=.*a text"),
    (bakeoff.audit, {"threads": "2"}, "a whole number"),
    (bakeoff.load, {"path": None}, "a text or a path"),
    (bakeoff.export, {"bundle": "r", "to": ["onnx"]}, "to=.*a text"),
    (bakeoff.report, {"run": "r", "lang": ["zh"]}, "lang=.*a text"),
    (bakeoff.convert, {"model": object(), "to": "keras", "input_size": "9,9"}, "a tuple of numbers"),
    (bakeoff.Model.predict, {"images": [], "top": "3"}, "a whole number"),
]


@pytest.mark.parametrize(("function", "given", "says"), CASES, ids=lambda one: str(one)[:40])
def test_what_is_of_another_kind_is_named(function: Any, given: dict[str, Any], says: str) -> None:
    first = {"train": "data", "compare": "data", "tune": "data", "audit": "data", "predict": "self"}
    given = {**{name: "there" for verb, name in first.items() if verb == function.__name__}, **given}
    with pytest.raises(UsageError, match=says):
        function(**given)


def test_what_is_meant_passes() -> None:
    from bakeoff.given import check

    fits = [("overrides", ("a=1",), "Sequence[str]"), ("accept", {"a"}, "str | Iterable[str]"), ("x", [1], "Any")]
    fits += [("size", [9, 9], "tuple[int, int] | None"), ("labels", object(), "LabelRule | None")]
    for name, value, annotation in fits:
        check(name, value, annotation)


def test_every_public_function_is_held() -> None:
    verbs = [name for name in bakeoff.__all__ if name.islower() and name not in ("loaders", "__version__")]
    for name in verbs:
        assert "checked" in str(getattr(bakeoff, name).__code__.co_name), name
