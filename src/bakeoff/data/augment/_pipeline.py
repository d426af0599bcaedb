"""Operations in order, keyed draws, and how they are applied to the images of a batch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bakeoff import registry, seeds
from bakeoff.data.augment._presets import PRESETS
from bakeoff.data.labels import matrix
from bakeoff.errors import DataError, UsageError
from bakeoff.preprocessing.pixels import draw, resample

if TYPE_CHECKING:
    from bakeoff.data.images import Bad, View

PACKAGE = "bakeoff.data.augment"
Mix = Callable[[NDArray[np.uint8], NDArray[Any]], tuple[NDArray[np.uint8], NDArray[Any]]]
"""Images and labels of a batch, to images and shares of the classes, float32, (N, classes)."""


@dataclass(frozen=True)
class Operation:
    """One file of this folder with its settings."""

    name: str
    settings: Any

    @cached_property
    def module(self) -> ModuleType:
        """The file."""
        return registry.load(PACKAGE, self.name, what="augmentation")

    @property
    def stage(self) -> str:
        """`crop`, `pixels` or `batch`."""
        return str(self.module.STAGE)


@dataclass(frozen=True)
class Augmentation:
    """Operations in the order in which they are applied: crop, pixels, batch."""

    operations: tuple[Operation, ...] = ()

    @classmethod
    def preset(cls, name: str) -> Augmentation:
        """The operations of a preset.

        Raises:
            UsageError: no such preset.
        """
        return augmentation(name)

    @cached_property
    def crop(self) -> Operation | None:
        """The operation that chooses the part, or None."""
        return next((each for each in self.operations if each.stage == "crop"), None)

    @cached_property
    def changes(self) -> tuple[Operation, ...]:
        """Those on pixels."""
        return tuple(each for each in self.operations if each.stage == "pixels")

    @cached_property
    def mixes(self) -> tuple[Operation, ...]:
        """Those on batches, of which one is chosen for each batch."""
        return tuple(each for each in self.operations if each.stage == "batch")

    @cached_property
    def views(self) -> int | None:
        """How many images can be made of one, 1 without operations; None where they can't be counted."""
        if not self.operations:
            return 1
        return getattr(self.operations[0].module, "VIEWS", None) if len(self.operations) == 1 else None

    def view(self, pixels: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        """One of the `views` of an image, (H, W, C)."""
        if not self.operations:
            return pixels
        found: NDArray[np.uint8] = self.operations[0].module.view(pixels, number)
        return found

    def choose(self, records: NDArray[np.int64], *, seed: int, epoch: int) -> NDArray[np.int64]:
        """Which of its `views` each image comes as in an epoch: those that `fill` gives."""
        if not self.operations:
            return np.zeros(len(records), np.int64)
        operation = self.operations[0]
        draws = (
            seeds.rng(seed, f"augment.{operation.name}", epoch=epoch, record=record) for record in records.tolist()
        )
        return np.array([operation.module.choose(rng, operation.settings) for rng in draws], np.int64)

    def fill(
        self,
        view: View,
        target: NDArray[np.uint8],
        places: NDArray[np.int64],
        records: NDArray[np.int64],
        *,
        seed: int,
        epoch: int,
    ) -> list[Bad]:
        """Augmented images of `records` to `target[places]`; the bad ones are returned, all of them."""
        bad: list[Bad] = []
        if self.crop is None:
            bad += view.take(target, places, records)
        broken = {record for record, _ in bad}
        for place, record in zip(places.tolist(), records.tolist(), strict=True):
            if record in broken:
                continue
            try:
                pixels = target[place] if self.crop is None else self._part(view, record, seed, epoch)
            except DataError as error:
                bad.append((record, str(error)))
            else:
                target[place] = self._changed(pixels, record, seed, epoch)
        return bad

    def _part(self, view: View, record: int, seed: int, epoch: int) -> NDArray[np.uint8]:
        """A crop of the image itself, at the size of the view."""
        assert self.crop is not None
        operation, signature = self.crop, view.signature
        rng = seeds.rng(seed, f"augment.{operation.name}", epoch=epoch, record=record)
        boxes: list[tuple[float, float, float, float]] = []

        def least(size: tuple[int, int]) -> tuple[int, int]:
            boxes.append(operation.module.box(size, rng, operation.settings))
            height, width = boxes[0][2:]
            return math.ceil(signature.size[0] / height), math.ceil(signature.size[1] / width)

        drawn = draw(view.images.source(record), signature, least)
        top, left, height, width = boxes[0]
        x, y = drawn.box[:2]
        across, down = drawn.box[2] - x, drawn.box[3] - y
        box = (x + left * across, y + top * down, x + (left + width) * across, y + (top + height) * down)
        image = resample(drawn.image, signature.size, box, signature.resize)
        return np.asarray(image).reshape(view.shape)

    def _changed(self, pixels: NDArray[np.uint8], record: int, seed: int, epoch: int) -> NDArray[np.uint8]:
        for position, operation in enumerate(self.changes):
            again = sum(earlier.name == operation.name for earlier in self.changes[:position])
            purpose = f"augment.{operation.name}" + f".{again}" * bool(again)
            rng = seeds.rng(seed, purpose, epoch=epoch, record=record)
            pixels = operation.module.apply(pixels, rng, operation.settings)
        return pixels

    def mix(self, seed: int, epoch: int, number: int, classes: int) -> Mix | None:
        """How batch `number` of an epoch is mixed; None where it isn't."""
        if not self.mixes:
            return None
        rng = seeds.rng(seed, "augment.batch", epoch=epoch, record=number)
        operation, chance = self.mixes[int(rng.integers(len(self.mixes)))], float(rng.random())

        def mixed(images: NDArray[np.uint8], labels: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
            shares = matrix(labels, classes).astype(np.float32)
            if chance >= operation.settings.probability:
                return images, shares
            return operation.module.apply(images, shares, rng, operation.settings)  # type: ignore[no-any-return]

        return mixed


def augmentation(preset: str = "none", operations: Sequence[Mapping[str, Any]] = ()) -> Augmentation:
    """The operations of a preset, and others, each as a table of `name` and settings.

    An operation that the preset has, too, is replaced; others are added behind it.

    Raises:
        UsageError: an unknown preset, operation or setting, or a value that can't be used.
    """
    if preset not in PRESETS:
        raise UsageError(
            f"unknown augmentation {preset!r}{registry.nearest(preset, PRESETS)}\nKnown: {', '.join(PRESETS)}"
        )
    chosen = [_operation(table) for table in PRESETS[preset]]
    for table in operations:
        made = _operation(table)
        known = [each.name for each in chosen]
        if made.name in known:
            chosen[known.index(made.name)] = made
        else:
            chosen.append(made)
    if sum(each.stage == "crop" for each in chosen) > 1:
        raise UsageError("augment: two operations choose the part of the image; expected one at most.")
    return Augmentation(tuple(chosen))


def _operation(table: Mapping[str, Any]) -> Operation:
    name = str(table.get("name", "")).replace("-", "_")
    if not name:
        raise UsageError(f"augment: {dict(table)} has no name.\nKnown: {', '.join(registry.names(PACKAGE))}")
    settings = registry.load(PACKAGE, name, what="augmentation").Settings
    known = [each.name for each in dataclasses.fields(settings)]
    for key in table:
        if key != "name" and key not in known:
            hint = registry.nearest(key, known)
            raise UsageError(f"{name}: unknown setting {key!r}{hint}\nKnown: {', '.join(known) or 'none'}")
    return Operation(name, settings(**{key: value for key, value in table.items() if key != "name"}))
