"""From an exception to at most three lines on stderr and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from bakeoff.errors import BakeoffError, CorruptError
from bakeoff.shown import visible
from bakeoff.system import lacking
from bakeoff.workers.stopping import unwound

LINES = 3
INTERRUPTED = 130
STOPPED = (INTERRUPTED, 143, 129)  # by Ctrl-C, SIGTERM, SIGHUP
LONGEST = 5000  # above the longest path of any system, which is 4,096 bytes


def guarded(work: Callable[[], object], *, debug: bool = False) -> int:
    """Run `work`; the exit code: 0, that of the error, 130 after Ctrl-C.

    Args:
        work: may raise SystemExit, as Typer does when it ends.
        debug: let tracebacks through; BAKEOFF_DEBUG=1 does the same.
    """
    debug = debug or os.environ.get("BAKEOFF_DEBUG", "") not in ("", "0")
    try:
        with unwound():
            work()
    except SystemExit as end:
        code = _code(end)
        if code in STOPPED:  # Typer has turned Ctrl-C into an exit
            say("stopped")
        return code
    except KeyboardInterrupt:
        say("stopped")
        return INTERRUPTED
    except BrokenPipeError:  # who read our stdout went away: nothing to say, and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BakeoffError as error:
        if debug:
            _traceback(error)
        say(_lacking(str(error)) or str(error))
        return error.exit_code
    except OSError as error:
        if debug:
            _traceback(error)
        if error.filename is None:
            say(_unexpected(error))
        else:
            where = f"{error.filename}: {error.strerror or type(error).__name__}"
            say(_lacking(where) or f"{where}. Choose another place, or mend this one.")
        return 1
    except Exception as error:
        if debug:
            _traceback(error)
        say(_unexpected(error))
        return 1
    return 0


def _unexpected(error: Exception) -> str:
    said = f"{type(error).__name__}: {_one_line(error)}"
    return _lacking(said) or f"unexpected: {said}; run again with --debug"


def _lacking(said: str) -> str:
    """Where the system gives no more, neither the file nor the program is at fault."""
    why = lacking(said)
    return f"{why}\nIt was said: {' '.join(said.split())[:200]}" if why else ""


def say(text: str) -> None:
    """`bakeoff: ` and a message on stderr, at most three lines."""
    lines = [line for line in text.splitlines() if line.strip()] or ["failed, and said nothing"]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], " ".join(lines[LINES - 1 :])]
    with suppress(OSError):  # a terminal that was closed
        print("bakeoff: " + "\n         ".join(visible(_cut(line)) for line in lines), file=sys.stderr)


def _cut(line: str) -> str:
    """A line that somebody reads: no path is as long as what is cut."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 20]} ... {line[-LONGEST // 20 :]}"


def end(text: str) -> None:
    """Say it and end the process as it stands: a library that doesn't return can't be left otherwise."""
    say(text)
    sys.stdout.flush()
    os._exit(CorruptError.exit_code)


def say_unfinished(run: object) -> None:
    """A line where a run hasn't ended, and its last checkpoint is used."""
    from bakeoff import bundle

    if line := bundle.note(str(run)):
        say(line)


def _code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    return end.code if isinstance(end.code, int) else 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)
