"""A process that holds one framework and answers a question a line; one that crashes or takes too long starts anew.

A module that is asked has functions of keyword arguments that JSON can carry, and ends with `serve(...)`.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

BENCH = Path(__file__).resolve().parent
# oneDNN: TensorFlow 2.21 dies of a broken heap in float32 training of mobileone_s1 where it has one or two threads.
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "TF_ENABLE_ONEDNN_OPTS": "0"}
Answer = dict[str, Any]


def serve(*functions: Callable[..., Answer]) -> None:
    """Answer lines of {"call": name, ...} until stdin closes; what libraries print goes to stderr."""
    known = {function.__name__: function for function in functions}
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = known[asked.pop("call")](**asked)
        except Exception as error:
            answer = {"error": "".join(traceback.format_exception(error))[-2500:]}
        channel.write(json.dumps(answer) + "\n")
        channel.flush()


class Child:
    """The asking side. `ask` never raises for what the process does: its answer then has an "error"."""

    def __init__(self, script: str, environment: dict[str, str]) -> None:
        self.script, self.environment = script, environment
        self._process: subprocess.Popen[str] | None = None

    def ask(self, call: str, limit: float, **arguments: Any) -> Answer:
        """One question, at most `limit` seconds; the seconds that it took are in the answer, as NAME_s."""
        begun = time.perf_counter()
        answer = self._answer(json.dumps({"call": call, **arguments}), limit)
        return answer | ({} if "error" in answer else {f"{call}_s": round(time.perf_counter() - begun, 1)})

    def _answer(self, line: str, limit: float) -> Answer:
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], limit)[0]:
                self.close()
                return {"error": f"more than {limit:.0f} s"}
            answered = process.stdout.readline()
        except BrokenPipeError:
            answered = ""
        if answered:
            return dict(json.loads(answered))
        code = process.wait()
        self._stderr.seek(0)
        tail = " ".join(line for line in self._stderr.read().splitlines() if line.strip())[-400:]
        self.close()
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        return {"error": f"the process died: {why}{' (out of memory?)' if code == -9 else ''}: {tail}"}

    def _started(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(BENCH / self.script)]
        pipe = subprocess.PIPE
        environment = {**os.environ, **QUIET, **self.environment}
        self._stderr = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._stderr, text=True, env=environment)

    def close(self) -> None:
        """End the process; the next question starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
