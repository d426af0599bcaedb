"""The body of a function from a record of calls: short names that are used again, calls within calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from bakeoff.exports.source._text import Doc, Names, doc, flat, lines
from bakeoff.exports.source._tree import Expression, Op, Scope, Value, values

LETTERS = ("x", "y", "z", *"abcdefghjkmnpqrstuvw")
NESTED = 64  # columns of calls within calls


def arguments(scope: Scope) -> list[str]:
    """What the inputs are called."""
    return [letter(place) for place in range(len(scope.inputs))]


def letter(place: int) -> str:
    """The name of a value: x, y, z, a, b, ..."""
    return LETTERS[place] if place < len(LETTERS) else f"x{place}"


def body(scope: Scope, indent: int) -> list[str]:
    """The lines; the last one returns the outputs."""
    ops = nested(scope)
    names: Names = dict(zip(scope.inputs, arguments(scope), strict=True))
    found: list[str] = []
    last = {value: place for place, op in enumerate(ops) for value in values(op.expression)}
    last |= dict.fromkeys(scope.outputs, len(ops))
    for place, op in enumerate(ops):
        if place == len(ops) - 1 and op.outs == scope.outputs:
            return [*found, *lines(("return ", *doc(op.expression, names)), indent)]
        given = doc(op.expression, names)
        dying = [value for value in dict.fromkeys(values(op.expression)) if last[value] == place]
        free = [names.pop(value) for value in dying]
        for out in op.outs:
            names[out] = _fresh(names, free, op) if out in last else "_"
        found += lines((", ".join(names[out] for out in op.outs) + " = ", *given), indent)
        for out in op.outs:
            if out not in last:
                del names[out]
    returned: Doc = (", ".join(names[value] for value in scope.outputs),)
    return [*found, *lines(("return ", *returned), indent)]


def _fresh(names: Names, free: list[str], op: Op) -> str:
    taken = set(names.values())
    if len(op.outs) == 3 and op.expression.head == "split":  # of attention, as a rule
        named = next((name for name in "qkv" if name not in taken), None)
        if named is not None:
            return named
    if free:
        return free.pop(0)
    return next(name for name in (letter(place) for place in range(10**6)) if name not in taken)


def nested(scope: Scope) -> list[Op]:
    """Calls whose one reader comes next are written within it."""
    reads = Counter(value for op in scope.ops for value in values(op.expression))
    reads.update(dict.fromkeys(scope.outputs, 2))
    waiting: dict[Value, Op] = {}
    found: list[Op] = []
    for op in scope.ops:
        if op.expression.kind == "own" and op.outs[0] not in scope.outputs:
            waiting[op.outs[0]] = op
            continue
        taken: list[Op] = []
        expression = _taken_in(op.expression, waiting, taken)
        found = [
            *(one for one in found if all(one is not other for other in taken)),
            replace(op, expression=expression),
        ]
        waiting = {value: one for value, one in waiting.items() if one.expression.kind == "own"}
        if len(op.outs) == 1 and reads[op.outs[0]] == 1 and expression.kind != "optional":
            waiting[op.outs[0]] = found[-1]
    return found


def _taken_in(expression: Expression, waiting: dict[Value, Op], taken: list[Op]) -> Expression:
    """The expression with what waits written in; `taken` is told which calls that were."""

    def inline(arg: Any) -> Any:
        if isinstance(arg, Expression):
            return _taken_in(arg, waiting, taken)
        op = waiting.get(arg) if isinstance(arg, Value) else None
        if op is None or (op.expression.kind != "own" and not _short(op.expression, expression)):
            return arg
        if op.expression.kind != "own":
            taken.append(op)
        return op.expression

    return replace(expression, args=tuple(inline(arg) for arg in expression.args))


def _short(inner: Expression, outer: Expression) -> bool:
    if outer.kind == "optional":
        return False
    names = dict.fromkeys((*values(inner), *values(outer)), "x")
    return len(flat(inner, names)) + len(flat(outer, names)) <= NESTED


def stored(scope: Scope) -> tuple[Scope, dict[str, str]]:
    """The calls with arguments of the class as attributes, and {attribute: what it is}."""
    kept: dict[str, str] = {}

    def change(expression: Expression) -> Expression:
        if expression.kind == "name":
            name = expression.head if expression.head.isidentifier() else "residual"
            kept[name] = expression.head
            return Expression("name", f"self.{name}")
        args = tuple(change(arg) if isinstance(arg, Expression) else arg for arg in expression.args)
        return replace(expression, args=args)

    ops = [replace(op, expression=change(op.expression)) for op in scope.ops]
    return replace(scope, ops=ops), kept
