"""Every option of a finetune phase, in float64, against a net of two layers trained in NumPy: the same mathematics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff import frameworks
from bakeoff.data import Data, read_data
from bakeoff.graph import Composer, Graph
from bakeoff.ops._dimension import Dim
from bakeoff.optimizers import page
from bakeoff.preprocessing.signature import Signature
from bakeoff.recipe import loads, to_toml
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array
from bakeoff.training.context import Context
from bakeoff.training.finetune.plan import plan
from bakeoff.training.job import Job
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.loop.epochs import Loop
from bakeoff.training.setup import Start
from bakeoff.workers.channel import Reporter


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """Grey images of 4 x 4, three classes of very different sizes."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [50, 25, 10])[rng.permutation(85)]
    pixels = (rng.integers(0, 120, (85, 4, 4)) + 60 * labels[:, None, None]).astype("uint8")
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, x_train=pixels[:70], y_train=labels[:70], x_test=pixels[70:], y_test=labels[70:])
    return read_data(path)


def net(outputs: int) -> Graph:
    c = Composer((Dim("batch"), 4, 4, 1))
    x = c.add("relu", "relu", c.add("dense", "hidden", c.add("flatten", "flat", c.input), units=6))
    return c.finish(c.add("dense", "head", x, units=outputs)).astype("float64")


class Truth:
    """The same net, its gradient by hand, the optimizer pages' truths."""

    def __init__(self, loop: Loop, graph: Graph) -> None:
        self.loop, self.phase = loop, loop.phase
        self.weights = {path: array.copy() for path, array in graph.arrays().items()}
        self.optimizer = page(loop.plan.optimizer)
        self.settings = self.optimizer.Settings(**loop.plan.settings)
        self.slots = {path: self.optimizer.start(array) for path, array in self.weights.items()}
        self.mean = {path: array.copy() for path, array in self.weights.items()}

    def gradient(self, images: Array, targets: Array) -> dict[str, Array]:
        """Of the sum of the losses: soft cross-entropy."""
        w, x = self.weights, images.reshape(len(images), -1)
        pre = x @ w["hidden.kernel"] + w["hidden.bias"]
        h = np.maximum(pre, 0)
        z = h @ w["head.kernel"] + w["head.bias"]
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        q = np.eye(z.shape[1])[targets] if targets.ndim == 1 else targets
        dz = q.sum(1, keepdims=True) * p - q
        dh = (dz @ w["head.kernel"].T) * (pre > 0)
        return {
            "hidden.kernel": x.T @ dh,
            "hidden.bias": dh.sum(0),
            "head.kernel": h.T @ dz,
            "head.bias": dz.sum(0),
        }

    def step(self, micro: list[Any], number: int) -> None:
        sums: dict[str, Array] = {path: np.zeros_like(array) for path, array in self.weights.items()}
        for batch in micro:
            found = self.gradient(self.loop.context.images(batch), self.loop.labels(batch))
            sums = {path: sums[path] + found[path] for path in sums}
        count = sum(len(batch.records) for batch in micro)
        gradients = {path: total / count for path, total in sums.items()}
        clip = self.phase.clip
        if clip:
            norm = np.sqrt(sum((g * g).sum() for g in gradients.values()))
            gradients = {path: g * (clip / max(norm, clip)) for path, g in gradients.items()}
        for path, gradient in gradients.items():
            factor = self.phase.layer_decay if path.startswith("hidden") else 1.0
            free = path.endswith("bias") and not self.phase.decay_vectors
            settings = replace(self.settings, weight_decay=0.0) if free else self.settings
            rate = self.loop.rate(number) * factor
            self.weights[path], self.slots[path] = self.optimizer.truth(
                self.weights[path], gradient, self.slots[path], number + 1, rate, settings
            )
        if self.phase.average and (number + 1) % self.phase.average_every == 0:
            t = number + 1
            decay = min(self.phase.average, (1 + t) / (10 + t)) ** self.phase.average_every
            self.mean = {path: decay * a + (1 - decay) * self.weights[path] for path, a in self.mean.items()}

    def run(self) -> dict[str, Array]:
        number = 0
        for epoch in range(self.phase.epochs):
            self.loop.state.epoch = epoch
            batches = list(self.loop.batches())
            for first in range(0, len(batches), self.phase.accumulate):
                self.step(batches[first : first + self.phase.accumulate], number)
                number += 1
        self.loop.state.epoch = 0
        return self.mean if self.phase.average else self.weights


def made(framework: str, data: Data, folder: Path, settings: str) -> tuple[Loop, Graph]:
    model = '[model]\nname = "mnist_mlp"\n'
    chosen = loads(f'{model}\n[[phases]]\nstrategy = "finetune"\nbatch_size = 8\nepochs = 2\n{settings}')
    phase, graph = chosen.phases[0], net(3)
    assert isinstance(phase, Finetune)
    job = Job(str(data.path), to_toml(chosen), framework, str(folder), precision="float64", threads=1)
    run = Run(folder).create()
    context = Context(job, chosen, data, Start(graph, Signature((4, 4), 1)), run, Reporter(), Checkpointer(run))
    native = frameworks.load(framework).native(graph, device="cpu", precision="float64", threads=1)
    step = plan(phase, graph, context.start.loss, data.train, precision="float64", mixed=False)
    loop = Loop(context, native, phase, graph, step)
    loop.begin()
    return loop, graph


ADAM = 'optimizer = { name = "adamw", weight_decay = 0.1, epsilon = 1e-3 }'
SGD = 'optimizer = { name = "sgd", momentum = 0.9, weight_decay = 0.01 }\nschedule.peak = 0.05'
OPTIONS = {
    "nothing": SGD,
    "label smoothing": f"{SGD}\nlabel_smoothing = 0.1",
    "balanced weights": f'{SGD}\nclass_weights = "balanced"\nlabel_smoothing = 0.05',
    "given weights": f"{SGD}\nclass_weights = [0.5, 1.0, 4.0]",
    "balanced sampling": f'{SGD}\nsampling = "balanced"',
    "clip": f"{SGD}\nclip = 0.2",
    "clip and micro-batches": f"{SGD}\nclip = 0.2\naccumulate = 3",
    "layer decay": f"{ADAM}\nlayer_decay = 0.4",
    "decay of kernels alone": f"{ADAM}\ndecay_vectors = false",
    "running mean": f"{SGD}\naverage = 0.9",
    "running mean now and then": f"{ADAM}\naverage = 0.8\naverage_every = 3",
    "rmsprop": 'optimizer = { name = "rmsprop", momentum = 0.5, epsilon = 1e-3 }',
    "lion": 'optimizer = { name = "lion", weight_decay = 0.1 }\nschedule.peak = 0.003',
    "one cycle": f'{ADAM}\nschedule = {{ name = "one-cycle", peak = 0.01 }}',
    "steps down": f'{ADAM}\nschedule = {{ name = "step", peak = 0.01, warmup_epochs = 0.5 }}',
}


@pytest.mark.parametrize("option", OPTIONS)
def test_the_same_as_in_numpy(framework: str, data: Data, tmp_path: Path, option: str) -> None:
    loop, graph = made(framework, data, tmp_path / "run", OPTIONS[option])
    expected = Truth(loop, graph).run()
    loop.run()
    loop.context.run.close()
    found = loop.net.arrays()
    moved = max(float(np.abs(expected[path] - array).max()) for path, array in graph.arrays().items())
    assert moved > 1e-3
    for path, array in expected.items():
        np.testing.assert_allclose(found[path], array, rtol=0, atol=1e-11, err_msg=path)


def test_the_options_change_something(framework: str, data: Data, tmp_path: Path) -> None:
    """Each option against the same phase without it: a setting that was forgotten on its way would be noticed."""
    ends = {}
    for number, option in enumerate(("nothing", "label smoothing", "given weights", "clip", "balanced sampling")):
        loop, graph = made(framework, data, tmp_path / str(number), OPTIONS[option])
        ends[option] = Truth(loop, graph).run()["head.kernel"]
        loop.context.run.close()
    plain = ends.pop("nothing")
    assert all(np.abs(end - plain).max() > 1e-3 for end in ends.values())
