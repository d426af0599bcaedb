"""What modules of one class have in common, and steps that some have and others lack.

Two modules are of one shape where they have the same children, calls and wiring, whatever the numbers. A step that some
have and others lack (a shortcut's projection, a residual) becomes a flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from bakeoff.exports.source._tree import Expression, Scope, Value, values


class _Any:
    """What a module would have said, had it that step."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()
HOLE = "?"


@dataclass
class Family:
    """Instances of one shape."""

    scope: Scope
    members: list[tuple[Scope, list[Any]]]


def _changed(scope: Scope, change: Callable[[Any], Any]) -> Scope:
    """With every literal and value changed, children first, in a fixed order."""
    children = {name: child.mapped(change) for name, child in scope.children.items() if isinstance(child, Expression)}
    ops = [replace(op, expression=op.expression.mapped(change)) for op in scope.ops]
    return replace(scope, children=dict(children), ops=ops)


def literals_of(scope: Scope) -> list[Any]:
    """Every number of a module, in a fixed order."""
    found: list[Any] = []

    def note(arg: Any) -> Any:
        if not isinstance(arg, Value):
            found.append(arg)
        return arg

    _changed(scope, note)
    return found


def filled(scope: Scope, literals: list[Any]) -> Scope:
    """The module with other numbers, in that order."""
    left = iter(literals)
    return _changed(scope, lambda arg: arg if isinstance(arg, Value) else next(left))


def shape(scope: Scope) -> Any:
    """What two modules of one class have in common."""
    number: dict[Value, int] = {value: place for place, value in enumerate(scope.inputs)}
    for op in scope.ops:
        for out in op.outs:
            number[out] = len(number)
    shaped = _changed(scope, lambda arg: Value(number[arg]) if isinstance(arg, Value) else HOLE)
    ops = tuple((op.expression, len(op.outs)) for op in shaped.ops)
    return tuple(shaped.children.items()), ops, len(scope.inputs), tuple(number[out] for out in scope.outputs)


def _without(scope: Scope, place: int, instead: Value) -> Scope:
    gone = scope.ops[place]
    out = gone.outs[0]
    ops = [op for at, op in enumerate(scope.ops) if at != place]
    ops = [replace(op, expression=op.expression.mapped(lambda v: instead if v == out else v)) for op in ops]
    head = gone.expression.head if gone.expression.kind == "use" else None
    children = {name: child for name, child in scope.children.items() if name != head}
    outputs = tuple(instead if value == out else value for value in scope.outputs)
    return replace(scope, children=children, ops=ops, outputs=outputs)


def _with_flag(scope: Scope, place: int, instead: Value, flag: Any, *, erase: bool) -> Scope:
    """The step as one that can be left out; `erase`: its numbers are open."""

    def open_(arg: Any) -> Any:
        return ANY if erase and not isinstance(arg, Value) else arg

    op = scope.ops[place]
    children, ops = dict(scope.children), list(scope.ops)
    if op.expression.kind == "use" and scope.functional:
        child = children[op.expression.head]
        assert isinstance(child, Expression)
        children[op.expression.head] = child.mapped(open_)
        ops[place] = replace(op, expression=Expression("optional", "", (flag, op.expression, instead)))
    elif op.expression.kind == "use":
        child = children[op.expression.head]
        assert isinstance(child, Expression)
        children[op.expression.head] = Expression(
            "optional", "", (flag, child.mapped(open_), Expression("make", "nn.Identity"))
        )
    else:
        ops[place] = replace(op, expression=Expression("optional", "", (flag, op.expression.mapped(open_), instead)))
    return replace(scope, children=children, ops=ops)


def _optional(long: Scope, short: Any) -> tuple[int, Value] | None:
    """The step without which the one is of the other's shape, and what takes its place."""
    for place, op in enumerate(long.ops):
        expression = op.expression
        once = [other for other in long.ops if other.expression.head == expression.head and expression.kind == "use"]
        single = len(list(values(expression))) == 1 or scope_adds(long, expression.head)
        uses = expression.kind == "use" and single and len(once) == 1
        if len(op.outs) != 1 or not (uses or (expression.kind == "binary" and expression.head == "+")):
            continue
        if expression.kind == "use" and _has_flag(long.children[expression.head]):
            continue
        for instead in dict.fromkeys(values(expression)):
            if shape(_without(long, place, instead)) == short:
                return place, instead
    return None


def scope_adds(scope: Scope, head: str) -> bool:
    """Whether the child is Keras's sum."""
    child = scope.children.get(head)
    return isinstance(child, Expression) and child.head == "layers.Add"


def _has_flag(child: Expression | Scope) -> bool:
    return isinstance(child, Expression) and child.kind == "optional"


def merged(families: list[Family]) -> list[Family]:
    """Families that are one but for a step that may be left out, joined."""
    while True:
        for long, short in permutations(families, 2):
            if abs(len(long.scope.ops) - len(short.scope.ops)) > 1:
                continue
            found = _optional(long.scope, shape(short.scope))
            if found is not None:
                families = [one for one in families if one is not long and one is not short]
                families.append(_joined(long, short, *found))
                break
        else:
            return families


def _joined(long: Family, short: Family, place: int, instead: Value) -> Family:
    whole = _with_flag(long.scope, place, instead, True, erase=False)
    hollow = literals_of(_with_flag(long.scope, place, instead, False, erase=True))
    marks = literals_of(_with_flag(_changed(long.scope, _numbered()), place, instead, None, erase=False))
    step = literals_of(_with_flag(_changed(long.scope, _numbered()), place, instead, None, erase=True))
    members = []
    for scope, literals in long.members:
        members.append((scope, [True if mark is None else literals[mark.at] for mark in marks]))
    for scope, literals in short.members:
        left = iter(literals)
        filled = [
            hollow[at] if mark is None or open_ is ANY else next(left)
            for at, (mark, open_) in enumerate(zip(marks, step, strict=True))
        ]
        members.append((scope, filled))
    return Family(whole, members)


@dataclass(frozen=True)
class _Mark:
    at: int


def _numbered() -> Callable[[Any], Any]:
    count = iter(range(10**9))
    return lambda arg: arg if isinstance(arg, Value) else _Mark(next(count))
