"""Going on in this framework: new nets from a checkpoint take the very steps that the old one would have taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.data import Data, read_data
from bakeoff.graph import Composer, Graph
from bakeoff.graph.passes import without_noise
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing.signature import Signature
from bakeoff.recipe import loads, to_toml
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir import checkpoint
from bakeoff.rundir.folder import Run
from bakeoff.training.context import Context
from bakeoff.training.finetune.compiling import settled
from bakeoff.training.job import Job
from bakeoff.training.loop import epochs as loop_module
from bakeoff.training.loop.cadence import parse
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.setup import Start
from bakeoff.workers.channel import Reporter

BATCH = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """75 grey images of 8 x 8 to train on, three classes: nine batches and a smaller one."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 3
    pixels = (rng.integers(0, 120, (100, 8, 8)) + 60 * labels[:, None, None]).astype("uint8")
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, x_train=pixels[:84], y_train=labels[:84], x_test=pixels[84:], y_test=labels[84:])
    return read_data(path)


def net() -> Graph:
    """Wide enough to be channels last in torch, and with all that has a state: batch norm and masks."""
    c = Composer((Dim("batch"), 8, 8, 1))
    x = c.add("conv2d", "conv1", c.input, filters=16, kernel=(3, 3), pad=(1, 1, 1, 1))
    x = c.add("relu", "relu", c.add("batch_norm", "bn", x))
    x = c.add("dropout", "drop1", c.add("conv2d", "conv2", x, filters=17, kernel=(3, 3)), rate=0.2)
    x = c.add("drop_path", "path", c.add("global_avg_pool", "gap", x), rate=0.1)
    return c.finish(c.add("dense", "head", c.add("dropout", "drop2", x, rate=0.3), units=3))


def recipe(settings: str) -> Recipe:
    return loads(f'[model]\nname = "mnist_mlp"\n\n[[phases]]\nstrategy = "finetune"\nbatch_size = {BATCH}\n{settings}')


def session(
    framework: str, data: Data, folder: Path, chosen: Recipe, every: str = "1h", native: Any = None, **asked: Any
) -> Loop:
    """A new process's share of a training, as the strategy begins it; on a new net, where none is given."""
    run, graph = Run(folder), net()
    found = checkpoint.load(folder) if folder.exists() else None
    if not folder.exists():
        run.create()
    run.rewind(found.meta["logs"] if found else {})
    checkpointer = Checkpointer(run, parse(every), {"framework": framework}, found=found)
    job = Job(str(data.path), to_toml(chosen), framework, str(folder), threads=1, **asked)
    context = Context(job, chosen, data, Start(graph, Signature((8, 8), 1)), run, Reporter(), checkpointer)
    native = native or frameworks.load(framework).native(
        graph, device="cpu", precision=job.precision, threads=1, seed=5
    )
    loop = Loop(context, native, chosen.phases[0], graph)  # type: ignore[arg-type]
    loop.begin()
    settled(loop)
    if found:
        loop.restore(found)
    return loop


def run(
    framework: str,
    data: Data,
    folder: Path,
    settings: str,
    stops: tuple[int, ...] = (),
    every: str = "1h",
    **asked: Any,
) -> Any:
    """Weights, slots and metrics at the end; killed after so many calls of the framework each time."""
    chosen = recipe(settings)
    for calls in (*stops, 10**9):
        loop = session(framework, data, folder, chosen, every, **asked)
        real, left = (loop.net.steps, loop.net.gradients), [calls]

        def counted(which: Any, left: list[int] = left) -> Any:
            def call(*arguments: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return which(*arguments)

            return call

        loop.net.steps, loop.net.gradients = map(counted, real)  # type: ignore[method-assign, assignment]
        try:
            loop.run()
        except KeyboardInterrupt:
            pass
        finally:
            loop.context.run.close()
    found = checkpoint.load(folder)
    assert found is not None
    assert found.meta["state"]["epoch"] == chosen.phases[0].epochs  # type: ignore[union-attr]
    return {key: array.tobytes() for key, array in found.arrays.items()}, (folder / "metrics.jsonl").read_bytes()


OPTIMIZERS = {
    "sgd": 'optimizer = { name = "sgd", momentum = 0.9, nesterov = true }\nschedule.peak = 0.05',
    "adamw": 'optimizer = { name = "adamw", weight_decay = 0.05 }\nschedule = { name = "cosine", peak = 0.01 }',
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_killed_and_gone_on_bit_for_bit(framework: str, data: Data, tmp_path: Path, name: str) -> None:
    settings = f"epochs = 2\n{OPTIMIZERS[name]}"
    whole = run(framework, data, tmp_path / "whole", settings)
    killed = run(framework, data, tmp_path / "killed", settings, stops=(2, 1, 3), every="3 steps")
    assert killed == whole


@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
def test_with_sixteen_bits_too(
    framework: str, data: Data, tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """float16 with a scale so large that the first steps overflow: they are left out, and that is remembered."""
    from bakeoff import precision as precisions
    from bakeoff.frameworks import _loss_scale

    monkeypatch.setattr(precisions, "check_device", lambda *_: None)  # the arithmetic is there on a CPU, too, but slow
    monkeypatch.setitem(_loss_scale.FIRST, "scale", 2.0**20)
    settings = f"epochs = 2\n{OPTIMIZERS['adamw']}"
    whole = run(framework, data, tmp_path / "whole", settings, precision=precision)
    killed = run(framework, data, tmp_path / "killed", settings, stops=(2,), every="3 steps", precision=precision)
    assert killed == whole
    skipped = whole[0].get("loss_scale/skipped")
    assert (precision == "float16") == (skipped is not None and np.frombuffer(skipped, "float32")[0] > 0)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_compiled_steps_too(framework: str, data: Data, tmp_path: Path, precision: str) -> None:
    """Whole batches compiled, the last one of each epoch plain: the same for every part of a run."""
    settings, asked = f"epochs = 2\n{OPTIMIZERS['adamw']}", {"compile": "on", "precision": precision}
    whole = run(framework, data, tmp_path / "whole", settings, **asked)
    killed = run(framework, data, tmp_path / "killed", settings, stops=(2, 1), every="3 steps", **asked)
    assert killed == whole


@pytest.mark.slow
def test_a_compiled_step_is_the_step(framework: str, data: Data, tmp_path: Path) -> None:
    """But for rounding: noise apart, which each way of computing draws for itself."""
    settings = f"epochs = 1\n{OPTIMIZERS['sgd']}"
    ends = []
    for asked in ("on", "off"):
        loop = session(framework, data, tmp_path / asked, recipe(settings), compile=asked)
        assert (loop.net.compile_batch == BATCH) == (asked == "on" and framework != "jax")
        ends.append(quiet_steps(loop))
        loop.context.run.close()
    for path, array in ends[0].items():
        np.testing.assert_allclose(array, ends[1][path], rtol=0, atol=1e-5 * max(1, np.abs(array).max()), err_msg=path)


def quiet_steps(loop: Loop) -> dict[str, Any]:
    """Weights after three steps of a net whose masks let everything through."""
    native = frameworks.load(loop.context.job.framework).native(without_noise(net()), device="cpu", threads=1)
    native.compile_batch = loop.net.compile_batch
    loop.plan.compile(native)
    batches = [batch for batch, _ in zip(loop.batches(), range(3), strict=False)]
    native.steps([loop.context.images(b) for b in batches], [loop.labels(b) for b in batches], [0.05] * 3)
    found: dict[str, Any] = native.arrays()
    return found


@pytest.mark.torch
def test_without_a_compiler_steps_are_plain(
    framework: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("/nowhere/g++",))
    loop = session(framework, data, tmp_path / "run", recipe(f"epochs = 1\n{OPTIMIZERS['sgd']}"))
    object.__setattr__(loop.context, "job", replace(loop.context.job, compile="on"))
    before = {path: array.tobytes() for path, array in loop.net.arrays().items()}
    notes = settled(loop)
    assert not notes["used"]
    assert "can't be compiled here" in notes["why"]
    assert "\n" not in notes["why"]
    assert {path: array.tobytes() for path, array in loop.net.arrays().items()} == before
    loop.run()
    loop.context.run.close()


def test_micro_batches_too(framework: str, data: Data, tmp_path: Path) -> None:
    settings = f"epochs = 2\naccumulate = 3\n{OPTIMIZERS['adamw']}"
    whole = run(framework, data, tmp_path / "whole", settings)
    assert run(framework, data, tmp_path / "killed", settings, stops=(4, 7), every="1 steps") == whole


def test_steps_at_once_are_steps_one_by_one(
    framework: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = f"epochs = 1\n{OPTIMIZERS['adamw']}"
    ends = []
    for steps in (1, 2, 64):
        monkeypatch.setattr(loop_module, "CHUNK_STEPS", steps)
        ends.append(run(framework, data, tmp_path / str(steps), settings))
    assert ends[0] == ends[2]
    assert ends[1] == ends[2]


def test_another_position_gives_other_masks(framework: str, data: Data) -> None:
    native = frameworks.load(framework).native(net(), device="cpu", threads=1, seed=5)
    native.compile("sgd", {}, "softmax_cross_entropy")
    batch = next(iter(data.train.batches(batch_size=BATCH, workers=0)))
    images, losses = (batch.images / 255).astype("float32"), []
    for position in (0, 1, 0):
        native.seek(position)
        native.count = 0
        losses.append(native.gradients(images, batch.labels).loss)
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[2], rel=1e-6)  # the running statistics have moved: training doesn't look
