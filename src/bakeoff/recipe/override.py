"""A recipe with some keys changed, as `--set phases.0.epochs=1` asks."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from bakeoff.errors import RecipeError
from bakeoff.recipe._parse import parse, unknown_key
from bakeoff.recipe.schema import Recipe
from bakeoff.recipe.write import to_values

_FREE = ("model", "arguments")  # the one table whose keys the schema doesn't know
_REMOVED = object()


def with_overrides(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with each `KEY=VALUE` applied, in order, then checked as a whole.

    Keys are dotted, lists by index from 0. Values are TOML (`1`, `0.5`, `true`, `[28, 28]`, `"text"`); what isn't TOML
    is a string, so that bare words need no quotes. Nothing after the equals sign gives a key back its default.

    Raises:
        RecipeError: no equals sign, an unknown key (with the nearest known one), a wrong type or value.
    """
    if not settings:
        return recipe
    values = to_values(recipe)
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(path):
            raise RecipeError(f"--set {setting}: expected KEY=VALUE, as phases.0.epochs=1.")
        _put(values, path, _value(text.strip()), f"--set {setting}")
    return parse(values, "--set " + " ".join(settings))


def _value(text: str) -> Any:
    if not text:
        return _REMOVED
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    plain = set(parsed) == {"value"} and isinstance(parsed["value"], bool | int | float | str | list | dict)
    return parsed["value"] if plain else text


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any, origin: str) -> None:
    """Change one value in place; every key before the last one must be there already."""
    holder: Any = values
    for depth in range(len(path) - 1):
        holder = holder[_position(holder, path[: depth + 1], origin)]
        if not isinstance(holder, dict | list):
            raise RecipeError(
                f"{origin}: {'.'.join(path[: depth + 1])} is a value, not a table: it has no {path[depth + 1]!r}."
            )
    if isinstance(holder, dict) and path[:-1] == _FREE:
        last: Any = path[-1]
    else:
        last = _position(holder, path, origin)
    if value is _REMOVED and isinstance(holder, dict):
        holder.pop(last, None)
    elif value is _REMOVED:
        del holder[last]
    else:
        holder[last] = value


def _position(holder: Any, path: tuple[str, ...], origin: str) -> Any:
    """The key or index that the last part of the path means in what holds it."""
    key = path[-1]
    if isinstance(holder, dict):
        if key not in holder:
            raise unknown_key(path, holder, origin)
        return key
    where = ".".join(path[:-1])
    if not key.isascii() or not key.isdigit():
        raise RecipeError(f"{origin}: {where} is a list: got {key!r}, expected an index, as {where}.0.")
    if int(key) >= len(holder):
        raise RecipeError(f"{origin}: {where} has {len(holder)} entries, counted from 0; there is no {key}.")
    return int(key)
