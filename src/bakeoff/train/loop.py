"""The epoch loop, written once: order, schedule, accumulation, metrics; a framework gives only the step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from bakeoff.errors import BakeoffError
from bakeoff.evaluate.scores import score
from bakeoff.protocols import Net
from bakeoff.recipe.schema import Finetune
from bakeoff.schemas import Array, Batch
from bakeoff.train.context import Context, predict_split
from bakeoff.train.schedules import schedule
from bakeoff.train.state import State

CHUNK_BYTES = 16 * 2**20  # of images handed to a framework at once
CHUNK_STEPS = 64


class Loop:
    """Runs one finetune phase on a net."""

    def __init__(self, context: Context, net: Net, phase: Finetune) -> None:
        self.context, self.net, self.phase = context, net, phase
        self.state = State()
        count = len(context.data.train)
        whole = count // phase.batch_size if phase.drop_last else math.ceil(count / phase.batch_size)
        if whole == 0:
            raise BakeoffError(
                f"batch_size {phase.batch_size} is more than the {count} training pictures, and drop_last leaves none"
            )
        self.steps_per_epoch = math.ceil(whole / phase.accumulate)
        self.rate = schedule(phase.schedule, self.steps_per_epoch, phase.epochs)
        self.best: dict[str, Array] | None = None
        self.total = phase.epochs * min(count, whole * phase.batch_size)
        self.seen = 0

    def run(self) -> dict[str, Any]:
        """All epochs; what the run should note."""
        seconds = []
        for epoch in range(self.phase.epochs):
            self.state.epoch, self.state.batch = epoch, 0
            began = time.perf_counter()
            loss = self._epoch(epoch)
            seconds.append(time.perf_counter() - began)
            self._after(epoch, loss, seconds[-1])
        if self.phase.keep == "best" and self.best is not None:
            self.net.load(self.best)
        kept = self.state.best_epoch if self.phase.keep == "best" else self.phase.epochs - 1
        return {"epoch_wall_s": seconds, "kept_epoch": kept, "steps": self.state.step}

    def _epoch(self, epoch: int) -> float:
        """One pass; the mean loss over its pictures."""
        total, count = 0.0, 0
        batches = self.context.batches(
            self.context.data.train, self.phase.batch_size, epoch=epoch, shuffle=True, drop_last=self.phase.drop_last
        )
        for chunk in self._chunks(batches):
            losses, sizes = self._train(chunk)
            self._log(losses, epoch)
            self._check(losses, chunk)
            total += float(np.dot(losses, sizes))
            count += sum(sizes)
            self.seen += sum(sizes)
            self.state.batch += len(chunk)
            note = f"epoch {epoch + 1}/{self.phase.epochs}  loss {losses[-1]:.4f}"
            self.context.reporter.progress("finetune", self.seen, self.total, note)
        return total / count

    def _chunks(self, batches: Iterator[Batch]) -> Iterator[list[Batch]]:
        """Batches that go to the framework together: many for small pictures, so that calls cost less than work."""
        size = self.phase.accumulate
        if size == 1:
            height, width = self.context.signature.size
            bytes_each = 4 * height * width * self.context.signature.channels * self.phase.batch_size
            size = max(1, min(CHUNK_STEPS, CHUNK_BYTES // bytes_each))
        while chunk := list(islice(batches, size)):
            yield chunk

    def _train(self, chunk: list[Batch]) -> tuple[Array, list[int]]:
        """Mean losses of the optimizer steps of a chunk, and their numbers of pictures."""
        images = [self.context.images(batch) for batch in chunk]
        labels = [batch.labels for batch in chunk]
        if self.phase.accumulate == 1:
            rates = [self.rate(self.state.step + k) for k in range(len(chunk))]
            losses = self.net.steps(images, labels, rates)
            self.state.step += len(chunk)
            return losses, [len(batch.labels) for batch in chunk]
        results = [self.net.gradients(x, y) for x, y in zip(images, labels, strict=True)]
        count = sum(result.count for result in results)
        self.net.apply(self.rate(self.state.step))
        self.state.step += 1
        return np.array([sum(result.loss for result in results) / count]), [count]

    def _check(self, losses: Array, chunk: list[Batch]) -> None:
        if np.isfinite(losses).all():
            return
        bad = int(np.argmin(np.isfinite(losses)))
        first = self.state.step - len(losses) + bad
        records = chunk[min(bad, len(chunk) - 1)].records[:5].tolist()
        number = self.context.recipe.phases.index(self.phase)
        raise BakeoffError(
            f"training stopped: the loss is {losses[bad]} at step {first} "
            f"(epoch {self.state.epoch + 1}, records {records}...).\n"
            f"Use a smaller rate: --set phases.{number}.schedule.peak={self.phase.schedule.peak / 10:.0e}"
        )

    def _log(self, losses: Array, epoch: int) -> None:
        first = self.state.step - len(losses)
        for offset, loss in enumerate(losses):
            if not np.isfinite(loss):
                return  # NaN is no JSON; what comes after it means nothing
            step = first + offset
            row = {"phase": "finetune", "step": step, "epoch": epoch, "loss": float(loss), "rate": self.rate(step)}
            self.context.run.line("metrics.jsonl", row)

    def _after(self, epoch: int, loss: float, seconds: float) -> None:
        """Validation, the best so far, the line of the epoch."""
        row: dict[str, Any] = {"phase": "finetune", "epoch": epoch, "train_loss": loss, "wall_s": seconds}
        validation = self.context.data.validation
        if validation is not None:
            size = self.context.recipe.evaluation.batch_size
            began = time.perf_counter()
            found = score(predict_split(self.context, validation, self.net.logits, size), self.context.data.classes)
            row |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
            row["validation_wall_s"] = time.perf_counter() - began
            if found.accuracy > self.state.best_accuracy:
                self.state.best_accuracy, self.state.best_epoch = found.accuracy, epoch
                self.best = self.net.arrays() if self.phase.keep == "best" else None
        self.context.run.line("epochs.jsonl", row)
        self.context.run.flush()
        accuracy = f"  validation accuracy {row['validation_accuracy']:.4f}" if "validation_accuracy" in row else ""
        self.context.reporter.log(f"epoch {epoch + 1}/{self.phase.epochs}  loss {loss:.4f}{accuracy}  {seconds:.1f} s")
