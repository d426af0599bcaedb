"""The epoch loop, written once: order, schedule, accumulation, metrics; a framework gives only the step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from bakeoff.data import Split
from bakeoff.errors import BakeoffError, Cancelled, DivergedError, NotWorthSavingError
from bakeoff.evaluation import measures
from bakeoff.evaluation.kinds import choice_of
from bakeoff.evaluation.scores import figure, score, threshold_of
from bakeoff.graph import Graph
from bakeoff.protocols import PLAIN, Feed, Net
from bakeoff.recipe.schema import Finetune
from bakeoff.rundir.checkpoint import Checkpoint, finite, grouped, slot_arrays
from bakeoff.schemas import Array, Batch
from bakeoff.training import notify
from bakeoff.training.context import Context, predict_split
from bakeoff.training.finetune.plan import Plan, sampled
from bakeoff.training.gate import gate
from bakeoff.training.loop import best
from bakeoff.training.loop.ahead import ahead
from bakeoff.training.loop.average import Average
from bakeoff.training.loop.state import State
from bakeoff.training.rescue import diverged, not_finite, out_of_memory
from bakeoff.training.schedules import schedule

CHUNK_BYTES = 16 * 2**20  # of images handed to a framework at once
FEED_BYTES = 512 * 2**20  # the same on a device of its own memory, which waits wherever losses are looked at
CHUNK_STEPS = 64


class Loop:
    """Runs one finetune phase on a net."""

    def __init__(
        self, context: Context, net: Net, phase: Finetune, graph: Graph | None = None, plan: Plan | None = None
    ) -> None:
        self.context, self.net, self.phase, self.graph = context, net, phase, graph
        self.plan = plan or Plan(phase.optimizer.name, phase.optimizer.settings(), context.start.loss, PLAIN)
        self.outer: dict[str, Array] = {}
        self.state = State()
        count = len(context.data.train)
        whole = count // phase.batch_size if phase.drop_last else math.ceil(count / phase.batch_size)
        if whole == 0:
            raise BakeoffError(
                f"batch_size {phase.batch_size} is more than the {count} training images, and drop_last leaves none"
            )
        self.steps_per_epoch = math.ceil(whole / phase.accumulate)
        self.rate = schedule(phase.schedule, self.steps_per_epoch, phase.epochs)
        self.best: dict[str, Array] | None = None
        self.before: dict[str, Array] | None = None  # the weights that the phase began with, where they may come back
        self.largest = math.inf  # of the weights that the phase began with
        self.average = Average(phase.average, phase.average_every) if phase.average else None
        self.total = phase.epochs * min(count, whole * phase.batch_size)

    # going on

    def begin(self) -> None:
        """Back to where the phase began: start weights, and an optimizer that has made no step."""
        self.state, self.best = State(), None
        if self.graph is not None:
            self.net.load(self.graph.arrays())
        self.before = self.net.arrays() if self.phase.keep == "if-better" else None
        self.plan.compile(self.net)
        self.largest = diverged.largest(self)
        if self.average:
            self.average.start(self.net.arrays())

    def restore(self, found: Checkpoint) -> None:
        """Take up where a checkpoint left off, in whatever framework."""
        self.state = State(**found.meta["state"])
        self.net.load({path: array for path, array in found.group("net").items() if path not in self.outer})
        self.net.load_loss_scale(found.group("loss_scale"))
        if slots := found.slots():
            self.net.load_slots(slots, self.state.step)
        self.best = found.group("best") or None
        self.before = found.group("before") or self.before
        if self.average:
            self.average.start(found.group("average") or self.net.arrays())

    def saved(self) -> dict[str, Array]:
        """The arrays that going on needs."""
        arrays = grouped("net", self.outer | self.net.arrays()) | slot_arrays(self.net.slots())
        arrays |= grouped("loss_scale", self.net.loss_scale())
        if self.average:
            arrays |= grouped("average", self.average.arrays)
        for name, held in (("best", self.best), ("before", self.before)):
            arrays |= grouped(name, held) if held else {}
        return arrays

    def _save(self) -> None:
        if self.context.checkpointer.every is None:
            return
        try:
            self.context.checkpointer.save(self.state, self.saved())
        except NotWorthSavingError:
            raise not_finite.weights(self) from None

    # epochs

    def run(self) -> dict[str, Any]:
        """All epochs that are left; what the run should note.

        Raises:
            Cancelled: somebody asked to stop; a checkpoint of the last step was written.
        """
        self.context.checkpointer.start(self.state.step)
        self.net.seek(self.state.noise)
        try:
            if self.net.compiles == "always":  # minutes, for a large net
                self.context.reporter.progress("finetune", self.state.seen, self.total, "compiling the first step")
            while self.state.epoch < self.phase.epochs and not self._is_over():
                self.steps()
                self._after()
        except Cancelled as stopped:
            self._save()
            raise Cancelled(f"stopped at step {self.state.step} ({self._where()})", stopped.exit_code) from None
        except DivergedError as error:
            if self.before is None:
                raise
            self.context.reporter.log(" ".join(str(error).split("\n")))  # the phase ends, and the gate rejects it
        self._save()
        if self.phase.keep == "best" and self.best is not None:
            self.net.load(self.best)
        elif self.average:
            self.net.load(self.average.arrays)
        winner = None if self.state.best_epoch is None else self.state.best_epoch + 1
        notes: dict[str, Any] = {
            "epoch_wall_s": self.state.epoch_seconds,
            "kept_epoch": winner if self.phase.keep == "best" else self.state.epoch,
            "best_epoch": winner,
            "steps": self.state.step,
        }
        if self.before is None:
            return notes
        decision = gate(self.context, self.net, self.phase, self.before)
        return notes | {"gate": decision} | ({} if decision["kept"] else {"kept_epoch": 0})

    def _is_over(self) -> bool:
        """Whether further epochs would be of no use: no better ones for long, or nothing to judge them by."""
        if self.phase.keep == "if-better" and self.context.data.validation is None:
            return True
        last_good, patience = self.state.best_epoch, self.phase.patience
        return patience is not None and last_good is not None and self.state.epoch - last_good > patience

    def batches(self) -> Iterator[Batch]:
        """What is left of the epoch."""
        found: Iterator[Batch] = self.context.batches(
            self.context.data.train,
            self.phase.batch_size,
            epoch=self.state.epoch,
            shuffle=True,
            drop_last=self.phase.drop_last,
            start=self.state.batch,
            augment=True,
            order=sampled(self.context.data.train, self.phase, self.context.job.seed, self.state.epoch),
            share=self.context.share(self.phase.shards),
        )
        return found

    def labels(self, batch: Batch) -> Array:
        """What the loss is told of a batch."""
        return self.plan.targets.of(batch)

    def _where(self) -> str:
        return f"epoch {min(self.state.epoch + 1, self.phase.epochs)} of {self.phase.epochs}"

    def steps(self) -> None:
        """What is left of the pass."""
        began, batches, most = time.perf_counter(), self.batches(), CHUNK_BYTES
        feed = None if self.phase.teacher else self.context.feed(self.net)  # a teacher looks at the images here
        if feed:
            batches, most = ahead(batches, feed), FEED_BYTES
        for chunk in self._chunks(batches, most):
            losses, sizes = self._train(chunk, feed)
            self._log(losses)
            state, now = self.state, time.perf_counter()
            for loss, size in zip(losses.tolist(), sizes, strict=True):  # one by one: chunks must not show in the sum
                state.loss_sum += loss * size
            state.loss_count += sum(sizes)
            state.seen += sum(sizes)
            state.batch += len(chunk)
            state.noise += len(chunk)
            state.step += len(losses)
            state.seconds, began = state.seconds + now - began, now
            if self.average:
                self.average.see(state.step, self.net.arrays)
            if self.context.checkpointer.due(state.step):
                self._save()
            note = f"epoch {state.epoch + 1}/{self.phase.epochs}  loss {losses[-1]:.4f}"
            self.context.reporter.progress("finetune", state.seen, self.total, note)

    def _chunks(self, batches: Iterator[Batch], most: int) -> Iterator[list[Batch]]:
        """Batches that go to the framework together: many for small images, so that calls cost less than work."""
        while True:
            size = self.phase.accumulate
            if size == 1 and not self.phase.shards:
                bytes_each = self.context.input_bytes * self.phase.batch_size
                size = max(1, min(CHUNK_STEPS, most // bytes_each))
                size = self.context.checkpointer.stretch(self.state.step, size)
                if self.average:
                    size = min(size, self.average.next(self.state.step))
            if not (chunk := list(islice(batches, size))):
                return
            yield chunk

    def _train(self, chunk: list[Batch], feed: Feed | None = None) -> tuple[Array, list[int]]:
        """Mean losses of the optimizer steps of a chunk, and their numbers of images.

        Raises:
            BakeoffError: a loss or rate that is no number; nothing of it is saved.
        """
        images = [feed.normal(batch.images) if feed else self.context.images(batch) for batch in chunk]
        labels = [self.labels(batch) for batch in chunk]
        try:
            losses, sizes = self._steps(images, labels)
        except Exception as error:
            if not out_of_memory.is_out_of_memory(error):
                raise
            error.__traceback__ = None  # its frames hold the very arrays that were too many
            raise out_of_memory.explain(self, images[0], labels[0]) from None
        if not np.isfinite(losses).all():
            bad = int(np.argmin(np.isfinite(losses)))
            self._log(losses[:bad])
            self.context.run.flush()
            raise not_finite.loss(self, float(losses[bad]), bad, chunk)
        diverged.check_losses(self, losses)
        return losses, sizes

    def _steps(self, images: list[Array], labels: list[Array]) -> tuple[Array, list[int]]:
        first = self.state.step
        if self.phase.accumulate == 1 and not self.phase.shards:
            rates = [self._rate(first + k) for k in range(len(images))]
            return self.net.steps(images, labels, rates), [len(x) for x in images]
        rate = self._rate(first)
        results = [self.net.gradients(x, y) for x, y in zip(images, labels, strict=True)]
        count = sum(result.count for result in results)
        loss = sum(result.loss for result in results) / count
        if math.isfinite(loss):
            self.net.apply(rate)
        return np.array([loss]), [count]

    def _rate(self, step: int) -> float:
        rate = self.rate(step)
        if not math.isfinite(rate):
            raise not_finite.rate(self, rate, step)
        return rate

    def _log(self, losses: Array) -> None:
        for step, loss in enumerate(losses, self.state.step):
            row = {"phase": "finetune", "step": step, "epoch": self.state.epoch}
            self.context.run.line("metrics.jsonl", {**row, "loss": float(loss), "rate": self.rate(step)})

    def _after(self) -> None:
        """Validation, the best so far, the line of the epoch."""
        state = self.state
        if not finite(self.net.arrays()):
            raise not_finite.weights(self)
        diverged.check_weights(self)
        loss, seconds = state.loss_sum / state.loss_count, state.seconds
        row: dict[str, Any] = {"phase": "finetune", "epoch": state.epoch, "train_loss": loss, "wall_s": seconds}
        if self.context.data.validation is not None:
            row |= self._judge(self.context.data.validation)
        self.context.run.line("epochs.jsonl", row)
        notify.epoch(self)
        state.next_epoch()
        self.context.run.flush()
        accuracy = _message(row)
        self.context.reporter.log(
            f"epoch {state.epoch}/{self.phase.epochs}  loss {loss:.4f}{accuracy}  {seconds:.1f} s"
        )

    def _judge(self, validation: Split) -> dict[str, Any]:
        """How the net, or its running mean, fares on the validation set; the best so far is kept."""
        state, size, began = self.state, self.context.recipe.evaluation.batch_size, time.perf_counter()
        last = self.net.arrays() if self.average else None
        if self.average:
            self.net.load(self.average.arrays)
        predictions = predict_split(self.context, validation, self.net.logits, size)
        found = score(predictions, self.context.data.classes, threshold_of(predictions))
        if state.epoch + 1 == self.phase.epochs and (line := diverged.at_chance(self, found, predictions.labels)):
            self.context.reporter.log(line)
        wall = time.perf_counter() - began
        if figure(found) > state.best_accuracy:  # of equals, the first is kept
            state.best_accuracy, state.best_epoch = figure(found), state.epoch
            self.best = self.net.arrays() if self.phase.keep == "best" else None
        if self.phase.keep_best:
            best.keep(self.context.run.path, self.phase.keep_best, state.epoch + 1, figure(found), self.net.arrays())
        if last is not None:
            self.net.load(last)
        row = {"validation_loss": found.loss, "validation_accuracy": found.accuracy, "validation_wall_s": wall}
        return row | {f"validation_{found.choice}": figure(found)}


def _message(row: dict[str, Any]) -> str:
    """The figure by which epochs are compared, for the log."""
    name = choice_of(row, "validation_")
    value = row.get(f"validation_{name}")
    return "" if value is None else f"  validation {measures.title(name)} {value:.4f}"
