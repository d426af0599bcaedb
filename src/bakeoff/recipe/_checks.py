"""What no single key can say: values that must agree with each other."""

from __future__ import annotations

import math

from bakeoff.errors import RecipeError
from bakeoff.recipe.schema import Finetune, InputSettings, ModelSettings, Probe, Recipe
from bakeoff.registry import names, nearest


def check(recipe: Recipe) -> None:
    """Raise RecipeError at the first contradiction."""
    _check_split(recipe)
    _check_input(recipe.input)
    _check_model(recipe.model)
    for index, phase in enumerate(recipe.phases):
        where = f"phases.{index}"
        if isinstance(phase, Probe):
            _check_probe(phase, recipe.model, where)
        elif isinstance(phase, Finetune):
            _check_finetune(phase, recipe, where)
        else:
            _check_widen(recipe, index, where)


def _check_split(recipe: Recipe) -> None:
    split = recipe.data.split
    total = split.train + split.validation + split.test
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise RecipeError(f"data.split: the shares add up to {total:.6g}, expected 1 (train + validation + test).")
    if split.train == 0:
        raise RecipeError("data.split.train: got 0, expected more: there would be nothing to learn from.")
    folds, fold = recipe.data.folds, recipe.data.fold
    if fold >= (folds or 1):
        raise RecipeError(f"data.fold: got {fold}, expected less than data.folds, {folds}; folds count from 0.")


def _check_input(settings: InputSettings) -> None:
    for key in ("mean", "std"):
        numbers = getattr(settings, key)
        if numbers is None:
            continue
        allowed = (settings.channels,) if settings.channels else (1, 3)
        if len(numbers) not in (1, *allowed):
            raise RecipeError(f"input.{key}: got {len(numbers)} numbers, expected one, or one a channel.")
    if settings.fit == "stretch" and settings.resize_to is not None:
        raise RecipeError('input.resize_to: is for fit = "crop"; with "stretch" the size alone decides. Leave one out.')
    if settings.size and settings.resize_to and settings.resize_to < max(settings.size):
        raise RecipeError(
            f"input.resize_to: got {settings.resize_to}, expected at least the size, {max(settings.size)}."
        )


def _check_model(model: ModelSettings) -> None:
    if (model.name is None) == (model.backbone is None):
        came = "neither" if model.name is None else "both"
        raise RecipeError(
            f"model: got {came}, expected exactly one of model.name (an architecture, from scratch) and model.backbone"
            " (pretrained).\nA key is unset by --set KEY= with nothing after the equals sign."
        )
    if model.name is not None and model.until is not None:
        raise RecipeError("model.until: cuts a backbone, and model.name is none; leave it out or set model.backbone.")
    if model.name is not None and model.hidden:
        raise RecipeError("model.hidden: is for the head on a backbone, and model.backbone is none. Leave it out.")
    if model.name is not None and model.dropout:
        raise RecipeError(
            "model.dropout: is for the head on a backbone; model.name takes it as model.arguments.dropout."
        )
    if model.backbone is not None and model.arguments:
        raise RecipeError("model.arguments: are for model.name; a backbone comes as it was trained. Leave them out.")


def _check_probe(phase: Probe, model: ModelSettings, where: str) -> None:
    if model.backbone is None:
        raise RecipeError(
            f'{where}.strategy: a probe needs a pretrained backbone; set model.backbone or use "finetune".'
        )
    if model.hidden:
        raise RecipeError(
            f"{where}.strategy: a probe fits a linear head, and model.hidden is {list(model.hidden)}.\n"
            'Use "finetune" with freeze = ["backbone"], or leave model.hidden out.'
        )
    if "plain" not in phase.views:
        raise RecipeError(f'{where}.views: got {list(phase.views)}, expected "plain" among them.')
    if len(set(phase.views)) < len(phase.views):
        raise RecipeError(f"{where}.views: got {list(phase.views)}, expected each view once.")


def _check_widen(recipe: Recipe, index: int, where: str) -> None:
    if not any(isinstance(phase, Probe) for phase in recipe.phases[:index]):
        raise RecipeError(f'{where}.strategy: "widen" goes on from a probe; put one before it.')
    if recipe.data.split.validation == 0:
        raise RecipeError(f'{where}.strategy: "widen" needs a validation set, and data.split.validation is 0.')
    if any(not isinstance(phase, Finetune) or phase.keep != "if-better" for phase in recipe.phases[index + 1 :]):
        raise RecipeError(f'{where}.strategy: behind "widen" may stand only finetune with keep = "if-better".')


def _check_finetune(phase: Finetune, recipe: Recipe, where: str) -> None:
    _check_name("bakeoff.optimizers", phase.optimizer.name, f"{where}.optimizer.name")
    _check_name("bakeoff.training.schedules", phase.schedule.name, f"{where}.schedule.name")
    schedule = phase.schedule
    if schedule.end > schedule.peak:
        raise RecipeError(f"{where}.schedule.end: got {schedule.end}, expected at most the peak, {schedule.peak}.")
    if schedule.name == "constant" and schedule.end:
        raise RecipeError(f'{where}.schedule.end: a constant rate has no end; leave it out or use name = "cosine".')
    if schedule.warmup_epochs > phase.epochs:
        raise RecipeError(
            f"{where}.schedule.warmup_epochs: got {schedule.warmup_epochs:g}, expected at most epochs, {phase.epochs}."
        )
    _check_options(phase, recipe, where)
    if phase.keep != "last" and recipe.data.split.validation == 0:
        raise RecipeError(f'{where}.keep: "{phase.keep}" needs a validation set, and data.split.validation is 0.')
    if "backbone" in phase.freeze and recipe.model.backbone is None:
        raise RecipeError(
            f'{where}.freeze: "backbone" needs model.backbone; name parameters by patterns, as "conv1.*".'
        )


def _check_options(phase: Finetune, recipe: Recipe, where: str) -> None:
    if 0 < phase.focal < 1:
        raise RecipeError(f"{where}.focal: got {phase.focal:g}, expected 0, or 1 and more.")
    wants = [key for key in ("patience", "keep_best") if getattr(phase, key)]
    if wants and recipe.data.split.validation == 0:
        raise RecipeError(f"{where}.{wants[0]}: needs a validation set, and data.split.validation is 0.")
    if phase.size and phase is recipe.phases[-1]:
        raise RecipeError(
            f"{where}.size: the last phase trains at the recipe's own size: leave it out, or add a phase."
        )


def _check_name(package: str, name: str, where: str) -> None:
    """Whether a registry has the entry; the folder is listed, nothing is imported."""
    known = names(package)
    if known and name.replace("-", "_") not in known:
        raise RecipeError(f"{where}: unknown {name!r}{nearest(name, known)}\nKnown: {', '.join(known)}")
