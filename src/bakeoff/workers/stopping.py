"""Ctrl-C, SIGTERM, SIGHUP: the step ends, a checkpoint is written, the training stops. A second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from bakeoff.errors import Cancelled
from bakeoff.shown import shell
from bakeoff.system import HANGUP, STOPPING


@contextmanager
def asked_politely(stop: Callable[[int], None]) -> Iterator[None]:
    """Call `stop(exit code)` on the first signal: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.

    Outside of the main thread, where Python takes no signals, nothing changes; nor for SIGHUP under nohup.
    """
    heard: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        if heard:
            at_once(number, frame)
        heard.append(number)
        stop(128 + number)

    with _heard_by(on_signal, STOPPING):
        yield


@contextmanager
def unwound() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: workers and unfinished files go with it."""
    with _heard_by(at_once, STOPPING[1:]):
        yield


def at_once(number: int, frame: FrameType | None) -> None:
    """Leave from where the process stands, through all `finally`."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextmanager
def going_on(verb: str, data: object, recipe: str, given: Iterable[tuple[str, object]]) -> Iterator[None]:
    """Whatever stops what is done here is a `Cancelled` that has the line that goes on.

    Args:
        given: options and their values; True: one without; None: it wasn't given.
    """
    try:
        yield
    except (Cancelled, KeyboardInterrupt, SystemExit) as error:
        said = (
            str(error).partition("\n")[0]
            if isinstance(error, Cancelled)
            else "stopped at once; what is finished is kept"
        )
        code = error.exit_code if isinstance(error, Cancelled) else code_of(error)
        pairs = [(name,) if value is True else (name, value) for name, value in given if value is not None]
        options = [str(word) for pair in pairs for word in pair]
        line = " ".join(map(shell, ["bakeoff", verb, data, "--recipe", recipe, *options]))
        raise Cancelled(f"{said}\nGo on: {line}", code) from None


def code_of(error: BaseException) -> int:
    """The exit code of what `at_once` raised."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return 128 + signal.SIGINT


@contextmanager
def _heard_by(handler: Callable[[int, FrameType | None], None], numbers: Iterable[int]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = [number for number in numbers if number not in HANGUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in kept}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
