"""What every phase of a training sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bakeoff.data import Data, Split
from bakeoff.data.augment import Augmentation, augmentation
from bakeoff.data.share import Share
from bakeoff.evaluation.splits import predictions_of
from bakeoff.graph import Graph
from bakeoff.preprocessing.normalize import normalize
from bakeoff.preprocessing.signature import Signature
from bakeoff.protocols import Feed, Net
from bakeoff.recipe.schema import Recipe
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array, Batch, Predictions
from bakeoff.system import cpus
from bakeoff.training.job import Job
from bakeoff.training.loop.checkpointer import Checkpointer
from bakeoff.training.setup import Start
from bakeoff.workers.channel import Reporter
from bakeoff.workers.profile import stage
from bakeoff.workers.team import Team


@dataclass(frozen=True)
class Context:
    """The surroundings of a phase."""

    job: Job
    recipe: Recipe
    data: Data
    start: Start
    run: Run
    reporter: Reporter
    kept: Checkpointer | None = None
    team: Team | None = None

    @property
    def checkpointer(self) -> Checkpointer:
        """Who writes checkpoints; one that writes none where nothing was said."""
        return self.kept or Checkpointer(self.run)

    @property
    def signature(self) -> Signature:
        """How an image becomes an input."""
        return self.start.signature

    @property
    def workers(self) -> int:
        """Threads that decode."""
        return self.job.threads or cpus()

    def share(self, shards: int | None = None) -> Share | None:
        """What this worker takes of a batch of so many shards, or of the batches; None: all, it is alone."""
        return Share(self.team.rank, self.team.world, shards) if self.team else None

    def batches(
        self,
        split: Split,
        batch_size: int,
        *,
        epoch: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        start: int = 0,
        augment: bool = False,
        order: Array | None = None,
        share: Share | None = None,
    ) -> Any:
        """The split's batches, uint8; with `augment`, varied as the recipe says; of several workers, one's share."""
        return split.batches(
            signature=self.signature,
            batch_size=batch_size,
            seed=self.job.seed,
            epoch=epoch,
            workers=self.workers,
            shuffle=shuffle,
            drop_last=drop_last,
            start=start,
            augment=self.augmentation if augment else None,
            order=order,
            share=share,
        )

    @property
    def input_bytes(self) -> int:
        """Of one image as the net takes it."""
        return 4 * self.signature.size[0] * self.signature.size[1] * self.signature.channels

    @property
    def augmentation(self) -> Augmentation:
        """How training images are varied."""
        return augmentation(self.recipe.augment.preset, self.recipe.augment.operations)

    def images(self, batch: Batch) -> Array:
        """A batch as the net's input, in the dtype of its weights."""
        found: Array = normalize(batch.images, self.signature, self.job.dtype)
        return found

    def feed(self, net: Net) -> Feed | None:
        """How the bytes of batches get to the net's device; None: as numbers, from here."""
        return net.feed(self.signature)


@dataclass
class PhaseResult:
    """What a phase leaves.

    Attributes:
        graph: the net with its new weights.
        num_images: images that went through it, all epochs.
        wall_s: seconds.
        logits: predictions by split where the phase has them at hand, so that nothing runs twice.
        mirrored: the same of mirrored images, where the recipe asks for them.
        notes: what the run should record, as the chosen regularisation.
        context: what comes next sees this one, where the phase took another backbone.
    """

    graph: Graph
    num_images: int
    wall_s: float = 0.0
    logits: dict[str, Predictions] = field(default_factory=dict)
    mirrored: dict[str, Predictions] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    context: Context | None = None


def predict_split(
    context: Context, split: Split, predict: Callable[[Array], Array], batch_size: int, phase: str = "evaluate"
) -> Predictions:
    """Logits of a whole split; as many as it has images."""

    def seen(done: int) -> None:
        context.reporter.progress(f"{phase} {split.name}", done, len(split))

    with stage("evaluation"):
        if context.team:
            return _together(context, context.team, split, predict, batch_size)
        (found,) = predictions_of(context.batches(split, batch_size), context.images, [predict], seen)
    return found


def _together(
    context: Context, team: Team, split: Split, predict: Callable[[Array], Array], batch_size: int
) -> Predictions:
    """The same, each worker having predicted every so-manieth batch: a batch's bits don't ask who computed it."""
    mine = [predict(context.images(batch)) for batch in context.batches(split, batch_size, share=context.share())]
    found = [arrays for _, arrays in team.all(f"predictions of {split.name}", (None, mine))]
    batches = [found[number % team.world][number // team.world] for number in range(-(-len(split) // batch_size))]
    return Predictions(np.concatenate(batches), split.labels, split.indices)
