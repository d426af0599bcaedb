"""The parent's side of a worker."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from bakeoff import errors, system
from bakeoff.workers.channel import Listener

LOOK_S = 5.0  # between two looks at whether a worker stands still
PATIENCE_S = 30.0  # for a step that was asked to end: XLA compiles for minutes and hears nothing; Kubernetes waits 30 s
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """A process that holds one framework. Use it as a context manager: it ends with the block.

    Args:
        framework: torch, tensorflow, jax, or onnxruntime (no training framework).
        device, threads: what the environment of the process is set to.
        folder: where it works; None: where its parent does.
    """

    def __init__(
        self,
        framework: str,
        *,
        device: str = "cpu",
        threads: int | None = None,
        precision: str = "float32",
        folder: str | None = None,
    ) -> None:
        self.framework = framework
        self._asked: int | None = None  # the exit code with which the running call was asked to stop
        self._running: threading.Event | None = None  # set where that call has ended
        self._late = False  # whether it was ended because it didn't
        self._stderr = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        with system.unheld():
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bakeoff.workers.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
                encoding="utf-8",
                env=environment(framework, device, threads, precision),
                cwd=folder,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def call(self, entry: str, listen: Listener | None = None, /, **arguments: Any) -> Any:
        """Call `module:function` in the worker and wait for its result.

        Raises:
            BakeoffError: what the function raised, of its own class.
            WorkerError: the process died, or an error that nobody foresaw; `.traceback` has the worker's.
            Cancelled: it was asked to stop, and ended in time or was ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        done = self._running = threading.Event()
        self._asked = None
        if listen:
            threading.Thread(target=self._watch, args=(done, listen), daemon=True).start()
        try:
            with contextlib.suppress(
                BrokenPipeError
            ):  # the worker's; where `listen` writes to one, that is the caller's
                self._process.stdin.write(json.dumps({"entry": entry, "arguments": arguments}) + "\n")
                self._process.stdin.flush()
            for line in self._process.stdout:
                message = json.loads(line)
                if message["kind"] == "result":
                    return message["value"]
                if message["kind"] == "error":
                    raise _error(message)
                if listen:
                    listen(message)
        finally:
            done.set()
        raise self._died()

    def _watch(self, done: threading.Event, listen: Listener) -> None:
        """Say it once where the process was stopped by somebody: it would be waited for in silence, for ever."""
        while not done.wait(LOOK_S):
            if system.stopped(self.pid):
                text = (
                    f"the {self.framework} worker, process {self.pid}, was stopped. Let it go on: kill -CONT {self.pid}"
                )
                listen({"kind": "log", "text": text})
                return

    def cancel(self, code: int = 130) -> None:
        """Ask the running function to stop at its next step boundary, with that exit code; end what doesn't in time."""
        if self._process.stdin and self._process.poll() is None:
            if self._asked is None and self._running:
                threading.Thread(target=self._end, args=(self._running,), daemon=True).start()
            self._asked = code
            system.go_on(self.pid)  # one that was stopped hears nothing
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps({"cancel": True, "code": code}) + "\n")
                self._process.stdin.flush()

    def _end(self, done: threading.Event) -> None:
        if not done.wait(PATIENCE_S):
            self._late = True
            self._process.kill()

    def _died(self) -> errors.BakeoffError:
        code = self._process.wait()
        if self._asked is not None and self._late:
            return errors.Cancelled(f"stopped at once: the step didn't end within {PATIENCE_S:g} s", self._asked)
        tail = [line for line in self.said().splitlines() if line.strip()][-1:]
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        hint = " (out of memory? use a smaller batch_size)" if code == -9 else ""
        error = errors.WorkerError(f"the {self.framework} worker died: {why}{hint}. {' '.join(tail)[:300]}".strip())
        error.died = True
        return error

    def said(self) -> str:
        """What it wrote to stderr so far."""
        return system.read_beside(self._stderr.fileno()).decode("utf-8", "replace")

    def ask_for_stacks(self) -> None:
        """Make it tell where its threads are: `said` has it soon."""
        system.ask_for_stacks(self.pid)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """Let the process end; kill it if it does not."""
        if self._process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._stderr.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
        self.close()


def environment(framework: str, device: str, threads: int | None, precision: str) -> dict[str, str]:
    """The worker's environment: the backend of Keras, quiet logs, and threads where a library reads them at import.

    No module comes from the working folder, which may be what others made: `python -m` would look there first.
    """
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH", "")]))
    if framework in ("tensorflow", "jax"):
        env["KERAS_BACKEND"] = framework
    if device == "cpu":
        env["CUDA_VISIBLE_DEVICES"] = ""
        if framework == "jax":
            env["JAX_PLATFORMS"] = "cpu"
    if framework == "jax" and precision == "float64":
        env["JAX_ENABLE_X64"] = "1"
    if threads:
        env["OMP_NUM_THREADS"] = str(threads)
        if framework == "jax" and threads == 1:
            flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            env["XLA_FLAGS"] = " ".join(filter(None, [os.environ.get("XLA_FLAGS", ""), flags]))
    return env


def _error(message: dict[str, Any]) -> errors.BakeoffError:
    kind = getattr(errors, message["type"], None)
    if kind is None and "arguments" in message:
        kind = errors.BakeoffError  # a class of some room: its message and nothing else matters
    if kind is None or "arguments" not in message:
        error = errors.WorkerError(message["message"])
        error.add_note(message.get("traceback", ""))
        return error
    arguments = message["arguments"]
    if kind is errors.BadFilesError:
        arguments = [[tuple(pair) for pair in arguments[0]]]
    found: errors.BakeoffError = kind(*arguments)
    return found
