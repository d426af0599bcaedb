"""A flat record of calls, put back into the hierarchy that its module paths tell.

Expression   kind and head, with its arguments: a Value, a literal, or another expression
Op           one call, in the scope where it happens
Scope        a module: its children, its calls, what comes in and goes out
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

REQUIRED = object()  # an argument without a default


@dataclass(frozen=True)
class Value:
    """What a call gives."""

    id: int


@dataclass(frozen=True)
class Expression:
    """A piece of a program.

    Attributes:
        kind: make (a constructor), use (a child is called), own (a parameter), call, method, attribute, binary, item,
            slice, list, tuple.
        head: the name or symbol.
        args: Values, literals, expressions.
        names: of the arguments that are given by keyword; "" for the others.
        defaults: of a constructor's arguments, REQUIRED where there is none.
    """

    kind: str
    head: str = ""
    args: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    defaults: tuple[Any, ...] = ()

    def mapped(self, change: Callable[[Any], Any]) -> Expression:
        """With every argument that is no expression changed."""
        args = tuple(arg.mapped(change) if isinstance(arg, Expression) else change(arg) for arg in self.args)
        return replace(self, args=args)


@dataclass(frozen=True)
class Op:
    """One call; `use` and `own` name a child of the scope."""

    outs: tuple[Value, ...]
    expression: Expression
    scope: tuple[str, ...]


@dataclass
class Scope:
    """A module of the program that comes out.

    Attributes:
        origins: {child: the path that the child has in the source}; of leaves.
        renamed: {child: its name in the file}, where that is another.
        functional: whether it becomes a function, whose steps are statements.
    """

    path: tuple[str, ...]
    children: dict[str, Expression | Scope] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    functional: bool = False

    def scopes(self) -> Iterator[Scope]:
        """Itself and all below."""
        yield self
        for child in self.children.values():
            if isinstance(child, Scope):
                yield from child.scopes()


Leaves = dict[tuple[tuple[str, ...], str], tuple[Expression, str]]  # (scope, name): constructor and source path


def values(expression: Any) -> Iterator[Value]:
    """What an expression reads, in order."""
    if isinstance(expression, Value):
        yield expression
    elif isinstance(expression, Expression):
        for arg in expression.args:
            yield from values(arg)


def assemble(
    ops: list[Op], leaves: Leaves, inputs: tuple[Value, ...], outputs: tuple[Value, ...], path: tuple[str, ...] = ()
) -> Scope:
    """The scope of that path: calls below it go into child scopes, where a child can be called as one.

    A child that would have to be called twice, or before something that it needs, is dissolved into its parent.
    """
    ops, units = _contracted(ops, leaves, path)
    scope = Scope(path, inputs=inputs, outputs=outputs)
    for unit in units:
        child = _child(ops[unit[0]], path)
        inside = [ops[place] for place in unit]
        if child is None:
            scope.ops.append(inside[0])
            _adopt(scope, inside[0], leaves)
            continue
        chosen = set(unit)
        made = {out for op in inside for out in op.outs}
        needed = dict.fromkeys(v for op in inside for v in values(op.expression) if v not in made)
        later = {v for place, op in enumerate(ops) if place not in chosen for v in values(op.expression)}
        given = tuple(out for op in inside for out in op.outs if out in later or out in outputs)
        scope.children[child] = assemble(inside, leaves, tuple(needed), given, (*path, child))
        scope.ops.append(Op(given, Expression("use", child, tuple(needed)), path))
    return scope


def _adopt(scope: Scope, op: Op, leaves: Leaves) -> None:
    expression = op.expression
    if expression.kind in ("use", "own"):
        scope.children[expression.head], scope.origins[expression.head] = leaves[scope.path, expression.head]


def _child(op: Op, path: tuple[str, ...]) -> str | None:
    return op.scope[len(path)] if len(op.scope) > len(path) else None


def _contracted(ops: list[Op], leaves: Leaves, path: tuple[str, ...]) -> tuple[list[Op], list[list[int]]]:
    """The calls, and in an order that can be run, which of them make up a child each."""
    while True:
        groups: dict[str, list[int]] = {}
        units: list[list[int]] = []
        for place, op in enumerate(ops):
            child = _child(op, path)
            if child is None:
                units.append([place])
            elif child in groups:
                groups[child].append(place)
            else:
                units.append(groups.setdefault(child, [place]))
        order, stuck = _sorted(ops, units)
        taken = {op.expression.head for op in ops if _child(op, path) is None and op.expression.kind in ("use", "own")}
        clash = next((child for child in groups if child in taken), None)
        if not stuck and clash is None:
            return ops, order
        looped = [unit for unit in stuck if len(unit) > 1 or _child(ops[unit[0]], path)]
        name = clash if clash is not None else _child(ops[looped[0][0]], path)
        assert name is not None
        ops = [_dissolved(op, path, name, leaves) for op in ops]


def _sorted(ops: list[Op], units: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """Units in an order that can be run, as near as may be to theirs; those that wait for one another."""
    maker = {out: number for number, unit in enumerate(units) for place in unit for out in ops[place].outs}
    needs: list[set[int]] = [
        {maker[v] for place in unit for v in values(ops[place].expression) if v in maker} - {number}
        for number, unit in enumerate(units)
    ]
    users: dict[int, list[int]] = {}
    for number, needed in enumerate(needs):
        for other in needed:
            users.setdefault(other, []).append(number)
    waits = [len(needed) for needed in needs]
    ready = [(units[number][0], number) for number, count in enumerate(waits) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(number)
        for user in users.get(number, []):
            waits[user] -= 1
            if not waits[user]:
                heapq.heappush(ready, (units[user][0], user))
    left = set(range(len(units))) - set(order)
    while True:  # what only waits for a loop is in none
        ends = {number for number in left if not left & set(users.get(number, []))}
        if not ends:
            break
        left -= ends
    return [units[number] for number in order], [units[number] for number in sorted(left)]


def _dissolved(op: Op, path: tuple[str, ...], child: str, leaves: Leaves) -> Op:
    """The call with that child's name joined to the name below it."""
    depth = len(path)
    if _child(op, path) != child:
        return op
    below = op.scope[depth + 1 :]
    if below:
        scope, expression = (*path, f"{child}_{below[0]}", *below[1:]), op.expression
    else:
        scope, expression = path, op.expression
        if expression.kind in ("use", "own"):
            expression = replace(expression, head=f"{child}_{expression.head}")
    if op.expression.kind in ("use", "own"):
        leaves[scope, expression.head] = leaves[op.scope, op.expression.head]
    return Op(op.outs, expression, scope)


def compressed(ops: list[Op], leaves: Leaves) -> list[Op]:
    """Names split at underscores: parts that stand for nothing of their own are joined again."""
    below: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    paths = [
        (*op.scope, op.expression.head if op.expression.kind in ("use", "own") else f"={n}") for n, op in enumerate(ops)
    ]
    for path in paths:
        for count in range(len(path)):
            below.setdefault(path[:count], set()).add(path[: count + 1])
    found = []
    for op, path in zip(ops, paths, strict=True):
        parts: list[str] = []
        joined = ""
        for count in range(1, len(path) + 1):
            part = path[count - 1]
            joined = f"{joined}_{part}" if joined else part
            if count == len(path) or len(below[path[:count]]) > 1:
                parts.append(joined)
                joined = ""
        scope, last = tuple(parts[:-1]), parts[-1]
        expression = op.expression
        if expression.kind in ("use", "own"):
            leaves[scope, last] = leaves[op.scope, expression.head]
            expression = replace(expression, head=last)
        found.append(Op(op.outs, expression, scope))
    return found


def places(scope: Scope, at: str = "") -> Mapping[str, str]:
    """{path in the source: path in the file} of every leaf."""
    found: dict[str, str] = {}
    for name, child in scope.children.items():
        here = f"{at}{scope.renamed.get(name, name)}"
        if isinstance(child, Scope):
            found |= places(child, f"{here}.")
        elif name in scope.origins:
            found[scope.origins[name]] = here
    return found
