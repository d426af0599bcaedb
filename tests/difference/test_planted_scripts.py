"""Plain scripts of PyTorch and Keras with planted differences: the right cause first, nothing where there is none.

Each script is run once by its own text; slow, since every one starts a framework and is captured.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import script_cases

from bakeoff.difference.account import Account
from bakeoff.difference.api import compared
from bakeoff.difference.sides import Given, open_side

missing = [name for name in ("torch", "tensorflow") if importlib.util.find_spec(name) is None]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scripts")


@cache
def opened(place: Path, name: str, text: str) -> Account:
    """The account of a script, run once."""
    folder = place / str(abs(hash(text)))
    folder.mkdir()
    (folder / name).write_text(text, encoding="utf-8")
    return open_side(str(folder / name), Given("a"))


def explained(place: Path, edits: list[script_cases.Edit]) -> Any:
    a, b = (opened(place, name, script_cases.edited(name, edits)) for name in (script_cases.A, script_cases.B))
    return compared(a, b, None)


@pytest.mark.parametrize("name", script_cases.CASES)
def test_the_planted_cause_comes_first(place: Path, name: str) -> None:
    edits, expected = script_cases.CASES[name]
    found = explained(place, edits)
    named = [one["cause"] for one in found.causes]
    assert named[0] == expected[0]
    assert set(expected) <= set(named)
    assert abs(found.remaining) < 0.01
    for row in found.causes[: len(expected)]:
        assert ".py:" in row["place"], row


@pytest.mark.parametrize("name", script_cases.SAME)
def test_nothing_is_invented(place: Path, name: str) -> None:
    found = explained(place, script_cases.SAME[name])
    assert found.causes == []
    assert "seed noise" in found.result["verdict"]
