"""Progress: rates of phases that take turns, plain lines, bars."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.cli import _output
from bakeoff.comparison.api import Comparison
from bakeoff.recipe import load
from bakeoff.workers.channel import Reporter
from bakeoff.workers.progress import Paces, _Bars, _Notebook, _Plain, counter, phase_of, progress


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("bakeoff.workers.progress.time.perf_counter", made)
    return made


def message(phase: str, done: int, total: int = 100) -> dict[str, object]:
    return {"kind": "progress", "phase": phase, "done": done, "total": total, "unit": "images", "note": "loss 0.5"}


def test_a_phase_is_charged_its_own_time_only(clock: Clock) -> None:
    paces = Paces()
    paces.see("train", 0, 100)
    clock.now = 2.0
    assert paces.see("train", 20, 100).rate() == pytest.approx(10)
    clock.now = 7.0
    paces.see("evaluate", 50, 100)
    clock.now = 9.0
    pace = paces.see("train", 40, 100)
    assert pace.rate() == pytest.approx(10)  # not 40 / 9
    assert pace.left(100) == pytest.approx(6)


def test_a_phase_that_begins_anew_forgets(clock: Clock) -> None:
    paces = Paces()
    for now, done in ((0.0, 0), (1.0, 100), (2.0, 0)):
        clock.now = now
        paces.see("evaluate", done, 200)
    clock.now = 4.0
    assert paces.see("evaluate", 10, 200).rate() == pytest.approx(5)


def test_a_phase_that_another_process_does_again_has_a_pace_of_its_own(clock: Clock) -> None:
    paces = Paces()
    for now, done in ((0.0, 0), (1.0, 100), (1.1, 100)):  # its end may be said twice
        clock.now = now
        pace = paces.see("reading", done, 100)
    assert pace.rate() == pytest.approx(100 / 1.1)
    clock.now = 150.0
    assert paces.see("reading", 100, 100).rate() is None  # all at once, from a cache: not 0.7 images/s
    clock.now = 151.0
    assert paces.see("reading", 100, 100).rate() is None


def test_plain_lines_come_seldom(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    plain = _Plain()
    for second in range(26):
        clock.now = float(second)
        plain(message("train", second))
    plain({"kind": "log", "text": "epoch 1/2"})
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "train 10/100 images  1.0 images/s  loss 0.5",
        "train 20/100 images  1.0 images/s  loss 0.5",
        "epoch 1/2",
    ]


STAGE = {"kind": "stage", "number": 2, "of": 9, "text": "ask [red] it"}


def test_stages_are_numbered_and_timed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    plain = _Plain()
    clock.now = 65.0
    plain(STAGE)
    plain({**STAGE, "framework": "torch"})  # of one of several: not of the whole
    assert capsys.readouterr().err.splitlines() == ["[2/9] ask [red] it  after 1 min 05 s"]


def test_a_notebook_shows_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = _Notebook()
    monkeypatch.setattr(notebook, "_draw", lambda: None)
    notebook(STAGE)
    notebook({**STAGE, "framework": "jax"})
    assert notebook._rows == {"": '<progress value="1" max="9"></progress> [2/9] ask [red] it'}


def test_what_one_training_of_a_comparison_begins_is_no_stage_of_the_whole() -> None:
    told: list[dict[str, object]] = []
    comparison = Comparison({}, load("mnist-cnn"), Path(), Reporter(told.append))
    for one in (STAGE, message("train", 5)):
        comparison._within(dict(one))
    assert told == [message("train", 5)]


def test_the_row_of_the_whole_command_has_its_time(clock: Clock) -> None:
    from rich.console import Console

    shown = io.StringIO()
    bars = _Bars()
    bars._progress.live.console = Console(file=shown, width=80, force_terminal=True, color_system=None)
    bars._progress.get_time = clock
    for number in (1, 2):
        bars({**STAGE, "number": number})
        clock.now += 65.0
    bars(message("train", 50))
    whole, phase = bars._progress.get_renderable().renderables[0].columns[0].cells, list(bars._tasks)
    assert [str(cell) for cell in whole] == ["[2/9] ask [red] it", "train"]
    assert phase == ["train"]
    bars._progress.live.console.print(bars._progress.get_renderable())
    rows = [line for line in shown.getvalue().splitlines() if "2/9" in line]
    assert "11 %" in rows[-1]
    assert "2 min 10 s" in rows[-1]


def test_bars_show_and_keep_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress() as listen:
        assert isinstance(listen, _Bars)
        counter(listen, "reading [1]")(50, 100)
        listen({"kind": "log", "text": "left out [red] 3 files"})
    assert "left out [red] 3 files" in terminal.getvalue()
    assert "reading [1]" in terminal.getvalue()


def test_lines_beside_bars_break_between_words() -> None:
    from rich.console import Console

    shown, bars = io.StringIO(), _Bars()
    bars._progress.live.console = Console(file=shown, width=20, force_terminal=True, color_system=None, soft_wrap=True)
    bars({"kind": "log", "text": "fine-tuning left [out] today"})
    assert shown.getvalue().splitlines() == ["fine-tuning left ", "[out] today"]


def test_no_bars_without_a_terminal() -> None:
    with progress() as listen:
        assert isinstance(listen, _Plain)


def test_a_framework_is_named() -> None:
    assert phase_of({"phase": "train", "framework": "jax"}) == "jax: train"


@pytest.mark.parametrize(
    ("value", "text"), [(4.34, "4.3 s"), (59.97, "1 min 00 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")]
)
def test_seconds(value: float, text: str) -> None:
    assert _output.seconds(value) == text


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    _output.print_json({"loss": float("nan"), "rows": [float("inf"), 1.5]})
    assert capsys.readouterr().out == '{"schema": 1, "loss": null, "rows": [null, 1.5]}\n'


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("phase", ["finetune", "evaluate validation", "tensorflow: evaluate test"])
def test_a_narrow_terminal_drops_columns_and_cuts_no_bar(width: int, phase: str, clock: Clock) -> None:
    """Speed first, then the loss; percentage and bar are always whole."""
    from rich.console import Console

    shown = io.StringIO()
    bars = _Bars()
    bars._progress.live.console = Console(file=shown, width=width, force_terminal=True, color_system=None)
    bars({**STAGE, "text": "train"})
    for second in range(1, 4):
        for name, note in (("starting PyTorch", ""), (phase, "epoch 12/100  loss 0.5123")):
            clock.now += 1.0
            bars({**message(name, 5000 * second, 60_000), "note": note})
    bars._progress.console.print(bars._progress.get_renderable())
    text = shown.getvalue()
    assert all(len(line.rstrip()) <= width for line in text.splitlines())
    assert "…" not in text
    (line,) = [line for line in text.splitlines() if line.startswith(phase)]
    assert "25 %" in line
    assert ("images/s" in line) <= ("loss 0.5123" in line) <= ("left" in line)
    assert ("loss 0.5123" in line) == (width >= 120 or (width == 80 and len(phase) < 20))


def test_what_libraries_write_by_themselves_reaches_nobody() -> None:
    code = (
        "import os, sys; from bakeoff.cli._output import alone_on_stderr, console; alone_on_stderr(); "
        "os.write(2, b'E0000 failed call to cuInit'); print('said', file=sys.stderr); console(stderr=True).print('too')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "said\ntoo\n"
