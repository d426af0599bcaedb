"""The worker and its parent: results, errors of their own class, death, cancelling, and the parent's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bakeoff import errors
from bakeoff.errors import Cancelled
from bakeoff.workers import launch
from bakeoff.workers.launch import Worker, environment

# Python runs a module of this name at its start: the functions that these tests call, inside the package as all entries
EXAM = '''
import sys, types

SOURCE = """
import os, sys, time
from bakeoff import errors

def echo(session, reporter, **arguments):
    session["calls"] = session.get("calls", 0) + 1
    return {"calls": session["calls"], **arguments}

def noisy(session, reporter):
    print("a library prints")
    os.write(1, b"and writes to the descriptor")
    return "quiet"

def fails(session, reporter, kind, arguments):
    raise getattr(errors, kind)(*arguments)

def unforeseen(session, reporter):
    return {}["nowhere"]

def not_json(session, reporter):
    return object()

def killed(session, reporter):
    print("last words", file=sys.stderr)
    os.kill(os.getpid(), 9)

def leaves(session, reporter):
    os._exit(3)

def counts(session, reporter, seconds=60.0):
    for number in range(int(seconds * 100)):
        reporter.progress("counting", number, 10**9)
        time.sleep(0.01)
    return number

def sleeps(session, reporter, grace):
    sys.modules["__main__"].GRACE = grace
    reporter.log("asleep")
    time.sleep(60)
"""
exam = types.ModuleType("bakeoff._exam")
exec(SOURCE, exam.__dict__)
sys.modules["bakeoff._exam"] = exam
'''


@pytest.fixture(scope="module", autouse=True)
def exam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("exam")
    (folder / "sitecustomize.py").write_text(EXAM, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        yield


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One that answers many calls: an error must not end it."""
    with Worker("onnxruntime") as found:
        yield found


def spawn() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bakeoff.workers.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment("onnxruntime", "cpu", None, "float32"),
    )


def ask(process: subprocess.Popen[str], entry: str, **arguments: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"entry": entry, "arguments": arguments}) + "\n")
    process.stdin.flush()


def test_a_result_comes_back_and_the_session_lasts(worker: Worker) -> None:
    first = worker.call("bakeoff._exam:echo", text="数字 é", numbers=[1, 2.5, None])
    again = worker.call("bakeoff._exam:echo")
    assert first == {"calls": 1, "text": "数字 é", "numbers": [1, 2.5, None]}
    assert again == {"calls": 2}


def test_what_libraries_print_does_not_mix_with_the_answer(worker: Worker) -> None:
    assert worker.call("bakeoff._exam:noisy") == "quiet"


@pytest.mark.parametrize(
    "kind",
    ["BakeoffError", "UsageError", "RecipeError", "DataError", "UnsupportedError", "VersionError", "ParityError"],
)
def test_an_error_arrives_as_itself(worker: Worker, kind: str) -> None:
    with pytest.raises(errors.BakeoffError) as caught:
        worker.call("bakeoff._exam:fails", kind=kind, arguments=["what came\nhow to mend it"])
    assert type(caught.value) is getattr(errors, kind)
    assert str(caught.value) == "what came\nhow to mend it"


def test_bad_files_arrive_with_their_names(worker: Worker) -> None:
    files = [["cat/a.jpg", "truncated"], ["cat/b.jpg", "0 bytes"]]
    with pytest.raises(errors.BadFilesError) as caught:
        worker.call("bakeoff._exam:fails", kind="BadFilesError", arguments=[files])
    assert caught.value.files == (("cat/a.jpg", "truncated"), ("cat/b.jpg", "0 bytes"))
    assert "2 files are not a readable image" in str(caught.value)


def test_a_missing_library_arrives_with_its_extra(worker: Worker) -> None:
    with pytest.raises(errors.MissingDependencyError) as caught:
        worker.call("bakeoff._exam:fails", kind="MissingDependencyError", arguments=["torch", "torch", "training"])
    assert (caught.value.library, caught.value.extra, caught.value.purpose) == ("torch", "torch", "training")


@pytest.mark.parametrize(("entry", "text"), [("unforeseen", "KeyError: 'nowhere'"), ("not_json", "TypeError")])
def test_an_unforeseen_error_brings_the_traceback_of_the_worker(worker: Worker, entry: str, text: str) -> None:
    with pytest.raises(errors.WorkerError, match=text) as caught:
        worker.call(f"bakeoff._exam:{entry}")
    notes = "".join(caught.value.__notes__)
    assert "Traceback (most recent call last)" in notes
    assert text in notes
    assert worker.call("bakeoff._exam:noisy") == "quiet"  # and the worker goes on


@pytest.mark.parametrize("entry", ["os:getcwd", "bakeoffs.train:work", "bakeoff:load", "subprocess:run"])
def test_entries_outside_the_package_are_refused(worker: Worker, entry: str) -> None:
    with pytest.raises(errors.BakeoffError, match="not one of Bakeoff's own functions"):
        worker.call(entry)


@pytest.mark.clock
def test_a_killed_worker_is_known_at_once() -> None:
    with Worker("onnxruntime") as doomed:
        began = time.perf_counter()
        with pytest.raises(errors.WorkerError) as caught:
            doomed.call("bakeoff._exam:killed")
        assert time.perf_counter() - began < 5
        text = str(caught.value)
        assert "signal 9" in text
        assert "out of memory?" in text
        assert "last words" in text
        with pytest.raises(errors.WorkerError, match="signal 9"):  # and a later call doesn't hang
            doomed.call("bakeoff._exam:echo")


def test_a_worker_that_leaves_says_its_exit_code() -> None:
    with Worker("onnxruntime") as leaving, pytest.raises(errors.WorkerError, match="exit code 3"):
        leaving.call("bakeoff._exam:leaves")


def test_cancel_stops_at_the_next_step_and_leaves_the_worker_of_use(worker: Worker) -> None:
    heard: list[dict[str, Any]] = []

    def listen(message: dict[str, Any]) -> None:
        heard.append(message)
        if len(heard) == 2:
            worker.cancel()

    with pytest.raises(Cancelled, match="stopped in counting at") as caught:
        worker.call("bakeoff._exam:counts", listen)
    assert caught.value.exit_code == 130
    assert {message["kind"] for message in heard} == {"progress"}
    assert worker.call("bakeoff._exam:counts", seconds=0.05) == 4  # the next call isn't cancelled with it


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process stands still there")
def test_a_worker_that_was_stopped_is_named_and_hears_that_it_is_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent waited in silence for ever, Ctrl-C or not."""
    monkeypatch.setattr(launch, "LOOK_S", 0.05)
    said: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["kind"] == "log":
            said.append(message["text"])
            one.cancel(143)
        elif not said:
            os.kill(one.pid, signal.SIGSTOP)

    with Worker("onnxruntime") as one, pytest.raises(Cancelled) as caught:
        one.call("bakeoff._exam:counts", listen)
    assert caught.value.exit_code == 143
    assert said == [f"the onnxruntime worker, process {one.pid}, was stopped. Let it go on: kill -CONT {one.pid}"]


@pytest.mark.clock
def test_leaving_the_block_by_an_error_ends_a_worker_in_work() -> None:
    began = time.perf_counter()
    with pytest.raises(ZeroDivisionError), Worker("onnxruntime") as busy:
        busy.call("bakeoff._exam:counts", lambda message: 1 // 0)
    assert time.perf_counter() - began < 3
    assert busy._process.returncode == -9


@pytest.mark.clock
@pytest.mark.parametrize(
    ("entry", "given", "said", "within_s", "code"),
    [
        ("echo", {}, {"kind": "result"}, 2, 0),
        ("counts", {}, {"kind": "progress"}, 2, 0),
        ("sleeps", {"grace": 0.2}, {"text": "asleep"}, 3, 1),
    ],
    ids=["idle", "in work", "in a long step, after a grace"],
)
def test_a_worker_ends_with_its_parent(
    entry: str, given: dict[str, Any], said: dict[str, str], within_s: float, code: int
) -> None:
    process = spawn()
    ask(process, f"bakeoff._exam:{entry}", **given)
    assert process.stdin is not None
    assert process.stdout is not None
    assert said.items() <= json.loads(process.stdout.readline()).items()
    process.stdin.close()
    assert process.wait(timeout=within_s) == code
    process.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("tensorflow", "cpu", None, "float32"), {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}),
        (("jax", "cpu", 1, "float64"), {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}),
        (("torch", "cpu", 2, "float32"), {"OMP_NUM_THREADS": "2"}),
    ],
)
def test_the_environment_of_a_worker(arguments: tuple[Any, ...], expected: dict[str, str]) -> None:
    found = environment(*arguments)
    assert {key: found.get(key) for key in expected} == expected


def test_a_gpu_is_not_hidden_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert environment("torch", "auto", None, "float32")["CUDA_VISIBLE_DEVICES"] == "0"
    assert environment("torch", "cpu", None, "float32")["CUDA_VISIBLE_DEVICES"] == ""


def test_a_listener_whose_own_reader_is_gone_ends_the_call() -> None:
    """As `bakeoff train 2>&1 | head -1`: taken for the worker's end, it was waited for, for ever."""

    def listen(message: dict[str, Any]) -> None:
        raise BrokenPipeError

    with Worker("onnxruntime") as one, pytest.raises(BrokenPipeError):
        one.call("bakeoff._exam:counts", listen)


def test_a_step_that_hears_nothing_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As XLA, which compiles for minutes: asked to stop twice, it is ended once, with the code of the last signal."""
    monkeypatch.setattr(launch, "PATIENCE_S", 0.5)
    with Worker("none") as worker:

        def asked(message: dict[str, Any]) -> None:
            if message.get("text") == "asleep":
                worker.cancel(130)
                worker.cancel(143)

        begun = time.monotonic()
        with pytest.raises(Cancelled, match=r"the step didn't end within 0\.5 s") as caught:
            worker.call("bakeoff._exam:sleeps", asked, grace=9)
        assert (caught.value.exit_code, time.monotonic() - begun < 20) == (143, True)


def test_a_step_that_ends_in_time_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PATIENCE_S", 1.0)
    with Worker("none") as worker:
        with pytest.raises(Cancelled, match="stopped in counting"):
            worker.call("bakeoff._exam:counts", lambda _: worker.cancel(130))
        time.sleep(1.5)
        assert worker.call("bakeoff._exam:echo") == {"calls": 1}
