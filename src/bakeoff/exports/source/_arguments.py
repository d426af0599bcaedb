"""The arguments of a class: what differs among its instances, by the fewest names that tell it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from bakeoff.exports.source._shapes import ANY, Family, scope_adds
from bakeoff.exports.source._text import flat, same
from bakeoff.exports.source._tree import REQUIRED, Expression, Op, Scope, Value

LEFT_OPEN = ("in_channels", "out_channels", "num_features", "in_features", "out_features", "normalized_shape")
CALLED = {"num_features": "channels", "normalized_shape": "features", "filters": "filters", "p": "dropout"}


@dataclass
class Parameter:
    """An argument of a class."""

    name: str
    vector: list[Any]
    default: Any = REQUIRED


def _hints(scope: Scope) -> list[str]:
    """What each literal is called where it stands."""
    found: list[str] = []

    def visit(expression: Expression, around: str) -> None:
        names = expression.names or ("",) * len(expression.args)
        if expression.kind == "optional":
            around = around or "shortcut"
            names = (f"has_{around}", around, around)
        for arg, name in zip(expression.args, names, strict=True):
            if isinstance(arg, Expression):
                visit(arg, name or around)
            elif not isinstance(arg, Value):
                found.append(name or around or "size")

    for name, child in scope.children.items():
        if isinstance(child, Expression):
            visit(child, name if child.kind == "optional" else "")
    for op in scope.ops:
        visit(op.expression, _step_name(scope, op) if op.expression.kind == "optional" else "")
    return found


def _step_name(scope: Scope, op: Op) -> str:
    """What a step that may be left out is called."""
    step = op.expression.args[1]
    if step.kind != "use" or scope_adds(scope, step.head):
        return "residual"
    return str(step.head) if step.head.isidentifier() else "shortcut"


def _unified(first: list[Any], second: list[Any]) -> list[Any] | None:
    """Two columns as one, where they never differ."""
    if any(a is not ANY and b is not ANY and not same(a, b) for a, b in zip(first, second, strict=True)):
        return None
    if not any(a is not ANY and b is not ANY for a, b in zip(first, second, strict=True)):
        return None
    return [b if a is ANY else a for a, b in zip(first, second, strict=True)]


def parameters_of(family: Family) -> tuple[list[Parameter], list[Any]]:
    """The arguments that tell instances apart, and what stands in the place of each literal."""
    columns = [list(column) for column in zip(*(literals for _, literals in family.members), strict=True)]
    hints = _hints(family.scope)
    found: list[Parameter] = []
    place_of: dict[int, Parameter] = {}
    fixed: dict[int, Any] = {}
    for at in sorted(range(len(columns)), key=lambda at: (_late(hints[at]), at)):
        column = columns[at]
        known = [value for value in column if value is not ANY]
        if all(same(value, known[0]) for value in known) and type(known[0]) in {type(v) for v in known}:
            fixed[at] = known[0]
            continue
        for parameter in found:
            both = _unified(parameter.vector, column)
            if both is not None:
                parameter.vector, place_of[at] = both, parameter
                break
        else:
            multiple = _multiple(column, found)
            if multiple is not None:
                fixed[at] = multiple
                continue
            place_of[at] = Parameter(_named(hints[at], found), column)
            found.append(place_of[at])
    for parameter in found:
        _settle(parameter)
    flags = _conditions(found)
    chosen = [parameter for parameter in found if parameter.name not in flags]
    replacement = {p.name: flags.get(p.name) or Expression("name", p.name) for p in found}
    literals = [replacement[place_of[at].name] if at in place_of else fixed[at] for at in range(len(columns))]
    chosen.sort(key=lambda parameter: parameter.default is not REQUIRED)
    return chosen, literals


def _late(hint: str) -> bool:
    return hint.startswith("has_")


def _named(hint: str, taken: list[Parameter]) -> str:
    name = CALLED.get(hint, hint)
    names = {parameter.name for parameter in taken}
    if name not in names and name.isidentifier():
        return name
    return next(f"{name}{count}" for count in range(2, 1000) if f"{name}{count}" not in names)


def _multiple(column: list[Any], known: list[Parameter]) -> Expression | None:
    """Four times another argument, or a quarter of it."""
    if any(isinstance(v, bool) or not isinstance(v, int) for v in column if v is not ANY):
        return None
    if len({v for v in column if v is not ANY}) < 2:
        return None
    for parameter in known:
        pairs = [(a, b) for a, b in zip(column, parameter.vector, strict=True) if a is not ANY]
        whole = all(isinstance(b, int) and not isinstance(b, bool) and b for _, b in pairs)
        if not whole:
            continue
        name = Expression("name", parameter.name)
        first = pairs[0]
        for symbol, factor in (("*", first[0] // first[1]), ("//", first[1] // first[0] if first[0] else 0)):
            if 2 <= factor <= 64 and all(a == (b * factor if symbol == "*" else b / factor) for a, b in pairs):
                return Expression("binary", symbol, (name, factor))
    return None


def _conditions(found: list[Parameter]) -> dict[str, Expression]:
    """Flags that follow from other arguments."""
    flags = [p for p in found if all(isinstance(v, bool) or v is ANY for v in p.vector) and _late(p.name)]
    others = {p.name: p.vector for p in found if p not in flags}
    step = "strides" if "strides" in others else "stride"
    tests: list[str] = []
    if step in others:
        tests.append(f"{step} != 1")
    if {"in_channels", "out_channels"} <= set(others):
        tests.append("in_channels != out_channels")
        if step in others:
            tests.append(f"{step} != 1 or in_channels != out_channels")
    opposite = {test: test.replace("!=", "==").replace(" or ", " and ") for test in tests}
    made = {}
    for flag in flags:
        rows = [{name: vector[at] for name, vector in others.items()} for at in range(len(flag.vector))]
        for test in [*tests, *(opposite[test] for test in tests)]:
            if [_holds(test, row) for row in rows] == flag.vector:
                made[flag.name] = Expression("name", test)
                break
    return made


def _holds(test: str, row: dict[str, Any]) -> bool:
    """Whether one of the tests above holds for an instance."""
    parts = [part.split(" ") for part in test.replace(" and ", " or ").split(" or ")]
    results = [(row[left] == row.get(right, 1)) == (sign == "==") for left, sign, right in parts]
    return all(results) if " and " in test else any(results)


def _settle(parameter: Parameter) -> None:
    """What an instance says that has no say, and the default."""
    known = [value for value in parameter.vector if value is not ANY]
    common = Counter(flat(value) for value in known).most_common(1)[0]
    usual = next(value for value in known if flat(value) == common[0])
    parameter.vector = [usual if value is ANY else value for value in parameter.vector]
    widths = any(parameter.name.startswith(hint) for hint in (*LEFT_OPEN, "channels", "features", "size", "filters"))
    if not widths and common[1] * 2 >= len(known):
        parameter.default = usual
