"""`bakeoff.Options`: what a training is told besides its usual keywords, from Python and from the command line."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import bakeoff
from bakeoff.cli import main
from bakeoff.data import write_digits
from bakeoff.errors import UsageError
from bakeoff.training import api
from bakeoff.workers import progress

NAMES = [one.name for one in fields(bakeoff.Options)]


@pytest.mark.parametrize("name", NAMES)
def test_an_option_that_is_given_as_a_keyword_says_where_it_belongs(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name} is an option: options=bakeoff.Options\({name}=\.\.\.\)$"):
        bakeoff.train("photos", **{name: None})  # type: ignore[arg-type]
    assert f"{name}: " in (bakeoff.Options.__doc__ or "")


def test_options_are_a_value_that_shows_what_was_asked_for() -> None:
    assert repr(bakeoff.Options(threads=4, precision="float64")) == "Options(precision='float64', threads=4)"
    with pytest.raises(UsageError, match=r"^options=\{.*: expected bakeoff\.Options"):
        bakeoff.train("photos", options={"compile": "on"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        *({"threads": "2"}, {"threads": 0}, {"start": 3}, {"checkpoint_every": 30}, {"budget": 60}, {"listen": 3}),
        *({"loggers": "tensorboard"}, {"loggers": None}, {"began": "now"}),
    ],
)
def test_an_option_of_another_kind_is_named_with_what_is_expected(given: dict[str, Any]) -> None:
    """They ended in a TypeError, some of them in a worker."""
    with pytest.raises(UsageError, match=f"^{next(iter(given))}=.*: expected .*[.]$"):
        bakeoff.Options(**given)


def test_the_command_line_gives_every_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(api, "train", lambda *_, **given: seen.update(given) or sys.exit(0))
    words = "--until stage --precision float64 --compile on --threads 2 --start run --checkpoint-every 5m --log mlflow"
    more = ["--workers", "2", "--worker-timeout", "5m", "--reduce", "native", "--cluster", "auto"]
    main(["train", str(tmp_path), *words.split(), "--budget", "10m", *more])
    assert [name for name in NAMES if getattr(seen["options"], name) == getattr(bakeoff.Options(), name)] == []


@pytest.mark.parametrize("more", [{}, {"quiet": True}, {"options": bakeoff.Options(listen=print)}])
def test_a_bar_unless_quiet_or_told(more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(api, "_work", lambda job, recipe, listen, began: heard.append(listen) or {})
    write_digits(tmp_path / "digits")
    bakeoff.train(tmp_path / "digits", "photos-fast", framework="onnxruntime", run=tmp_path / "run", **more)
    shown = progress._Bars if not more else type(more["options"].listen if "options" in more else None)
    assert type(heard[0]) is shown
