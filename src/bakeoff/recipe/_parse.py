"""From plain values (dicts, lists, numbers, strings) to a checked Recipe, with errors that name the key."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
from msgspec import inspect

from bakeoff.errors import RecipeError, VersionError
from bakeoff.recipe._checks import check
from bakeoff.recipe.schema import Recipe
from bakeoff.registry import nearest
from bakeoff.schemas import SCHEMA

_PHASE_TAG = "strategy"


def parse(values: dict[str, Any], origin: str) -> Recipe:
    """A Recipe from plain values; `origin` names them in errors, as `recipe mnist-cnn`.

    Raises:
        RecipeError: an unknown key, a wrong type or value, or values that contradict each other.
        VersionError: its `schema` is not the one that this version reads.
    """
    _check_schema(values, origin)
    _check_keys(values, inspect.type_info(Recipe), (), origin)
    try:
        recipe = msgspec.convert(values, Recipe)
    except msgspec.ValidationError as error:
        raise RecipeError(_explain(str(error), values, origin)) from None
    try:
        check(recipe)
    except RecipeError as error:
        raise RecipeError(f"{origin}: {error}") from None
    return recipe


def _check_schema(values: dict[str, Any], origin: str) -> None:
    came = values.get("schema", SCHEMA)
    if isinstance(came, int) and came != SCHEMA:
        raise VersionError(
            f"{origin}: schema {came} came, this version reads schema {SCHEMA}.\nUpdate bakeoff or the file."
        )


def _check_keys(value: Any, kind: inspect.Type, path: tuple[str, ...], origin: str) -> None:
    """Refuse unknown keys (with the nearest known one) and numbers that aren't finite, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        raise RecipeError(f"{origin}: {dotted(path)}: got {value}, expected a finite number.")
    kind = _resolve(value, kind, path, origin)
    if isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, inner in value.items():
            if key in fields:
                _check_keys(inner, fields[key], (*path, key), origin)
            elif key != kind.tag_field:
                raise unknown_key((*path, key), fields, origin)
    elif isinstance(value, list | tuple):
        item = getattr(kind, "item_type", inspect.AnyType())
        for index, inner in enumerate(value):
            _check_keys(inner, item, (*path, str(index)), origin)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_keys(inner, inspect.AnyType(), (*path, key), origin)


def _resolve(value: Any, kind: inspect.Type, path: tuple[str, ...], origin: str) -> inspect.Type:
    """The member of a union that the value claims to be."""
    if isinstance(kind, inspect.Metadata):
        return _resolve(value, kind.type, path, origin)
    if not isinstance(kind, inspect.UnionType):
        return kind
    tagged = {str(member.tag): member for member in kind.types if isinstance(member, inspect.StructType) and member.tag}
    if tagged and isinstance(value, dict):
        tag = value.get(_PHASE_TAG)
        if tag not in tagged:
            came = "nothing" if tag is None else repr(tag)
            hint = nearest(tag, tagged) if isinstance(tag, str) else ""
            expected = " or ".join(map(repr, sorted(tagged)))
            raise RecipeError(f"{origin}: {dotted((*path, _PHASE_TAG))}: got {came}, expected {expected}{hint}")
        return tagged[str(tag)]
    for member in kind.types:
        if isinstance(value, list | tuple) and hasattr(member, "item_type"):
            return member
    return kind


def unknown_key(path: tuple[str, ...], known: Any, origin: str) -> RecipeError:
    """The error for a key that the schema doesn't have."""
    hint = nearest(path[-1], known)
    where = f"Known keys in {dotted(path[:-1])}" if len(path) > 1 else "Known keys"
    return RecipeError(f"{origin}: unknown key {dotted(path)}{hint}\n{where}: {', '.join(known)}")


def dotted(path: tuple[str, ...]) -> str:
    """`phases.0.epochs`."""
    return ".".join(path)


def _explain(message: str, values: dict[str, Any], origin: str) -> str:
    """msgspec's message in the form `path: got, expected`."""
    match = re.fullmatch(r"(?P<what>.*?)(?: - at `\$(?P<where>.*)`)?", message, re.DOTALL)
    what, where = (match["what"], match["where"] or "") if match else (message, "")
    path = tuple(re.findall(r"[^.\[\]]+", where))
    missing = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if missing:
        return f"{origin}: {dotted((*path, missing[1]))}: got nothing, expected a value; it has no default."
    came = _at(values, path)
    expected = _in_toml_words(what.split(", got ")[0])
    choices = _choices(inspect.type_info(Recipe), values, path)
    if choices:
        hint = nearest(came, choices) if isinstance(came, str) else ""
        expected = " or ".join(map(repr, choices)) + hint
    return f"{origin}: {dotted(path) or 'the recipe'}: got {_shortened(came)}, expected {expected}"


def _in_toml_words(expected: str) -> str:
    """`Expected `array | null` of length 2` as `list of length 2`."""
    words = {"`": "", "Expected ": "", " | null": "", "object": "table", "array": "list", "bool": "true or false"}
    words |= {"int": "whole number", "str": "text", "float": "number"}
    for word, ours in words.items():
        expected = expected.replace(word, ours)
    return expected


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if isinstance(values, dict) and key in values:
            values = values[key]
        elif isinstance(values, list | tuple) and key.isdigit():
            values = values[int(key)]
        else:
            return values
    return values


def _choices(kind: inspect.Type, value: Any, path: tuple[str, ...]) -> tuple[Any, ...]:
    """The allowed values at a path whose type is a Literal (None aside), else nothing."""
    if isinstance(kind, inspect.Metadata):
        return _choices(kind.type, value, path)
    if isinstance(kind, inspect.UnionType):
        found = [_choices(member, value, path) for member in kind.types if _may_hold(member, value)]
        return next((choices for choices in found if choices), ())
    if not path:
        return tuple(kind.values) if isinstance(kind, inspect.LiteralType) else ()
    inner = _at(value, path[:1])
    if isinstance(kind, inspect.StructType):
        fields = {field.encode_name: field.type for field in kind.fields}
        return _choices(fields[path[0]], inner, path[1:]) if path[0] in fields else ()
    item = getattr(kind, "item_type", None)
    return _choices(item, inner, path[1:]) if item is not None else ()


def _may_hold(kind: inspect.Type, value: Any) -> bool:
    if isinstance(kind, inspect.StructType) and kind.tag_field and isinstance(value, dict):
        return bool(value.get(kind.tag_field) == kind.tag)
    return True


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
