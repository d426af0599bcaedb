"""The published schema of report.json: it is the one of the code, holds what comparisons give, and refuses others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bakeoff.comparison.schema import Report, json_schema

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def _report() -> dict[str, Any]:
    timed = {"step_ms": 1.5, "step_ms_interval": [1.4, 1.6], "images_per_s": 100.0, "input_ms": 0.0, "compile_s": 0.0}
    timed |= {"start_s": 1.0, "peak_memory_bytes": 1, "batch_size": 4, "batch_ms": {"1": 0.5}}
    framework = {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "accuracy_split": "test", "step_ms": None}
    framework |= {"images_per_s": None, "compile_s": None, "peak_memory_bytes": None}
    ratio = {"a": "jax", "b": "jax#2", "what": "same_loader.step_ms", "ratio": 1.0, "interval": [0.9, 1.1]}
    ratio |= {"noise": 0.01, "smallest": 0.1, "p_value": 0.5, "faster": None}
    return {
        "schema": 1,
        "recipe": "r",
        "data": "d",
        "classes": ["a"],
        "num_train": 1,
        "num_test": 0,
        "precision": "float32",
        "parity": {"passed": True, "checks": [], "held": []},
        "frameworks": {"jax": framework},
        "accuracy": {"margin": 0.02, "equivalent": None},
        "accuracy_split": "test",
        "tracks": {"same_loader": {"jax": timed}},
        "ratios": [ratio],
        "disturbed": 0,
        "predictions": {},
        "needs": [{"need": "n", "choice": None, "why": "w", "interval": None}],
        "left_out": [{"what": "x", "seconds": None, "why": ""}],
        "environment": {"python": "3"},
        "verdict": "v",
        "further": "keys may come",
    }


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == json_schema(), "make docs"


def test_a_report_is_one() -> None:
    assert msgspec.convert(_report(), Report).tracks.same_loader["jax"].step_ms == 1.5


@pytest.mark.parametrize(
    "spoilt",
    [
        {"verdict": None},
        {"disturbed": -1},
        {"tracks": {"same_loader": {"jax": {}}}},
        {"ratios": [{"a": "jax"}]},
        {"parity": {"passed": "yes", "checks": [], "held": []}},
    ],
)
def test_what_is_none_is_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(_report() | spoilt, Report)
