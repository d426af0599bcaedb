"""What is trained and how, as one TOML file: schema, library, overrides.

A new recipe is one `.toml` in `library/`.
"""

from __future__ import annotations

from bakeoff.recipe.load import load, loads, names, narrow, select_phases
from bakeoff.recipe.override import with_overrides
from bakeoff.recipe.schema import Finetune, Phase, Probe, Recipe
from bakeoff.recipe.write import digest, to_toml

__all__ = [
    "Finetune",
    "Phase",
    "Probe",
    "Recipe",
    "digest",
    "load",
    "loads",
    "names",
    "narrow",
    "select_phases",
    "to_toml",
    "with_overrides",
]
