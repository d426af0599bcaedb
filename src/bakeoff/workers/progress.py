"""How far a job is: bars on a terminal and in a notebook; elsewhere few plain lines of commands, nothing of Python.

A listener (see `bakeoff.workers.channel`) is told {"kind": "progress", "phase", "done", "total", "unit", "note"},
{"kind": "stage", "number", "of", "text"} and {"kind": "log", "text"}. Phases may take turns (train, evaluate, train,
...): each counts the time that was its own. Stages follow each other, and are of the whole command.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from bakeoff.shown import html, visible
from bakeoff.workers.channel import Listener

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment as Piece

    from bakeoff.protocols import Progress  # brings NumPy, which help does without

PLAIN_EVERY_S = 10.0
AGAIN_S = 0.5  # after its end: what says more of a phase then is another process that does it, too
DRAWN_EVERY_S = 0.2  # in a notebook, where each drawing is a message to a browser
BAR, LEAST_BAR = 28, 10
SO_FAR = "59 min 59 s"  # in its place is shown the time since the start
LEAST_FIRST = ("pace", "note", "left")  # what a narrow terminal goes without, in this order

_SHOWN: list[object] = []  # what is shown now: one at a time

P = ParamSpec("P")
R = TypeVar("R")


@dataclass
class Pace:
    """The time that one phase took, and how much of it was done."""

    seconds: float = 0.0
    done: int = 0
    first: int | None = None
    ended: float = float("inf")

    def rate(self) -> float | None:
        """Units per second, once that is known."""
        made = self.done - (self.first or 0)
        return made / self.seconds if made > 0 and self.seconds > 0.05 else None

    def left(self, total: int) -> float | None:
        """Seconds to go."""
        rate = self.rate()
        return (total - self.done) / rate if rate else None


class Paces:
    """The pace of every phase; time belongs to the phase that reports at its end."""

    def __init__(self) -> None:
        self._phases: dict[str, Pace] = {}
        self._last = time.perf_counter()

    def see(self, phase: str, done: int, total: int) -> Pace:
        """Count a message."""
        now = time.perf_counter()
        pace = self._phases.setdefault(phase, Pace())
        if done < pace.done or now - pace.ended > AGAIN_S:  # it began anew
            pace = self._phases[phase] = Pace()
        pace.ended = now if done >= total else float("inf")
        if pace.first is None:  # what came before the first message was preparation
            pace.first = done
        else:
            pace.seconds += now - self._last
        pace.done, self._last = done, now
        return pace


@contextmanager
def progress(*, bars: bool = True) -> Iterator[Listener]:
    """A listener; what it shows on a terminal goes away at the end, logs stay.

    Args:
        bars: False where results go to the same terminal meanwhile.
    """
    if not (bars and sys.stderr.isatty()):
        yield _Plain()
        return
    with _Bars() as shown:
        yield shown


@contextmanager
def bar(listen: Listener | None, *, quiet: bool) -> Iterator[Listener | None]:
    """For a function of Python: `listen`, or a bar in its place where somebody sees it: not where it is quiet, with
    output that is redirected, or within another such function.
    """
    notebook = _in_notebook()
    if _SHOWN or listen or quiet or not (notebook or sys.stderr.isatty()):
        yield listen
        return
    with _Notebook() if notebook else _Bars() as shown:
        yield shown


def live(
    takes: str = "listen", made: Callable[[Listener], object] = lambda listen: listen
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a function that has a `bar` unless its argument `takes` has it told elsewhere.

    Args:
        made: from a listener to what the argument is to be.
    """

    def wrapped(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def shown(*args: P.args, **given: P.kwargs) -> R:
            before: Any = given.get(takes)
            with bar(before, quiet=bool(given.get("quiet"))) as listen:
                if listen and not before:
                    given[takes] = made(listen)
                return function(*args, **given)

        return shown

    return wrapped


def _in_notebook() -> bool:
    """Whether this is a kernel of Jupyter, which draws HTML."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython() if ipython else None, "kernel", None) is not None


def counter(listen: Listener, phase: str, unit: str = "images") -> Progress:
    """A function of (done, total) that tells a listener."""

    def count(done: int, total: int) -> None:
        listen({"kind": "progress", "phase": phase, "done": done, "total": total, "unit": unit, "note": ""})

    return count


def _pace_text(pace: Pace, unit: str) -> str:
    rate = pace.rate()
    if rate is None or not unit:
        return ""
    return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"


def console(*, stderr: bool = False) -> Console:
    """A Rich console that leaves words alone: no colours for numbers, no emoji, no markup in names, no escape codes."""
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

    class Safe(Console):
        def render_str(self, text: str, **given: Any) -> Text:
            return super().render_str(visible(text), **given)

        def render(self, renderable: Any, options: Any = None) -> Iterator[Piece]:
            for text, style, control in super().render(renderable, options):  # of whatever kind it was
                yield Segment(text if control else visible(text), style, control)

    return Safe(stderr=stderr, highlight=False, emoji=False, soft_wrap=True)


def seconds(value: float) -> str:
    """`4.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _left(pace: Pace, total: int) -> str:
    left = pace.left(total)
    return f"{seconds(left)} left" if left else ""


def phase_of(message: dict[str, Any]) -> str:
    """The phase, behind the framework where a message names one."""
    framework = message.get("framework")
    return f"{framework}: {message['phase']}" if framework else str(message["phase"])


def stage_of(message: dict[str, Any]) -> str:
    """`[2/5] ask the source`, of a whole command; "" for what isn't one, or belongs to one framework of several."""
    if message["kind"] != "stage" or message.get("framework"):
        return ""
    return f"[{message['number']}/{message['of']}] {message['text']}"


class _Plain:
    """Logs, a line a stage with the time so far, and a line a phase every few seconds."""

    def __init__(self) -> None:
        self._paces = Paces()
        self._printed: dict[str, float] = {}
        self._start = time.perf_counter()

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            print(visible(message["text"]), file=sys.stderr, flush=True)
        if stage := stage_of(message):
            so_far = seconds(time.perf_counter() - self._start)
            print(f"{visible(stage)}  after {so_far}", file=sys.stderr, flush=True)
        if message["kind"] != "progress":
            return
        phase, done, total = phase_of(message), message["done"], message["total"]
        pace = self._paces.see(phase, done, total)
        now = time.perf_counter()
        if now - self._printed.get(phase, self._start) < PLAIN_EVERY_S:
            return
        self._printed[phase] = now
        parts = [f"{phase} {done:,}/{total:,} {message.get('unit', '')}", _pace_text(pace, message.get("unit", ""))]
        parts.append(message.get("note", ""))
        print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)


class _Notebook:
    """A line a phase in the output of a cell, redrawn in place; lines of the log stay below each other."""

    def __init__(self) -> None:
        self._paces, self._rows, self._logs = Paces(), dict[str, str](), list[str]()
        self._drawn, self._handle = time.perf_counter(), None

    def __enter__(self) -> _Notebook:
        _SHOWN.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _SHOWN.remove(self)
        self._rows.clear()
        if self._handle or self._logs:  # what was quick left nothing
            self._draw()

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            self._logs.append(str(html(message["text"])))
        elif stage := stage_of(message):
            share = f'value="{message["number"] - 1}" max="{message["of"]}"'
            self._rows[""] = f"<progress {share}></progress> {html(stage)}"
        elif message["kind"] == "progress":
            phase, done, total = phase_of(message), message["done"], message["total"]
            pace = self._paces.see(phase, done, total)
            more = (_pace_text(pace, message.get("unit", "")), _left(pace, total), message.get("note", ""))
            words = html("  ".join((phase, f"{100 * done / max(total, 1):.0f} %", *filter(None, more))))
            self._rows[phase] = f'<progress value="{done}" max="{max(total, 1)}"></progress> {words}'
        if time.perf_counter() - self._drawn > DRAWN_EVERY_S:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        self._drawn = time.perf_counter()
        page = HTML("<br>".join([*self._logs, *self._rows.values()]))
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)


class _Bars:
    """Rich's progress: one bar a phase."""

    def __init__(self) -> None:
        from rich import progress as rich
        from rich.text import Text

        class Left(rich.ProgressColumn):
            """Of a phase the time to go, of the whole command the time so far."""

            def render(self, task: rich.Task) -> Text:
                left = str(task.fields["left"])
                return Text(seconds(task.elapsed or 0.0) if left == SO_FAR else left, "dim")

        self._bar = rich.BarColumn(bar_width=BAR, complete_style="cyan", finished_style="dim cyan")
        self._progress = rich.Progress(
            rich.TextColumn("{task.description}", markup=False),
            self._bar,
            rich.TextColumn("{task.percentage:>3.0f} %"),
            rich.TextColumn("{task.fields[pace]}", style="dim"),
            Left(),
            rich.TextColumn("{task.fields[note]}", markup=False),
            console=console(stderr=True),
            transient=True,
            redirect_stdout=False,  # Rich would send results to stderr while a bar is shown
            redirect_stderr=False,
        )
        self._tasks: dict[str, Any] = {}
        self._whole: Any = None
        self._stage = ""
        self._fields: dict[str, dict[str, str]] = {}
        self._paces = Paces()

    def __enter__(self) -> _Bars:
        _SHOWN.append(self)
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        _SHOWN.remove(self)
        self._progress.stop()

    def __call__(self, message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            self._progress.console.print(message["text"], markup=False, soft_wrap=False)  # between words
        elif stage := stage_of(message):
            self._begin(stage, message["number"] - 1, message["of"])
        elif message["kind"] == "progress":
            self._show(message)

    def _begin(self, stage: str, done: int, total: int) -> None:
        """The row of the whole command: its stage, and the time since its start, which goes on by itself."""
        if self._whole is None:
            self._whole = self._progress.add_task(stage, pace="", note="", left=SO_FAR)
        self._progress.update(self._whole, description=stage, completed=done, total=total)
        self._stage = stage

    def _show(self, message: dict[str, Any]) -> None:
        phase, total, unit = phase_of(message), message["total"], message.get("unit", "")
        pace = self._paces.see(phase, message["done"], message["total"])
        self._fields[phase] = {
            "pace": _pace_text(pace, unit),
            "left": _left(pace, total),
            "note": message.get("note", ""),
        }
        if phase not in self._tasks:
            self._tasks[phase] = self._progress.add_task(phase, total=total, pace="", note="", left="")
        self._progress.update(self._tasks[phase], completed=message["done"], total=total)
        shown = self._fitting()
        if self._whole is not None:
            self._progress.update(self._whole, left=SO_FAR if "left" in shown else "")
        for name, fields in self._fields.items():
            kept: dict[str, Any] = {key: fields[key] if key in shown else "" for key in LEAST_FIRST}
            self._progress.update(self._tasks[name], **kept)

    def _fitting(self) -> tuple[str, ...]:
        """The columns that the terminal has room for, beside name, bar and percentage; the bar shrinks before them."""
        widths = {key: 1 + max(len(fields[key]) for fields in self._fields.values()) for key in LEAST_FIRST}
        widths["left"] = max(widths["left"], 1 + len(SO_FAR) if self._stage else 0)
        room = self._progress.console.width - max(map(len, (*self._tasks, self._stage))) - len("  100 % ") - 2
        shown: tuple[str, ...] = LEAST_FIRST
        while shown and sum(widths[key] for key in shown) > room - LEAST_BAR:
            shown = shown[1:]
        room -= sum(widths[key] for key in shown) + len(LEAST_FIRST) - len(shown)
        self._bar.bar_width = max(1, min(BAR, room))
        return shown
