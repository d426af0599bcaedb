"""Going on: stopped at any step, a training ends as if nothing had been; what spoils it is named and not saved."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from rooms import context, recipe, small
from test_loop import Softmax

from bakeoff.data import Data
from bakeoff.errors import (
    BakeoffError,
    Cancelled,
    CorruptError,
    DataError,
    NoSpaceError,
    NotFiniteError,
    OutOfMemoryError,
    UsageError,
)
from bakeoff.rundir import checkpoint
from bakeoff.rundir.folder import Run
from bakeoff.rundir.lock import RunLock
from bakeoff.rundir.readers import read_lines
from bakeoff.schemas import Array
from bakeoff.training.api import resume, train
from bakeoff.training.loop import epochs as loop_module
from bakeoff.training.loop.cadence import Cadence, Every, parse
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.loop.epochs import Loop

SETTINGS = 'strategy = "finetune"\nschedule.peak = 0.5\nepochs = 3\nbatch_size = 16\nkeep = "best"\n'


class Momentum(Softmax):
    """Softmax regression with a slot, and a mask that depends on the batch's number."""

    def __init__(self) -> None:
        super().__init__()
        self.velocity, self.batch = np.zeros_like(self.kernel), 0

    def compile(self, *arguments: Any) -> None:
        self.kernel, self.velocity = np.zeros_like(self.kernel), np.zeros_like(self.kernel)

    def gradients(self, images: Array, labels: Array) -> Any:
        self.batch += 1
        return super().gradients(images * np.cos(self.batch), labels)

    def gradient_arrays(self) -> dict[str, Array]:
        return {"kernel": self.sum / self.count}

    def apply(self, rate: float) -> None:
        self.velocity = 0.9 * self.velocity + self.sum / self.count
        self.kernel = self.kernel - rate * self.velocity
        self.sum, self.count = np.zeros_like(self.kernel), 0

    def slots(self) -> Any:
        return {"kernel": {"momentum": self.velocity.copy()}}

    def load_slots(self, slots: Any, step: int) -> None:
        self.velocity = slots["kernel"]["momentum"].copy()

    def seek(self, batch: int) -> None:
        self.batch = batch


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("images"), a=45, b=45, c=45)


class Session:
    """One process's share of a training."""

    def __init__(self, data: Data, folder: Path, settings: str = SETTINGS, net: Any = None, every: str = "1 steps"):
        chosen = recipe(settings)
        if folder.exists():
            found = checkpoint.load(folder)
            base = context(data, chosen, folder.with_name(f"{folder.name}-unused-{time.time_ns()}"))
            object.__setattr__(base, "run", Run(folder))
        else:
            found, base = None, context(data, chosen, folder)
        base.run.rewind(found.meta["logs"] if found else {})
        object.__setattr__(base, "kept", Checkpointer(base.run, parse(every), found=found))
        self.context, self.net = base, net or Momentum()
        self.loop = Loop(base, self.net, chosen.phases[0])
        self.loop.begin()
        if found:
            self.loop.restore(found)

    def run(self) -> dict[str, Any]:
        try:
            return self.loop.run()
        finally:
            self.context.run.close()


def end(run: Path) -> tuple[Any, ...]:
    """All that must not depend on interruptions."""
    found = checkpoint.load(run)
    assert found is not None
    epochs = [{k: v for k, v in row.items() if "wall" not in k} for row in read_lines(run / "epochs.jsonl")]
    state = {k: v for k, v in found.meta["state"].items() if "seconds" not in k}
    arrays = {key: array.tobytes() for key, array in found.arrays.items()}
    return arrays, state, (run / "metrics.jsonl").read_bytes(), epochs


@pytest.fixture(scope="module")
def uninterrupted(data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    run = tmp_path_factory.mktemp("runs") / "whole"
    Session(data, run, every="1h").run()
    return end(run)


@pytest.mark.parametrize("every", ["1", "3 steps", "5", "0.000001s"])
@pytest.mark.parametrize("stops", [[1], [4], [7], [8], [3, 3, 3], [1] * 9])
def test_stopped_anywhere_it_ends_the_same(
    data: Data, tmp_path: Path, uninterrupted: Any, every: str, stops: list[int]
) -> None:
    for calls in stops:
        session = Session(data, tmp_path / "run", every=every)
        _die_after(session, calls)
        with suppress(KeyboardInterrupt):  # a training of few, long calls ends before
            session.run()
    Session(data, tmp_path / "run", every=every).run()
    assert end(tmp_path / "run") == uninterrupted


def _die_after(session: Session, calls: int) -> None:
    """As if by kill -9 in the middle of a chunk: nothing is saved any more."""
    real, left = session.net.steps, calls

    def steps(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(*arguments)

    session.net.steps = steps


@pytest.mark.parametrize("phase", ["finetune", "evaluate validation"])
def test_a_stop_that_was_asked_for_saves_the_last_step(
    data: Data, tmp_path: Path, uninterrupted: Any, phase: str
) -> None:
    session = Session(data, tmp_path / "run", every="1h")

    def listen(message: dict[str, Any]) -> None:
        if message.get("phase") == phase:
            session.context.reporter.cancel(143)

    session.context.reporter.listen(listen)
    with pytest.raises(Cancelled, match="stopped at step") as caught:
        session.run()
    assert caught.value.exit_code == 143
    again = Session(data, tmp_path / "run", every="1h")
    assert again.loop.state.step == session.loop.state.step > 0
    again.run()
    assert end(tmp_path / "run") == uninterrupted


@pytest.mark.parametrize("at", range(10))
def test_on_a_full_disk_the_training_stops_and_goes_on_later(
    data: Data, tmp_path: Path, uninterrupted: Any, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    session = Session(data, tmp_path / "run", every="2 steps")
    calls, real = 0, os.fsync

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 4 * at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(NoSpaceError, match=r"no space left; this write needs"):
            session.run()
    Session(data, tmp_path / "run", every="2 steps").run()
    assert end(tmp_path / "run") == uninterrupted


# NaN ------------------------------------------------------------------------------------------------------------------


def planted(data: Data, run: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> Session:
    """A training that meets a NaN in its tenth batch."""
    session, count = Session(data, run, every="2 steps"), 0
    images, labels = type(session.context).images, Loop.labels
    record = int(list(_batches(session))[2].records[3])  # of the first epoch, in its third batch

    def bad_images(self: Any, batch: Any) -> Array:
        found = images(self, batch).copy()
        found[batch.records == record] = np.nan
        return found

    def bad_labels(self: Any, batch: Any) -> Array:
        soft = np.eye(3, dtype="float32")[labels(self, batch)]
        soft[batch.records == record] = np.nan
        return soft

    if where == "image":
        monkeypatch.setattr(type(session.context), "images", bad_images)
    elif where == "label":
        monkeypatch.setattr(Loop, "labels", bad_labels)
        monkeypatch.setattr(Momentum, "gradients", _soft_gradients)
    else:
        session.loop.rate = lambda step: math.nan if step == 2 else 0.5
    del count
    return session


def _batches(session: Session) -> Any:
    return session.loop.batches()


def _soft_gradients(self: Any, images: Array, labels: Array) -> Any:
    from bakeoff.schemas import StepResult

    self.batch += 1
    hard = np.nan_to_num(labels).argmax(1)
    result = Softmax.gradients(self, images * np.cos(self.batch), hard)
    return StepResult(result.loss + float((0 * labels).sum()), result.count)


@pytest.mark.parametrize("where", ["image", "label", "rate"])
def test_a_nan_stops_before_the_update(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    session = planted(data, tmp_path / "run", monkeypatch, where)
    record = int(list(_batches(session))[2].records[3])
    session.loop.graph = _Graph()  # type: ignore[assignment]
    with pytest.raises(NotFiniteError) as caught:
        session.run()
    text = str(caught.value)
    assert "step 2" in text
    assert "checkpoint of step 2 stands" in text
    assert text.count("\n") <= 2
    if where == "rate":
        assert "rate of nan" in text
    else:
        assert f"the {where} of record {record} is not finite" in text
    found = checkpoint.load(tmp_path / "run")
    assert found is not None
    assert found.meta["state"]["step"] == 2
    assert np.isfinite(session.net.kernel).all()
    assert [row["step"] for row in read_lines(tmp_path / "run" / "metrics.jsonl")] == [0, 1]


class _Graph:
    """Stands for a net's graph: its start weights."""

    parameters: ClassVar[dict[str, Any]] = {}

    def arrays(self) -> dict[str, Array]:
        return {"kernel": np.zeros((16, 3))}


# Memory ---------------------------------------------------------------------------------------------------------------


class Greedy(Momentum):
    """Needs too much for more than five images."""

    def gradients(self, images: Array, labels: Array) -> Any:
        if len(images) > 5:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return super().gradients(images, labels)


def test_out_of_memory_names_the_batch_that_fits(data: Data, tmp_path: Path) -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        Session(data, tmp_path / "run", net=Greedy()).run()
    assert "batches of 16 images; 4 fit" in str(caught.value)
    assert "--set phases.0.batch_size=4 --set phases.0.accumulate=4" in str(caught.value)


def test_another_error_is_not_taken_for_it(data: Data, tmp_path: Path) -> None:
    class Broken(Momentum):
        def gradients(self, images: Array, labels: Array) -> Any:
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Session(data, tmp_path / "run", net=Broken()).run()


# How often ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", Every(seconds=30)),
        ("5m", Every(seconds=300)),
        ("0.5 s", Every(seconds=0.5)),
        ("100", Every(steps=100)),
        ("100 steps", Every(steps=100)),
        ("1 step", Every(steps=1)),
    ],
)
def test_how_often(text: str, expected: Every) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "0", "0s", "-1s", "1.5 steps", "3 fortnights", "nan"])
def test_what_says_nothing_of_how_often(text: str) -> None:
    with pytest.raises(UsageError, match="--checkpoint-every"):
        parse(text)


@pytest.mark.parametrize("every", [1, 3, 64, 97, 100, 130])
def test_steps_taken_at_once_end_at_every_multiple(every: int) -> None:
    cadence, step, saved = Cadence(Every(steps=every)), 0, []
    while step < 500:
        step += min(cadence.stretch(step, 64), 500 - step)
        if cadence.due(step):
            saved.append(step)
            cadence.wrote(step, 0.0)
    assert saved == list(range(every, 501, every))


def test_a_slow_disk_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    cadence = Cadence(Every(seconds=30))
    now = 131.0
    assert cadence.due(1)
    cadence.wrote(1, seconds=6.0)
    now += 100
    assert not cadence.due(2)
    now += 21
    assert cadence.due(3)


# The run folder -------------------------------------------------------------------------------------------------------


def test_two_processes_don_t_share_a_run(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from bakeoff.rundir.lock import RunLock\n"
        "with RunLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        other.stdout.readline()
        with pytest.raises(UsageError, match=f"in use by process {other.pid}"), RunLock(tmp_path, 0.2):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with RunLock(tmp_path, 0.2):  # kill -9 frees it
        pass


PROBE = ["input.size=[32,32]", "data.split.train=0.6", "data.split.validation=0.2", "data.split.test=0.2"]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished probe, and the settings it was made with."""
    root = tmp_path_factory.mktemp("probe")
    images = Path(small(root / "data", a=14, b=14).path)
    return images, train(images, "photos", run=root / "run", overrides=PROBE, phases=["probe"])


def test_a_finished_run_gives_its_result(probed: Any) -> None:
    assert resume(probed[1].path).result == probed[1].result
    assert probed[1].result["resumed_from"] is None


def test_a_probe_goes_on_from_its_start(probed: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("job.json", "recipe.toml", "manifest.json", "metrics.jsonl"):
        (run / name).write_bytes((probed[1].path / name).read_bytes())
    (run / "metrics.jsonl").write_bytes(b'{"step": 0, "lo')  # torn by the kill
    found = resume(run)
    assert found.result["weights_sha256"] == probed[1].result["weights_sha256"]
    assert found.result["resumed_from"] == 0
    assert (run / "metrics.jsonl").read_bytes() == (probed[1].path / "metrics.jsonl").read_bytes()


def _full_after(calls: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From the call of that number on, nothing can be written below the folder; what was written before it."""
    done: list[str] = []
    places: dict[int | None, Path] = {}  # of folders that are open

    def full(name: str, real: Any) -> Any:
        def call(path: Any, *arguments: Any, **more: Any) -> Any:
            place = places.get(more.get("dir_fd", more.get("src_dir_fd")), Path()) / path
            if str(place).startswith(str(folder)) and (name != "open" or arguments[0] & os.O_CREAT):
                if len(done) == calls:
                    raise OSError(errno.ENOSPC, "No space left on device")
                done.append(f"{name} {place}")
            found = real(path, *arguments, **more)
            if name == "open":
                places[found] = place
            return found

        return call

    for name in ("open", "replace"):
        monkeypatch.setattr(os, name, full(name, getattr(os, name)))
    return done


def test_whatever_a_full_disk_refuses_is_named(probed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock, recipe, split, audit, logs, predictions, bundle, result: at every write; then there is room again."""
    at = 0
    while True:
        run = tmp_path / str(at)
        with monkeypatch.context() as patch:
            done = _full_after(at, run, patch)
            try:
                found = train(probed[0], "photos", run=run, overrides=PROBE, phases=["probe"])
                break
            except NoSpaceError as error:
                said = str(error)
            assert str(run) in said
            assert len(done) == at
        if at % 4 == 0 and (run / "job.json").is_file():
            assert resume(run).result["weights_sha256"] == probed[1].result["weights_sha256"]
        at += 1
    assert found.result["weights_sha256"] == probed[1].result["weights_sha256"]
    assert at > 20


def test_other_images_are_refused(probed: Any, tmp_path: Path) -> None:
    images = Path(small(tmp_path / "others", a=13, b=12).path)
    run = tmp_path / "run"
    run.mkdir()
    for name in ("job.json", "recipe.toml", "manifest.json"):
        (run / name).write_bytes((probed[1].path / name).read_bytes())
    with pytest.raises(DataError, match="not those that"):
        resume(run, data=images)


def test_what_is_no_run_is_refused(probed: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"job\.json is missing"):
        resume(tmp_path)
    (tmp_path / "job.json").write_text(json.dumps({"schema": 1, "data": "x"}))
    with pytest.raises(CorruptError, match=r"job\.json"):
        resume(tmp_path)
    with pytest.raises(BakeoffError, match="--resume"):
        train(probed[0], "photos", run=probed[1].path)


def test_a_log_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    run = Run(tmp_path / "run").create()
    run.line("metrics.jsonl", {"step": 0})
    positions = run.positions()
    run.close()
    (run.path / "metrics.jsonl").write_text("")
    with pytest.raises(CorruptError, match="cut short"):
        run.rewind(positions)


def test_the_noise_does_not_depend_on_chunks(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for steps in (1, 3, 64):
        monkeypatch.setattr(loop_module, "CHUNK_STEPS", steps)
        Session(data, tmp_path / str(steps), every="1h").run()
        ends.append(end(tmp_path / str(steps)))
    assert ends[0] == ends[1] == ends[2]
