"""A worker process: `python -m bakeoff.workers.worker`, one framework a process.

It reads one JSON object a line from its parent: {"entry": "module:function", "arguments": {...}}, calls
`function(session, reporter, **arguments)` and answers with a result or an error; `session` is a dict that lasts from
call to call. Whatever libraries print goes to stderr. It ends when its parent does: its stdin closes.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any

from bakeoff.errors import BadFilesError, BakeoffError, Cancelled, MissingDependencyError
from bakeoff.workers.channel import Listener, Reporter, line_writer

GRACE = 5.0  # seconds that a function has to end in, once the parent is gone


def main() -> None:
    """Serve calls until the parent goes away."""
    reporter = Reporter()
    _on_signals(reporter)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    write = line_writer(channel)
    calls: queue.Queue[dict[str, Any] | None] = queue.Queue()
    reporter.listen(write)
    threading.Thread(target=_listen, args=(calls, reporter), daemon=True).start()
    session: dict[str, Any] = {}
    while (call := calls.get()) is not None:
        answer(call, session, reporter, write)


def _on_signals(reporter: Reporter) -> None:
    """Ctrl-C reaches the parent, too, and it is the parent who asks to stop; SIGTERM may come to this process alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: reporter.cancel(128 + number))


def _listen(calls: queue.Queue[dict[str, Any] | None], reporter: Reporter) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("cancel"):
            reporter.cancel(message.get("code", 130))
        else:
            reporter.cancelled.clear()  # it was meant for an earlier call
            reporter.wanted = 0
            calls.put(message)
    calls.put(None)
    reporter.cancelled.set()
    threading.Timer(GRACE, os._exit, (1,)).start()  # the parent is gone: don't go on in the middle of a long step


def answer(call: dict[str, Any], session: dict[str, Any], reporter: Reporter, write: Listener) -> None:
    """Call a function by its entry, and write its result or its error."""
    module, _, name = call["entry"].partition(":")
    try:
        if not module.startswith("bakeoff."):
            raise BakeoffError(f"worker: {call['entry']!r} is not one of Bakeoff's own functions")
        value = getattr(importlib.import_module(module), name)(session, reporter, **call.get("arguments", {}))
        write({"kind": "result", "value": value})
    except BakeoffError as error:
        write({"kind": "error", "type": type(error).__name__, "message": str(error), "arguments": _arguments(error)})
    except BaseException as error:
        text = "".join(traceback.format_exception(error))
        write(
            {"kind": "error", "type": "WorkerError", "message": f"{type(error).__name__}: {error}", "traceback": text}
        )


def _arguments(error: BakeoffError) -> list[Any]:
    """What to make the same error from, in the parent."""
    if isinstance(error, BadFilesError):
        return [list(error.files)]
    if isinstance(error, Cancelled):
        return [str(error), error.exit_code]
    if isinstance(error, MissingDependencyError):
        return [error.library, error.extra, error.purpose, error.remedy]
    return [str(error)]


if __name__ == "__main__":
    main()
