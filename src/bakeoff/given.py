"""What functions of Python are given, held to the kinds in their signatures: a text is no list, and a list no text."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

from bakeoff.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
TEXT = (str, bytes, os.PathLike)
_MANY = (list, tuple, set, frozenset, Mapping)
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "None": (lambda value: value is None, "None"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "int": (lambda value: isinstance(value, Integral) and not isinstance(value, bool), "a whole number"),
    "float": (lambda value: isinstance(value, Real) and not isinstance(value, bool), "a number"),
    "Path": (lambda value: isinstance(value, os.PathLike), "a path"),
    "tuple": (lambda value: isinstance(value, list | tuple), "a tuple of numbers"),
    "Mapping": (lambda value: isinstance(value, Mapping), "a dict, as {'KEY': VALUE}"),
    "Sequence": (lambda value: isinstance(value, Iterable) and not isinstance(value, (*TEXT, Mapping)), "a list"),
}
_KINDS |= {"Literal": _KINDS["str"], "os.PathLike": _KINDS["Path"], "Iterable": _KINDS["Sequence"]}


def held(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which first looks at what it is given: what is of another kind would end oddly, deep inside.

    Raises:
        UsageError: names the argument, what came and what is expected.
    """
    expected = {name: str(one.annotation) for name, one in signature(function).parameters.items()}

    @wraps(function)
    def checked(*args: P.args, **given: P.kwargs) -> R:
        for name, value in [*zip(expected, args, strict=False), *given.items()]:
            check(name, value, expected.get(name, "Any"))
        return function(*args, **given)

    return checked


def check(name: str, value: object, annotation: str) -> None:
    """UsageError where a value is of no kind of an annotation; one with a kind of its own is only no list or dict."""
    kinds = [one.partition("[")[0] for one in re.split(r" \| (?![^\[]*\])", annotation)]
    if {"Any", "bool", "<class 'inspect._empty'>"} & set(kinds):
        return
    known = [_KINDS[kind] for kind in kinds if kind in _KINDS]
    own = len(known) < len(kinds) and not isinstance(value, _MANY)
    if not own and not any(fits(value) for fits, _ in known):
        others = [f"bakeoff.{one}" if one == "Options" else one for one in kinds if one not in _KINDS]
        words = " or ".join(dict.fromkeys([*(said for _, said in known), *others]))
        raise UsageError(f"{name}={_short(value)}: expected {words}{_as(value) if '[str]' in annotation else ''}.")
    if "[str]" in annotation and isinstance(value, list | tuple) and not all(isinstance(one, str) for one in value):
        raise UsageError(f"{name}={_short(value)}: expected a list of texts.")


def _as(value: object) -> str:
    """How what was given is written as a list of texts."""
    if isinstance(value, Mapping):
        value = [f"{key}={one}" for key, one in value.items()]
    elif isinstance(value, str):
        value = [value] if "=" in value else re.split(", *", value)
    return f", as {_short(value)}" if isinstance(value, list) else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
