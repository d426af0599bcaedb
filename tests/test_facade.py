"""The face of the package: functions that say what they take, rooms that can't hide them, old names that still work."""

from __future__ import annotations

import importlib
import inspect
import pydoc
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import bakeoff
from bakeoff import moved
from bakeoff.data import write_digits
from bakeoff.errors import MissingDependencyError

VERBS = ("audit", "compare", "convert", "evaluate", "export", "load", "read_data", "report", "train", "tune")


@pytest.mark.parametrize("name", VERBS)
def test_verbs_are_functions_with_real_signatures_and_help(name: str) -> None:
    verb = getattr(bakeoff, name)
    assert inspect.isfunction(verb)
    assert verb.__name__ == name
    parameters = inspect.signature(verb).parameters
    assert parameters
    assert "args" not in parameters
    shown = pydoc.plain(pydoc.render_doc(verb))
    assert f"{name}(" in shown
    assert inspect.getdoc(verb).splitlines()[0] in shown  # type: ignore[union-attr]


def test_rooms_that_were_imported_leave_the_verbs_as_they_are() -> None:
    code = (
        "import bakeoff.training.api, bakeoff.comparison.api, bakeoff.conversion.api, bakeoff.exports.formats.onnx,"
        "bakeoff.reports.render, bakeoff.evaluation.scores, bakeoff.tuning.api, bakeoff.data.audit, inspect\n"
        f"print(all(inspect.isfunction(getattr(bakeoff, name)) for name in {VERBS!r}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "True"


@pytest.mark.parametrize(("module", "name"), sorted(moved.HOMES))
def test_documented_names_that_moved_still_work_and_say_where_they_are(module: str, name: str) -> None:
    where, _, now = moved.HOMES[module, name].partition(":")
    sys.modules.pop("bakeoff.report", None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = getattr(importlib.import_module(module), name)
    assert found is getattr(importlib.import_module(where), now)
    assert any(str(one.message).startswith(f"{module}.{name} is") for one in said)
    assert inspect.isfunction(bakeoff.report)


@pytest.mark.parametrize(
    ("line", "now"),
    [
        ("from bakeoff.data import for_torch", "bakeoff.loaders.for_torch"),
        ("from bakeoff.report import build", "bakeoff.report"),
    ],
)
def test_the_warning_stands_at_the_line_that_imports(line: str, now: str) -> None:
    """Python shows a DeprecationWarning only where it is of the script itself; one at a line of ours is never seen."""
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True)
    assert done.returncode == 0
    assert f"<string>:1: DeprecationWarning: {line.split()[1]}.{line.split()[-1]} is {now} now" in done.stderr


@pytest.mark.parametrize(("name", "library"), [("for_torch", "torch"), ("for_tensorflow", "tensorflow")])
def test_loaders_say_which_framework_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, library: str
) -> None:
    data = bakeoff.read_data(write_digits(tmp_path / "digits") and tmp_path / "digits")
    monkeypatch.setattr("bakeoff.frameworks.version", lambda name: None)
    with pytest.raises(MissingDependencyError, match=library):
        getattr(bakeoff.loaders, name)(data.train)


def test_names_that_never_were_are_errors() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = bakeoff.nothing
    with pytest.raises(AttributeError, match="nothing"):
        _ = importlib.import_module("bakeoff.data").nothing
