"""Several workers whose gradients the framework adds, through the front door; also tests/frameworks/test_native.py."""

from __future__ import annotations

import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import recipe, write_images
from test_workers import _workers

from bakeoff.bundle import read
from bakeoff.cli import main
from bakeoff.errors import Cancelled, PeerError, UsageError, WorkerError
from bakeoff.recipe import to_toml
from bakeoff.rundir.readers import read_json, read_lines
from bakeoff.training.api import resume, train
from bakeoff.training.job import Job, check
from bakeoff.training.options import Options
from bakeoff.training.together import gpu_of
from bakeoff.workers.team import within

MLP = 'strategy = "finetune"\nepochs = 2\nbatch_size = 15\nschedule.peak = 0.01\noptimizer = { name = "adamw" }'
"""38 images to train on: batches of 15, 15 and 8."""
LONG = 'strategy = "finetune"\nepochs = 30\nbatch_size = 15\nschedule.peak = 0.01\noptimizer = { name = "sgd" }'
LOSS, WEIGHTS = 1e-5, 1e-4  # relative, in float32: sums in another order
MODEL = 'name = "mnist_mlp"\narguments = { dropout = 0.0 }'
needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("pictures"), {"a": 24, "b": 24}, size=(16, 16))


def trained(pictures: Path, written: Any, run: Path, workers: int, reduce: str = "native", **more: Any) -> Any:
    options = Options(workers=workers, reduce=reduce, checkpoint_every="2", **more)
    return train(pictures, written, framework="torch", run=run, quiet=True, options=options)


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_lines(run / "metrics.jsonl")]


def apart(one: Path, other: Path) -> float:
    """The largest difference of two runs' weights, relative to the largest weight."""
    a, b = (read(path / "bundle").graph.arrays() for path in (one, other))
    top = max(float(np.abs(array).max()) for array in b.values())
    return max(float(np.abs(a[name] - array).max()) for name, array in b.items()) / top


@needs_torch
def test_two_workers_train_as_one_does_within_rounding(pictures: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path, workers in ((one, 1), (two, 2)):
        found = trained(pictures, recipe(MLP, MODEL), path, workers)
        assert (found.result["workers"], found.result["reduce"]) == (workers, "native")
        assert len(losses(path)) == 6
    np.testing.assert_allclose(losses(two), losses(one), rtol=LOSS)
    assert 0 < apart(two, one) < WEIGHTS
    assert "own collective (native)" in _report(two)  # the apostrophe before it is escaped
    assert "shards" not in (two / "recipe.toml").read_text()


def _report(run: Path) -> str:
    from bakeoff.reports import report

    return report(run).read_text()


@needs_torch
def test_synchronised_batch_norm_sees_the_whole_batch(pictures: Path, tmp_path: Path) -> None:
    """What is local, and parts, is told from it by tests/frameworks/test_native.py."""
    chosen = recipe(MLP.replace("2", "1") + '\nbatch_norm = "synchronised"', 'name = "mnist_cnn"')
    for name, workers in (("one", 1), ("two", 2)):
        trained(pictures, chosen, tmp_path / name, workers, precision="float64")
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-12)


def test_synchronised_batch_norm_is_refused_where_it_cannot_be(tmp_path: Path) -> None:
    chosen = recipe(MLP + '\nbatch_norm = "synchronised"\nshards = 2')
    for framework, reduce, said in (
        ("torch", "exact", "it needs --reduce native"),
        ("tensorflow", "native", "not in TensorFlow yet"),
        ("jax", "native", "not in JAX yet"),
    ):
        job = Job("d", to_toml(chosen), framework, str(tmp_path), workers=2, reduce=reduce)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match=said):
            check(job, chosen)
    check(Job("d", to_toml(chosen), "torch", str(tmp_path), workers=2, reduce="native"), chosen)


def test_more_workers_than_images_of_a_batch(tmp_path: Path) -> None:
    job = Job("d", to_toml(recipe(MLP, MODEL)), "torch", str(tmp_path), workers=16, reduce="native")
    with pytest.raises(UsageError, match="--workers 16: more than the 15 images of a batch"):
        check(job, recipe(MLP, MODEL))


@pytest.mark.parametrize("given", [{"reduce": "native"}, {"reduce": "quick", "workers": 2}, {"reduce": None}])
def test_what_reduce_may_be(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="reduce="):
        Options(**given)


def test_a_run_goes_on_as_it_began(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(tmp_path), "--reduce", "native"]) == 2
    assert "leave the other options out" in " ".join(capsys.readouterr().err.split())


@needs_torch
def test_a_killed_worker_costs_an_interval(pictures: Path, tmp_path: Path) -> None:
    """With as many workers the sums have one order, too: the end has the bits of a run in which nobody died."""
    whole = trained(pictures, recipe(MLP, MODEL), tmp_path / "whole", 2)
    killed: list[int] = []

    def kill(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and message["done"] > 30 and not killed:
            killed.append(_workers(os.getpid())[-1])
            os.kill(killed[0], signal.SIGKILL)

    found = trained(pictures, recipe(MLP, MODEL), tmp_path / "run", 2, listen=kill)
    (again,) = found.result["restarts"]
    assert "signal 9" in again["why"]
    assert found.result["weights_sha256"] == whole.result["weights_sha256"]


@needs_torch
def test_it_goes_on_with_another_number_of_workers(pictures: Path, tmp_path: Path) -> None:
    def stop(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and message["done"] > 30:
            raise KeyboardInterrupt

    with pytest.raises((Cancelled, KeyboardInterrupt)):
        trained(pictures, recipe(LONG, MODEL), tmp_path / "run", 1, listen=stop)
    found = resume(tmp_path / "run", workers=2, quiet=True)
    assert found.result["resumed_from"] < found.result["phases"][0]["steps"]
    assert (found.result["workers"], found.result["reduce"]) == (2, "native")
    assert read_json(tmp_path / "run" / "job.json")["reduce"] == "native"
    trained(pictures, recipe(LONG, MODEL), tmp_path / "whole", 1)
    assert apart(tmp_path / "run", tmp_path / "whole") < WEIGHTS


@needs_torch
def test_a_worker_that_hangs_ends_the_job(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.training.places import local

    monkeypatch.setattr(local, "IN_VAIN", 1)
    stopped: list[int] = []

    def stop(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and not stopped:
            stopped.append(_workers(os.getpid())[-1])
            os.kill(stopped[0], signal.SIGSTOP)

    began = time.monotonic()
    with pytest.raises((PeerError, WorkerError), match="said nothing for 2 s"):
        trained(pictures, recipe(MLP, MODEL), tmp_path / "run", 2, listen=stop, worker_timeout="2s")
    assert time.monotonic() - began < 60
    assert "Current thread" in (tmp_path / "run" / "workers.log").read_text()


def test_workers_of_a_machine_take_its_gpus_in_turns() -> None:
    hosts = ["a", "b", "a", "a", "b"]
    assert [gpu_of(rank, hosts, ["4", "6"]) for rank in range(5)] == ["4", "4", "6", "4", "6"]


def test_a_library_that_waits_for_ever_is_left_behind() -> None:
    began = time.monotonic()
    with pytest.raises(PeerError, match=r"said nothing for 0\.2 s"):
        within(0.2, lambda: time.sleep(3))
    assert time.monotonic() - began < 2
    with pytest.raises(PeerError, match="is gone: RuntimeError: connection reset"):
        within(5, lambda: _raise(RuntimeError("connection reset")))
    with pytest.raises(UsageError, match="newer JAX"):  # of its own, it stays what it is
        within(5, lambda: _raise(UsageError("newer JAX")))
    assert within(5, lambda: 7) == 7


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.slow
@pytest.mark.parametrize("framework", [name for name in ("tensorflow", "jax") if find_spec(name)])
def test_the_other_frameworks_too(framework: str, pictures: Path, tmp_path: Path) -> None:
    """The collective stands before the framework computes anything, with the threads that were asked for."""
    for path, workers in ((tmp_path / "one", 1), (tmp_path / "two", 2)):
        options = Options(workers=workers, reduce="native", checkpoint_every=None)
        train(pictures, recipe(MLP, MODEL), framework=framework, run=path, quiet=True, options=options)
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=LOSS)
    assert 0 < apart(tmp_path / "two", tmp_path / "one") < WEIGHTS
    threads = read_json(tmp_path / "two" / "environment.json").get("tensorflow threads")
    assert threads in (None, "1")
