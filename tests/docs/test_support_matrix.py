"""The support matrix: what passes, fails and was not measured is told apart, and the page is up to date."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from bakeoff.parity.tolerance import JUDGE

SCRIPT = Path(__file__).parents[2] / "docs" / "support_matrix.py"
PAGE = runpy.run_path(str(SCRIPT), run_name="page")
FIGURES = {"logits": [1e-14, 1e-9], "losses": [1e-15, 1e-9], "gradients": [1e-13, 1e-9], "float32.logits": [1e-6, 1e-5]}
FINE = {
    "model": "timm/fine",
    "size": 96,
    "verdict": "passed",
    "declared": [],
    "custom": [],
    "failed": [],
    "figures": FIGURES,
    "key": {"judge": JUDGE},
}
OLD = {"judge": JUDGE - 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "passed"),
        ({"key": OLD}, "passed (old judge)"),
        ({"key": OLD, "figures": {"jax.losses": [1e-12, 1e-6]}}, "passed (old judge, on JAX too)"),
        ({"verdict": "declared", "declared": ["augmentation"]}, "declared: augmentation"),
        ({"custom": ["Pad"]}, "passed; needs Bakeoff's Pad"),
        (
            {"verdict": "failed", "failed": ["a | b: 1e-3, tolerance 1e-9", "more"]},
            "**failed**: a / b: 1e-3, tolerance 1e-9",
        ),
        ({"verdict": "refused", "error": "aten.x is not known"}, "**refused**: aten.x is not known"),
        ({"verdict": "not finished", "error": "more than 900 s"}, "**not finished**: more than 900 s"),
    ],
)
def test_a_verdict_has_its_reason(change: dict[str, Any], said: str) -> None:
    assert PAGE["verdict"]({**FINE, **change}) == said


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        (None, "–"),
        ([1e-14, 1e-9], "1e-14"),
        ([3e-9, 8e-9], "3e-09 (8e-09)"),
        ([2e-9, 1e-9], "**2e-09**"),
        ([None, 1e-9], "**inf**"),
    ],
)
def test_a_figure_says_whether_it_was_measured_and_passed(figure: Any, said: str) -> None:
    row = {**FINE, "figures": {"gradients": figure} if figure else {}}
    assert PAGE["figure"](row, "gradients") == said


def test_the_two_judges_are_counted_apart() -> None:
    rows = [FINE, {**FINE, "verdict": "refused", "figures": {}}, {**FINE, "key": OLD}, {**FINE, "key": OLD}]
    assert PAGE["summary"](rows) == (
        "2 models: 1 passed, 1 refused, 1 of those that passed were trained.\n"
        "2 models under the old judge: 2 passed, 2 of those that passed were trained.\n"
    )


def test_the_page_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["support_matrix.py", "--check"])
    assert PAGE["main"]() == 0, "make docs"
