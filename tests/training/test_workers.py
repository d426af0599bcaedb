"""Several workers at one training: the same bits for any number of them, through deaths and restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small, write_images
from test_loop import Softmax

from bakeoff.data import Data
from bakeoff.data.share import Share
from bakeoff.errors import Cancelled, PeerError, UsageError, WorkerError
from bakeoff.rundir.readers import read_lines
from bakeoff.schemas import Array
from bakeoff.training.api import resume, train
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.loop.sharded import Sharded
from bakeoff.training.options import Options
from bakeoff.training.places import env
from bakeoff.workers.sums import cover, own, total
from bakeoff.workers.team import Team, join, lead

PAIRS = [(world, shards) for shards in (1, 2, 3, 4, 6, 8, 12) for world in range(1, shards + 1) if shards % world == 0]


def added(vectors: dict[int, Array], world: int, shards: int) -> Array:
    """The sum as `world` workers make it."""
    held: dict[Any, Any] = {}
    for rank in range(world):
        mine = {(k, k + 1): vectors[k].copy() for k in own(rank, world, shards) if k in vectors}
        held |= {node: total(node, mine) for node in cover((0, shards), own(rank, world, shards))}
    found = total((0, shards), {node: vector for node, vector in held.items() if vector is not None})
    assert found is not None
    return found


@pytest.mark.parametrize(("world", "shards"), PAIRS)
def test_the_order_of_additions_is_that_of_the_shards(world: int, shards: int) -> None:
    draw = np.random.default_rng(shards)
    vectors = {k: (draw.normal(size=500) * 10.0 ** draw.integers(-6, 6, 500)).astype("float32") for k in range(shards)}
    assert np.array_equal(added(vectors, world, shards), added(vectors, 1, shards))
    if shards > 1:
        some = {k: vector for k, vector in vectors.items() if k % 2 == 0}  # the last batch leaves shards empty
        assert np.array_equal(added(some, world, shards), added(some, 1, shards))
    if shards > 2:  # any order would not do
        other = {k: vectors[(k + 1) % shards] for k in range(shards)}
        assert not np.array_equal(added(other, 1, shards), added(vectors, 1, shards))


@pytest.mark.parametrize(("world", "shards"), PAIRS)
@pytest.mark.parametrize("count", [0, 1, 3, 7, 24, 25])
def test_the_workers_pieces_are_the_batch(world: int, shards: int, count: int) -> None:
    images = np.arange(count)
    pieces = [images[Share(rank, world, shards).piece(count)] for rank in range(world)]
    assert np.array_equal(np.concatenate(pieces), images)
    whole = np.array_split(images, shards)
    mine = [shard for k, piece in enumerate(pieces) for shard in np.array_split(piece, len(own(k, world, shards)))]
    assert all(np.array_equal(a, b) for a, b in zip(whole, mine, strict=True))


def together(world: int, work: Callable[[Team], Any], *, token: str = "t", wait_s: float = 20.0) -> list[Any]:
    """What each of a team of threads gives, or the error that ended it."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{listener.getsockname()[1]}"

    def one(rank: int) -> Any:
        try:
            with lead(listener, world, "t", wait_s) if rank == 0 else join(address, rank, world, token, wait_s) as team:
                return work(team)
        except Exception as error:
            return error

    with listener, ThreadPoolExecutor(world) as pool:
        return list(pool.map(one, range(world)))


def test_all_get_the_same_back() -> None:
    def work(team: Team) -> Any:
        mine = np.full((2, team.rank), team.rank, "int16")
        listed = team.all("all", ({"rank": team.rank}, [mine]))
        first, _ = team.first("first", (team.rank, []))
        return [value["rank"] for value, _ in listed], [arrays[0].shape for _, arrays in listed], first

    assert together(3, work) == [([0, 1, 2], [(2, 0), (2, 1), (2, 2)], 0)] * 3


def test_who_is_elsewhere_in_the_job_is_found_out() -> None:
    found = together(2, lambda team: team.all(f"step {team.rank}", (0, [])))
    assert all(isinstance(error, PeerError) for error in found)
    assert "parted ways" in str(found[0])


def test_an_error_of_one_ends_all() -> None:
    def work(team: Team) -> None:
        if team.rank == 2:
            raise UsageError("too hot")
        team.all("step", (0, []))

    found = together(3, work)
    assert [type(error) for error in found] == [PeerError, PeerError, UsageError]
    assert all("too hot" in str(error) for error in found)


def test_silence_ends_the_wait() -> None:
    def work(team: Team) -> None:
        if team.rank == 1:
            time.sleep(1.5)
        team.all("step", (0, []))

    found = together(2, work, wait_s=0.5)
    assert "worker 1 said nothing for 0.5 s" in str(found[0])
    assert isinstance(found[1], PeerError)


def test_a_stranger_is_not_let_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as pool:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        first = pool.submit(lead, listener, 2, "secret", 20)
        with pytest.raises(PeerError, match="another token"):
            join(address, 1, 2, "guess", 20)
        with socket.create_connection(listener.getsockname()) as stranger:
            stranger.sendall(b"\0" * 100)
        found = pool.submit(join, address, 1, 2, "secret", 20)
        assert (first.result().rank, found.result().rank) == (0, 1)
        for team in (first.result(), found.result()):
            team.__exit__(None, None, None)


# The loop, with a net that needs no framework


class Plain(Softmax):
    """Softmax regression whose sums can be taken and given, with a statistic of each batch."""

    moving = np.zeros(1)

    def gradients(self, images: Array, labels: Array) -> Any:
        self.moving = 0.9 * self.moving + 0.1 * images.mean(dtype="float64")
        return super().gradients(images, labels)

    def sums(self) -> list[Array]:
        return [self.sum.copy()]

    def load_sums(self, sums: list[Array], count: int) -> None:
        self.sum, self.count = sums[0], count

    def statistics(self) -> list[Array]:
        return [self.moving.copy()]

    def load_statistics(self, arrays: list[Array]) -> None:
        self.moving = arrays[0]

    def forget(self) -> None:
        self.sum, self.count = np.zeros_like(self.kernel), 0

    def seek(self, batch: int) -> None:
        """No noise."""

    def slots(self) -> dict[str, dict[str, Array]]:
        return {}

    def loss_scale(self) -> dict[str, Array]:
        return {}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """105 images or so to train on: no multiple of the batch size."""
    return small(tmp_path_factory.mktemp("images"), a=45, b=45, c=45)


def looped(data: Data, folder: Path, world: int, settings: str) -> list[tuple[Array, Array, Any]]:
    """Weights, statistic and losses of a loop in which threads are the workers."""
    chosen = recipe(f'strategy = "finetune"\nschedule.peak = 0.5\nshards = 4\n{settings}')

    def work(team: Team) -> tuple[Array, Array, Any]:
        found = replace(context(data, chosen, folder / f"{world}-{team.rank}"), team=team)
        net = Plain()
        loop = Loop(found, Sharded(net, team, 4, found.reporter), chosen.phases[0])  # type: ignore[arg-type]
        loop.run()
        found.run.close()
        return net.kernel, net.moving, list(read_lines(found.run.path / "metrics.jsonl"))

    found = together(world, work) if world > 1 else [work(Team())]
    for one in found:
        if isinstance(one, Exception):
            raise one
    return found


@pytest.mark.parametrize("settings", ["epochs = 2\nbatch_size = 16\n", "epochs = 2\nbatch_size = 14\naccumulate = 2\n"])
def test_weights_and_losses_do_not_ask_how_many_workers(data: Data, tmp_path: Path, settings: str) -> None:
    alone = looped(data, tmp_path, 1, settings)[0]
    for world in (2, 4):
        for kernel, moving, rows in looped(data, tmp_path, world, settings):
            assert np.array_equal(kernel, alone[0])
            assert np.array_equal(moving, alone[1])
            assert rows == alone[2]
    plain = Plain()
    chosen = recipe(f'strategy = "finetune"\nschedule.peak = 0.5\n{settings}')
    found = context(data, chosen, tmp_path / "plain")
    Loop(found, plain, chosen.phases[0]).run()
    found.run.close()
    np.testing.assert_allclose(alone[0], plain.kernel, rtol=1e-12, atol=1e-15)  # the mathematics is that of one batch


# Through the front door


RECIPE = """
[model]
name = "cifar10_resnet"

[input]
mean = [0.5, 0.5, 0.5]

[augment]
operations = [{ name = "horizontal_flip" }, { name = "mixup" }]

[[phases]]
strategy = "finetune"
epochs = 2
batch_size = 14
average = 0.9
keep = "best"
optimizer = { name = "adam" }
"""
"""Batch norm that sees a shard, shares of labels, a running mean, a last batch of other size."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("pictures"), {"a": 24, "b": 24}, size=(16, 16))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "mine.toml"
    path.write_text(RECIPE)
    return path


def trained(pictures: Path, written: Path, run: Path, workers: int, framework: str, **more: Any) -> dict[str, Any]:
    options = Options(workers=workers, checkpoint_every="2", **more)
    found = train(pictures, str(written), framework=framework, run=run, quiet=True, options=options)
    rows = [{k: v for k, v in row.items() if not k.endswith("wall_s")} for row in read_lines(run / "epochs.jsonl")]
    steps = list(read_lines(run / "metrics.jsonl"))
    return {"sha256": found.result["weights_sha256"], "rows": rows, "steps": steps, "test": found.result["test"]}


@pytest.mark.parametrize("framework", [name for name in ("torch", "tensorflow", "jax") if find_spec(name)])
def test_any_number_of_workers_gives_the_same_bits(
    framework: str, pictures: Path, written: Path, tmp_path: Path
) -> None:
    counts = (1, 4) if framework == "torch" else (1, 2)  # two of torch's are held below
    if framework == "jax":  # which compiles a large net for as long as all else here takes
        written = _dropout(tmp_path)
    found = [trained(pictures, written, tmp_path / str(count), count, framework) for count in counts]
    assert all(one == found[0] for one in found[1:])
    assert len({row["loss"] for row in found[0]["steps"]}) > 4  # it did train


DROPOUT = """
[model]
name = "mnist_mlp"
arguments = { dropout = 0.5 }

[[phases]]
strategy = "finetune"
epochs = 2
batch_size = 14
"""


needs_torch = pytest.mark.skipif(not find_spec("torch"), reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def one(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one worker makes of a net with dropout."""
    folder = tmp_path_factory.mktemp("one")
    return trained(pictures, _dropout(folder), folder / "run", 1, "torch")


@needs_torch
def test_the_masks_of_dropout_are_those_of_the_shard(pictures: Path, tmp_path: Path, one: dict[str, Any]) -> None:
    assert trained(pictures, _dropout(tmp_path), tmp_path / "run", 2, "torch") == one


@needs_torch
def test_a_worker_that_is_killed_costs_an_interval_and_no_bit(pictures: Path, written: Path, tmp_path: Path) -> None:
    expected = trained(pictures, written, tmp_path / "whole", 1, "torch", precision="float64")
    run = tmp_path / "run"
    command = [sys.executable, "-m", "bakeoff", "train", str(pictures), "-r", str(written), "--framework", "torch"]
    command += ["--workers", "2", "--precision", "float64", "--checkpoint-every", "2", "--run", str(run), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _until(lambda: len(_lines(run / "metrics.jsonl")) > 2, process)
    os.kill(_workers(process.pid)[-1], signal.SIGKILL)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert json.loads(out)["weights_sha256"] == expected["sha256"]
    assert "signal 9" in said
    assert "All workers go on from the checkpoint of step" in said
    (again,) = json.loads(out)["restarts"]
    assert again["step"] % 2 == 0
    page = (run / "report.html").read_text()
    assert f"all began again after a worker had ended, at step {again['step']}" in page


@needs_torch
def test_a_run_goes_on_with_another_number_of_workers(pictures: Path, tmp_path: Path, one: dict[str, Any]) -> None:
    def stop(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and message["done"] > 40:
            raise KeyboardInterrupt

    with pytest.raises((Cancelled, KeyboardInterrupt)):
        trained(pictures, _dropout(tmp_path), tmp_path / "run", 1, "torch", listen=stop)
    found = resume(tmp_path / "run", workers=2, quiet=True)
    assert found.result["resumed_from"] > 0
    assert found.result["weights_sha256"] == one["sha256"]


@needs_torch
def test_what_no_worker_can_read_is_one_line_for_any_number(tmp_path: Path, written: Path) -> None:
    folder = write_images(tmp_path / "pictures", {"a": 24, "b": 24}, size=(16, 16))
    (folder / "a" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n spoilt")
    said = []
    for count in (1, 2):
        with pytest.raises(Exception, match=r"000\.png") as error:
            trained(folder, written, tmp_path / f"run{count}", count, "torch")
        said.append((type(error.value), str(error.value)))
    assert said[0] == said[1]


@needs_torch
def test_a_worker_that_hangs_ends_the_job_and_its_stacks_are_kept(
    pictures: Path, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bakeoff.training.places import local

    monkeypatch.setattr(local, "IN_VAIN", 1)
    stopped: list[int] = []

    def stop(message: dict[str, Any]) -> None:
        if message["kind"] == "progress" and message["phase"] == "finetune" and not stopped:
            stopped.append(_workers(os.getpid())[-1])
            os.kill(stopped[0], signal.SIGSTOP)

    began = time.monotonic()
    with pytest.raises((PeerError, WorkerError), match="said nothing for 2 s"):
        trained(pictures, written, tmp_path / "run", 2, "torch", listen=stop, worker_timeout="2s")
    assert time.monotonic() - began < 60
    assert "worker 0:" in (tmp_path / "run" / "workers.log").read_text()
    assert "Current thread" in (tmp_path / "run" / "workers.log").read_text()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "no variables say which worker"),
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK='x': expected a whole number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "a rank from 0 to 1"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, "where is worker 0"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "node0", "MASTER_PORT": "29500"}, "need a secret"),
    ],
)
def test_variables_that_do_not_say_enough(variables: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        env.place(variables, "10m")


def test_variables_of_torchrun_slurm_and_kubernetes() -> None:
    here = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for rank, world in env.RANKS:
        found = env.place({rank: "1", world: "2", **here}, "10m")
        assert (found.rank, found.world, found.address) == (1, 2, "127.0.0.1:29501")
    secret = {"RANK": "1", "WORLD_SIZE": "2", "BAKEOFF_ADDRESS": "node0:7000", "BAKEOFF_TOKEN": "s"}
    assert env.place(secret, "10m").address == "node0:7000"


@needs_torch
def test_workers_that_something_else_starts(pictures: Path, tmp_path: Path, one: dict[str, Any]) -> None:
    written = _dropout(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "bakeoff", "train", str(pictures), "-r", str(written), "--framework", "torch"]
    command += ["--workers", "env", "--run", str(tmp_path / "run"), "--json"]
    settings = {"WORLD_SIZE": "2", "BAKEOFF_ADDRESS": f"127.0.0.1:{port}"}
    processes = [
        subprocess.Popen(command, env={**os.environ, **settings, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    found = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert json.loads(found[0])["weights_sha256"] == one["sha256"]
    assert found[1] == ""


def _dropout(folder: Path) -> Path:
    path = folder / "dropout.toml"
    path.write_text(DROPOUT)
    return path


def _lines(path: Path) -> list[str]:
    with suppress(OSError):
        return path.read_text().splitlines()
    return []


def _until(found: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not found():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < end, "it never got there"
        time.sleep(0.02)


def _workers(parent: int) -> list[int]:
    """The worker processes below one, in the order in which they were started."""
    found = []
    for line in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid, rest = int(line.parent.name), line.read_text().rpartition(")")[2].split()
            if int(rest[1]) == parent and b"workers.worker" in (line.parent / "cmdline").read_bytes():
                found.append(pid)
    return sorted(found)
