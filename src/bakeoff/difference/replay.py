"""Steps of training, made again with the settings of either side."""

from __future__ import annotations

from typing import Any

from bakeoff import optimizers


def of_phase(phase: Any, recipe: Any) -> dict[str, Any]:
    """The settings `train.*` that a phase of a recipe states."""
    page = optimizers.page(phase.optimizer.name)
    usual = page.Settings()
    told = {name: getattr(usual, name) for name in usual.__dataclass_fields__}
    told |= {key: value for key, value in phase.optimizer.settings().items() if value is not None}
    return {
        "train.optimizer": phase.optimizer.name,
        **{f"train.{key}": value for key, value in told.items()},
        "train.rate": phase.schedule.peak,
        "train.schedule": phase.schedule.name,
        "train.batch_size": phase.batch_size,
        "train.epochs": phase.epochs,
        "train.label_smoothing": phase.label_smoothing,
        "train.drop_last": phase.drop_last,
        "train.clip": phase.clip,
        "train.seed": recipe.seed,
    }
