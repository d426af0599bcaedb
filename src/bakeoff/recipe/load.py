"""A recipe from its name in the library or from a TOML file, and the phases of it that are wanted."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import msgspec

from bakeoff.errors import RecipeError
from bakeoff.files import absent, content
from bakeoff.recipe._checks import check
from bakeoff.recipe._parse import parse
from bakeoff.recipe.schema import Finetune, Phase, Recipe, Widen
from bakeoff.registry import nearest

LIBRARY = Path(__file__).parent / "library"
LARGEST = 1 << 20  # bytes
PARTS = 64  # of a key: thousands take memory by the square of their number
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{PARTS}}}")
_STRATEGIES: dict[str, type[Phase]] = {kind.__struct_config__.tag: kind for kind in get_args(Phase)}


def names() -> tuple[str, ...]:
    """The recipes of the library, sorted."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.toml")))


def load(name_or_path: str | Path) -> Recipe:
    """The recipe of that name in the library, or in that TOML file.

    Raises:
        RecipeError: no such recipe, not TOML, an unknown key, a wrong type or value.
        VersionError: its `schema` is not the one that this version reads.
    """
    path, origin = _find(name_or_path)
    try:
        text = content(path, LARGEST).decode()
    except UnicodeDecodeError:
        raise RecipeError(f"{origin}: is not a UTF-8 text; a recipe is a TOML file.") from None
    except OSError as error:
        raise RecipeError(f"{origin}: can't be read: {error.strerror or error}.") from None
    return loads(text, origin=origin)


def loads(text: str, *, origin: str = "recipe") -> Recipe:
    """The recipe in a TOML text; `origin` names it in errors."""
    if _DOTTED.search(text):
        raise RecipeError(f"{origin}: it has a key of more than {PARTS} parts; those of a recipe have a few.")
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits isn't TOMLDecodeError's
        raise RecipeError(f"{origin}: is not valid TOML: {error}.") from None
    return parse(values, origin)


def select_phases(recipe: Recipe, strategies: Sequence[str]) -> Recipe:
    """The recipe with the phases of these strategies only, in this order.

    A strategy that the recipe doesn't have is added with its defaults (fine-tuning a backbone: Adam at a rate of 1e-4
    falling by a cosine, BatchNorm frozen, best epoch kept), so that `photos` can be asked for `probe,finetune`.

    Raises:
        RecipeError: an unknown strategy, none at all, or one that the model can't have.
    """
    phases: list[Phase] = []
    for strategy in strategies:
        if strategy not in _STRATEGIES:
            hint = nearest(strategy, _STRATEGIES)
            raise RecipeError(f"phases: unknown strategy {strategy!r}{hint}\nKnown: {', '.join(_STRATEGIES)}")
        own = [phase for phase in recipe.phases if phase.strategy == strategy]
        phases.extend(own or [_default_phase(strategy, recipe)])
    if "probe" in strategies and "finetune" in strategies[: list(strategies).index("probe")]:
        raise RecipeError(
            "phases: a probe after finetune would throw the trained head away.\nExpected --phases probe,finetune."
        )
    if not phases:
        raise RecipeError(f"phases: none was chosen, expected one or more of {', '.join(_STRATEGIES)}.")
    chosen = msgspec.structs.replace(recipe, phases=tuple(phases))
    check(chosen)
    return chosen


def narrow(recipe: Recipe) -> Recipe:
    """Without phases that take more backbones: where time is given, or frameworks are compared."""
    return msgspec.structs.replace(recipe, phases=tuple(one for one in recipe.phases if not isinstance(one, Widen)))


def _default_phase(strategy: str, recipe: Recipe) -> Phase:
    if strategy != "finetune" or recipe.model.backbone is None:
        return _STRATEGIES[strategy]()
    # A pretrained net forgets at a rate that is right from scratch, and small batches spoil its statistics.
    values = {
        "strategy": "finetune",
        "epochs": 3,
        "schedule": {"name": "cosine", "peak": 1e-4, "warmup_epochs": 0.5},
        "batch_norm": "frozen",
        "keep": "best" if recipe.data.split.validation else "last",
    }
    return msgspec.convert(values, Finetune)


def _find(name_or_path: str | Path) -> tuple[Path, str]:
    """The file, and how errors call it."""
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in names():
        return LIBRARY / f"{name_or_path}.toml", f"recipe {name_or_path}"
    if path.is_file():
        return path, f"recipe {path}"
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise RecipeError(f"recipe {path}: {absent(path, 'file')}\nRecipes by name: {', '.join(names())}")
    name = str(name_or_path)
    raise RecipeError(
        f"unknown recipe {name!r}{nearest(name, names())}\nKnown: {', '.join(names())}; or a path of a .toml"
    )
