"""Arguments of another kind are named before anything begins: a text for a list, a list for a text."""

from __future__ import annotations

from typing import Any

import pytest

import bakeoff
from bakeoff.errors import UsageError
from bakeoff.given import check

CASES: list[tuple[Any, dict[str, Any], str]] = [
    (bakeoff.train, {"data": "a", "overrides": "model.name=b"}, r"overrides='model.name=b': .* a list, as \['model"),
    (bakeoff.train, {"data": "a", "seed": "3"}, "seed='3': expected a whole number"),
    (bakeoff.compare, {"data": "a", "frameworks": "torch, jax"}, r"as \['torch', 'jax'\]"),
    (bakeoff.convert, {"model": object(), "to": "keras", "input_size": "9,9"}, "a tuple of numbers"),
]


@pytest.mark.parametrize(("function", "given", "says"), CASES, ids=[case[2][:20] for case in CASES])
def test_what_is_of_another_kind_is_named(function: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        function(**given)


def test_what_is_meant_passes_and_every_function_looks() -> None:
    fits = [("overrides", ("a=1",), "Sequence[str]"), ("accept", {"a"}, "str | Iterable[str]"), ("x", [1], "Any")]
    for name, value, annotation in fits:
        check(name, value, annotation)
    for verb in {*bakeoff.__all__} - {"loaders", "__version__", "Model", "Options"}:
        assert getattr(bakeoff, verb).__code__.co_name == "checked", verb
