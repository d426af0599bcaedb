"""A comparison made again: what of a report.json is read, and what counts as the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import bakeoff
from bakeoff.comparison.repeat import _Need, _Report, beside
from bakeoff.errors import CorruptError, DataError, UsageError


def _before(**choices: str | None) -> Any:
    needs = [_Need(need, choice, "") for need, choice in choices.items()]
    asked: Any = None
    return _Report(asked=asked, needs=needs, verdict="then", environment={}, accuracy={"equivalent": True})


def _now(equal: bool | None = True, **choices: str | None) -> dict[str, Any]:
    rows = [{"need": need, "choice": choice} for need, choice in choices.items()]
    return {"needs": rows, "verdict": "now", "accuracy": {"equivalent": equal}}


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [("torch", "torch", True), ("torch", "jax", False), ("torch", None, True), (None, "jax", True), (None, None, True)],
)
def test_a_choice_that_could_not_be_made_contradicts_nothing(before: str | None, now: str | None, same: bool) -> None:
    found = beside(_before(training=before), _now(training=now))
    assert found["same"] is same
    assert found["needs"][0] == {"need": "training", "before": before, "now": now, "same": same}


@pytest.mark.parametrize(("equal", "same"), [(True, True), (False, False), (None, True)])
def test_whether_they_are_equally_accurate_is_a_choice(equal: bool | None, same: bool) -> None:
    assert beside(_before(), _now(equal))["same"] is same


def test_what_is_no_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        bakeoff.repeat(tmp_path, tmp_path)
    told = tmp_path / "report.json"
    told.write_text(json.dumps({"schema": 1, "verdict": "?"}))
    with pytest.raises(UsageError, match="doesn't say what was asked for"):
        bakeoff.repeat(tmp_path, told)
    told.write_text(json.dumps({"schema": 1, "asked": {"images": "", "jobs": {}, "wanted": {"seeds": -1}}}))
    with pytest.raises(CorruptError, match=r"report\.json"):
        bakeoff.repeat(tmp_path, told)


@pytest.mark.parametrize(
    ("mode", "other"),
    [
        (["--as-published", "003"], ["--frameworks", "torch"]),
        (["--backbones", "a,b"], ["--seeds", "3"]),
        (["--repeat", "report.json"], ["--set", "seed=1"]),
        (["--backbones", "a,b"], ["--as-published", "003"]),
    ],
)
def test_nothing_that_is_given_goes_unused(
    mode: list[str], other: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bakeoff.cli import main

    assert main(["compare", str(tmp_path), *mode, *other]) == 2
    assert f"{mode[0]} doesn't use {other[0]}" in capsys.readouterr().err
