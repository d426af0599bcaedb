"""The epoch loop with a net that needs no framework: softmax regression in NumPy, float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rooms import context, recipe, small

from bakeoff import seeds
from bakeoff.data import Data
from bakeoff.errors import BakeoffError, Cancelled
from bakeoff.protocols import Net
from bakeoff.rundir.readers import read_lines
from bakeoff.schemas import Array, StepResult
from bakeoff.training.loop import epochs as loop_module
from bakeoff.training.loop.epochs import Loop


class Softmax(Net):
    """Softmax regression on the pixels, plain gradient descent; remembers what it was handed."""

    def __init__(self, inputs: int = 16, classes: int = 3) -> None:
        self.kernel = np.zeros((inputs, classes))
        self.sum, self.count = np.zeros_like(self.kernel), 0
        self.rates: list[float] = []
        self.chunks: list[list[int]] = []
        self.labels: list[list[int]] = []
        self.loaded = 0

    def logits(self, images: Array, *, train: bool = False) -> Array:
        return images.reshape(len(images), -1).astype("float64") @ self.kernel

    def gradients(self, images: Array, labels: Array) -> StepResult:
        x = images.reshape(len(images), -1).astype("float64")
        z = x @ self.kernel
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss = -np.log(p[np.arange(len(labels)), labels]).sum()
        p[np.arange(len(labels)), labels] -= 1
        self.sum, self.count = self.sum + x.T @ p, self.count + len(labels)
        self.labels.append(labels.tolist())
        return StepResult(float(loss), len(labels))

    def apply(self, rate: float) -> None:
        self.kernel = self.kernel - rate * self.sum / self.count
        self.sum, self.count = np.zeros_like(self.kernel), 0
        self.rates.append(rate)

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        self.chunks.append([len(y) for y in labels])
        losses = []
        for x, y, rate in zip(images, labels, rates, strict=True):
            result = self.gradients(x, y)
            self.apply(rate)
            losses.append(result.loss / result.count)
        return np.array(losses)

    def arrays(self) -> dict[str, Array]:
        return {"kernel": self.kernel.copy()}

    def load(self, arrays: Any) -> None:
        self.kernel, self.loaded = arrays["kernel"].copy(), self.loaded + 1


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    """105 images or so to train on: no multiple of the batch sizes here."""
    return small(tmp_path_factory.mktemp("images"), a=45, b=45, c=45)


def run(data: Data, folder: Path, settings: str, net: Softmax | None = None, **more: Any) -> tuple[Softmax, Any]:
    """A finished loop: the net, and what the run notes."""
    chosen = recipe(f'strategy = "finetune"\nschedule.peak = 0.5\n{settings}')
    found = context(data, chosen, folder, **more)
    net = net or Softmax()
    try:
        return net, Loop(found, net, chosen.phases[0]).run()
    finally:
        found.run.close()


def test_the_order_is_that_of_seed_and_epoch(data: Data, tmp_path: Path) -> None:
    net, _ = run(data, tmp_path / "run", "epochs = 2\nbatch_size = 16", seed=7)
    found = [label for batch in net.labels for label in batch]
    expected = [data.train.labels[seeds.permutation(7, epoch, len(data.train))].tolist() for epoch in (0, 1)]
    assert found == expected[0] + expected[1]
    assert expected[0] != expected[1]


def test_the_same_seed_gives_the_same_weights_and_another_others(data: Data, tmp_path: Path) -> None:
    settings = "epochs = 2\nbatch_size = 16"
    first, again, other = (run(data, tmp_path / str(k), settings, seed=s)[0].kernel for k, s in enumerate((0, 0, 1)))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("size", [16, 14])
def test_two_micro_batches_are_one_batch_of_twice_the_size(data: Data, tmp_path: Path, size: int) -> None:
    whole, notes = run(data, tmp_path / "whole", f"epochs = 2\nbatch_size = {2 * size}")
    halves, also = run(data, tmp_path / "halves", f"epochs = 2\nbatch_size = {size}\naccumulate = 2")
    rest = len(data.train) % (2 * size)
    assert 0 < rest < size if size == 16 else size < rest < 2 * size  # one micro-batch is left, or two of unlike sizes
    assert notes["steps"] == also["steps"] == 2 * -(-len(data.train) // (2 * size))
    np.testing.assert_allclose(halves.kernel, whole.kernel, rtol=1e-12, atol=1e-15)
    losses = [[row["loss"] for row in read_lines(tmp_path / name / "metrics.jsonl")] for name in ("whole", "halves")]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-12)


@pytest.mark.parametrize(("steps", "bytes_"), [(1, 2**30), (3, 2**30), (64, 1), (64, 3 * 16 * 16 * 4)])
def test_chunks_change_calls_but_not_results(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, bytes_: int
) -> None:
    settings = "epochs = 2\nbatch_size = 16"
    plain, _ = run(data, tmp_path / "plain", settings)
    monkeypatch.setattr(loop_module, "CHUNK_STEPS", steps)
    monkeypatch.setattr(loop_module, "CHUNK_BYTES", bytes_)
    net, _ = run(data, tmp_path / "chunked", settings)
    most = min(steps, max(1, bytes_ // (4 * 16 * 16)))
    assert max(len(chunk) for chunk in net.chunks) == most
    assert [size for chunk in net.chunks for size in chunk] == [size for chunk in plain.chunks for size in chunk]
    assert np.array_equal(net.kernel, plain.kernel)
    assert (tmp_path / "chunked/metrics.jsonl").read_text() == (tmp_path / "plain/metrics.jsonl").read_text()


def test_drop_last_leaves_the_smaller_batch_out(data: Data, tmp_path: Path) -> None:
    net, notes = run(data, tmp_path / "run", "epochs = 2\nbatch_size = 16\ndrop_last = true")
    assert {size for chunk in net.chunks for size in chunk} == {16}
    assert notes["steps"] == 2 * (len(data.train) // 16)


def test_a_batch_above_the_images_with_drop_last_is_refused(data: Data, tmp_path: Path) -> None:
    with pytest.raises(BakeoffError, match=f"more than the {len(data.train)} training images"):
        run(data, tmp_path / "run", "batch_size = 1000\ndrop_last = true")


def test_a_line_a_step_and_a_line_an_epoch(data: Data, tmp_path: Path) -> None:
    schedule = 'schedule = { name = "cosine", peak = 0.5, warmup_epochs = 1 }'
    chosen = recipe(f'strategy = "finetune"\nepochs = 3\nbatch_size = 32\n{schedule}')
    net, found = Softmax(), context(data, chosen, tmp_path / "run")
    notes = Loop(found, net, chosen.phases[0]).run()
    found.run.close()
    rows, epochs = (read_lines(tmp_path / "run" / name) for name in ("metrics.jsonl", "epochs.jsonl"))
    each = -(-len(data.train) // 32)
    assert [row["step"] for row in rows] == list(range(3 * each))
    assert [row["epoch"] for row in rows] == [epoch for epoch in range(3) for _ in range(each)]
    assert [row["rate"] for row in rows] == net.rates
    assert net.rates[each - 1] == max(net.rates) == 0.5
    assert rows[0]["loss"] == pytest.approx(np.log(3))  # weights at 0 know nothing
    assert {row["phase"] for row in rows + epochs} == {"finetune"}
    sizes = np.array([32] * (each - 1) + [len(data.train) - 32 * (each - 1)])
    means = [np.dot([row["loss"] for row in rows if row["epoch"] == k], sizes) / sizes.sum() for k in range(3)]
    assert [row["train_loss"] for row in epochs] == pytest.approx(means)
    assert all(0 <= row["validation_accuracy"] <= 1 and row["validation_loss"] > 0 for row in epochs)
    assert notes["kept_epoch"] == 3  # counted from 1, as a person does
    assert len(notes["epoch_wall_s"]) == 3


class Forgetful(Softmax):
    """Knows every class in its second epoch, and nothing but the first class in the others."""

    def logits(self, images: Array, *, train: bool = False) -> Array:
        second = len(self.chunks) == 2
        grey = images.reshape(len(images), -1).mean(1)
        best = np.digitize(grey, [85 / 255, 145 / 255]) if second else np.zeros(len(images), int)
        return np.eye(3)[best] * 9.0


@pytest.mark.parametrize(("keep", "epoch", "loaded"), [("best", 1, 1), ("last", 2, 0)])
def test_the_best_epoch_is_kept_where_it_is_asked_for(
    data: Data, tmp_path: Path, keep: str, epoch: int, loaded: int
) -> None:
    settings = f'epochs = 3\nbatch_size = 32\nkeep = "{keep}"'
    net, notes = run(data, tmp_path / "three", settings, Forgetful())
    assert notes["kept_epoch"] == epoch + 1
    assert net.loaded == loaded
    alone, _ = run(data, tmp_path / "alone", f"epochs = {epoch + 1}\nbatch_size = 32", Forgetful())
    assert np.array_equal(net.kernel, alone.kernel)


class Explodes(Softmax):
    """The loss of the sixth batch isn't finite."""

    def gradients(self, images: Array, labels: Array) -> StepResult:
        found = super().gradients(images, labels)
        return StepResult(float("nan"), found.count) if len(self.labels) == 6 else found


@pytest.mark.parametrize(("accumulate", "step", "batch"), [(1, 5, 5), (2, 2, 4)])
def test_a_loss_that_is_no_number_stops_with_step_and_records(
    data: Data, tmp_path: Path, accumulate: int, step: int, batch: int
) -> None:
    with pytest.raises(BakeoffError) as caught:
        run(data, tmp_path / "run", f"batch_size = 16\naccumulate = {accumulate}", Explodes())
    order = data.train.indices[seeds.permutation(0, 0, len(data.train))]
    text = str(caught.value)
    assert f"nan at step {step} (epoch 1, records {order[16 * batch :][:5].tolist()}" in text
    assert "--set phases.0.schedule.peak=5e-02" in text
    assert text.count("\n") <= 2
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(step))  # what was sound before is kept


def test_progress_comes_to_all_images_of_all_epochs(data: Data, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    run(data, tmp_path / "run", "epochs = 2\nbatch_size = 16", listen=heard.append)
    train = [message for message in heard if message.get("phase") == "finetune"]
    assert train[-1]["done"] == train[-1]["total"] == 2 * len(data.train)
    assert sum(message["kind"] == "log" for message in heard) == 2


def test_a_training_that_is_cancelled_stops(data: Data, tmp_path: Path) -> None:
    chosen = recipe('strategy = "finetune"\nepochs = 2')
    found = context(data, chosen, tmp_path / "run")
    found.reporter.cancelled.set()
    with pytest.raises(Cancelled, match="stopped at step"):
        Loop(found, Softmax(), chosen.phases[0]).run()
    found.run.close()
