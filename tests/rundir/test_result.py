"""run.json as a value: what 0.1 wrote comes back to the byte, later keys are left alone, anything else is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bakeoff.errors import BakeoffError, CorruptError, DataError, VersionError
from bakeoff.rundir.folder import Run
from bakeoff.rundir.result import NAME, read_result

YESTERDAY = Path(__file__).parents[1] / "compatibility" / "0.1"
RUNS = ("multilabel", "comparison/torch", "comparison/tensorflow")


@pytest.mark.parametrize("name", RUNS)
def test_it_is_written_as_it_was(name: str, tmp_path: Path) -> None:
    Run(tmp_path).json(NAME, read_result(YESTERDAY / name).to_json())
    assert (tmp_path / NAME).read_bytes() == (YESTERDAY / name / NAME).read_bytes()


def test_it_knows_what_it_is_judged_by() -> None:
    found = read_result(YESTERDAY / "multilabel")
    assert (found.split, found.judged) == ("test", found.test)
    assert (found.threshold is None, read_result(YESTERDAY / RUNS[1]).threshold) == (False, None)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda value: value | {"schema": 2}, VersionError),
        (lambda value: {key: one for key, one in value.items() if key != "classes"}, CorruptError),
        (lambda value: value | {"classes": "cat"}, CorruptError),
        (lambda value: value | {"of_a_later_version": [1]}, None),
    ],
)
def test_what_is_read(
    change: Callable[[dict[str, Any]], dict[str, Any]], error: type[BakeoffError] | None, tmp_path: Path
) -> None:
    value = json.loads((YESTERDAY / "multilabel" / NAME).read_text(encoding="utf-8"))
    (tmp_path / NAME).write_text(json.dumps(change(value)), encoding="utf-8")
    if error is None:
        assert read_result(tmp_path) == read_result(YESTERDAY / "multilabel")
        return
    with pytest.raises(error, match=r"run\.json"):
        read_result(tmp_path)


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a finished run"):
        read_result(tmp_path)
