"""A recipe as TOML with every default spelled out, and its hash."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import msgspec

from bakeoff.recipe.schema import Recipe
from bakeoff.shown import to_json


def to_toml(recipe: Recipe) -> str:
    """The resolved recipe; `loads` gives an equal one back. What is unset (None) is left out, as TOML has no null."""
    values = to_values(recipe)
    phases = values.pop("phases")
    scalars = {key: value for key, value in values.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    blocks = [_pairs(scalars)]
    blocks += [f"[{key}]\n{_pairs(table)}" for key, table in tables.items()]
    blocks += [f"[[phases]]\n{_pairs(phase)}" for phase in phases]
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def digest(recipe: Recipe) -> str:
    """SHA-256, in hex, of the recipe's values: the same for the same settings, however they were written down."""
    text = json.dumps(to_values(recipe), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_values(recipe: Recipe) -> dict[str, Any]:
    """The recipe as dicts, lists, numbers and strings, unset keys as None."""
    values: dict[str, Any] = _plain(msgspec.to_builtins(recipe))
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _pairs(table: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in table.items() if value is not None)


def _toml(value: Any) -> str:
    """One value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    inner = [f"{_key(key)} = {_toml(item)}" for key, item in value.items() if item is not None]
    return "{ " + ", ".join(inner) + " }" if inner else "{}"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _string(key)


def _string(text: str) -> str:
    return to_json(text)  # JSON's escapes are TOML's, and DEL is one
