"""Modules of one shape become one class: what differs among them becomes its arguments.

Two modules are of one shape where they have the same children, calls and wiring, whatever the numbers. A step that some
have and others lack (a shortcut's projection, a residual) becomes a flag.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

from bakeoff.export.source._text import flat, same
from bakeoff.export.source._tree import REQUIRED, Expression, Op, Scope, Value, values


class _Any:
    """What a module would have said, had it that step."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()
HOLE = "?"
LEFT_OPEN = ("in_channels", "out_channels", "num_features", "in_features", "out_features", "normalized_shape")
CALLED = {"num_features": "channels", "normalized_shape": "features", "filters": "filters", "p": "dropout"}
ALIASES = {"attn": "Attention", "self_attention": "Attention", "mlp": "MLP", "se": "SqueezeExcite"}


HEADS = {"layers.Conv2D": "Conv2d", "layers.BatchNormalization": "BatchNorm2d"}


@dataclass
class Parameter:
    """An argument of a class."""

    name: str
    vector: list[Any]
    default: Any = REQUIRED


@dataclass
class Template:
    """A class of the file, or the one that has no arguments: the net.

    Attributes:
        scope: one of its instances, whose literals are names of arguments where they differ.
    """

    name: str
    scope: Scope
    parameters: list[Parameter] = field(default_factory=list)


@dataclass
class _Family:
    """Instances of one shape."""

    scope: Scope
    members: list[tuple[Scope, list[Any]]]


# literals -------------------------------------------------------------------------------------------------------------


def _changed(scope: Scope, change: Callable[[Any], Any]) -> Scope:
    """With every literal and value changed, children first, in a fixed order."""
    children = {name: child.mapped(change) for name, child in scope.children.items() if isinstance(child, Expression)}
    ops = [replace(op, expression=op.expression.mapped(change)) for op in scope.ops]
    return replace(scope, children=dict(children), ops=ops)


def _literals(scope: Scope) -> list[Any]:
    found: list[Any] = []

    def note(arg: Any) -> Any:
        if not isinstance(arg, Value):
            found.append(arg)
        return arg

    _changed(scope, note)
    return found


def _filled(scope: Scope, literals: list[Any]) -> Scope:
    left = iter(literals)
    return _changed(scope, lambda arg: arg if isinstance(arg, Value) else next(left))


def _shape(scope: Scope) -> Any:
    """What two modules of one class have in common."""
    number: dict[Value, int] = {value: place for place, value in enumerate(scope.inputs)}
    for op in scope.ops:
        for out in op.outs:
            number[out] = len(number)
    shaped = _changed(scope, lambda arg: Value(number[arg]) if isinstance(arg, Value) else HOLE)
    ops = tuple((op.expression, len(op.outs)) for op in shaped.ops)
    return tuple(shaped.children.items()), ops, len(scope.inputs), tuple(number[out] for out in scope.outputs)


# optional steps -------------------------------------------------------------------------------------------------------


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
            if _shape(_without(long, place, instead)) == short:
                return place, instead
    return None


def scope_adds(scope: Scope, head: str) -> bool:
    """Whether the child is Keras's sum."""
    child = scope.children.get(head)
    return isinstance(child, Expression) and child.head == "layers.Add"


def _has_flag(child: Expression | Scope) -> bool:
    return isinstance(child, Expression) and child.kind == "optional"


def _merged(families: list[_Family]) -> list[_Family]:
    while True:
        for long, short in permutations(families, 2):
            if abs(len(long.scope.ops) - len(short.scope.ops)) > 1:
                continue
            found = _optional(long.scope, _shape(short.scope))
            if found is not None:
                families = [one for one in families if one is not long and one is not short]
                families.append(_joined(long, short, *found))
                break
        else:
            return families


def _joined(long: _Family, short: _Family, place: int, instead: Value) -> _Family:
    whole = _with_flag(long.scope, place, instead, True, erase=False)
    hollow = _literals(_with_flag(long.scope, place, instead, False, erase=True))
    marks = _literals(_with_flag(_changed(long.scope, _numbered()), place, instead, None, erase=False))
    step = _literals(_with_flag(_changed(long.scope, _numbered()), place, instead, None, erase=True))
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
    return _Family(whole, members)


@dataclass(frozen=True)
class _Mark:
    at: int


def _numbered() -> Callable[[Any], Any]:
    count = iter(range(10**9))
    return lambda arg: arg if isinstance(arg, Value) else _Mark(next(count))


# arguments ------------------------------------------------------------------------------------------------------------


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


def _parameters(family: _Family) -> tuple[list[Parameter], list[Any]]:
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
    said = [(row[left] == row.get(right, 1)) == (sign == "==") for left, sign, right in parts]
    return all(said) if " and " in test else any(said)


def _settle(parameter: Parameter) -> None:
    """What an instance says that has no say, and the default."""
    known = [value for value in parameter.vector if value is not ANY]
    common = Counter(flat(value) for value in known).most_common(1)[0]
    usual = next(value for value in known if flat(value) == common[0])
    parameter.vector = [usual if value is ANY else value for value in parameter.vector]
    widths = any(parameter.name.startswith(hint) for hint in (*LEFT_OPEN, "channels", "features", "size", "filters"))
    if not widths and common[1] * 2 >= len(known):
        parameter.default = usual


# the whole ------------------------------------------------------------------------------------------------------------


def fold(root: Scope, *, functional: bool = False) -> list[Template]:
    """The classes of the file, each after those that it uses; the net is the last. `root` learns new names."""
    templates: list[Template] = []
    levels: dict[int, list[Scope]] = {}
    for scope in root.scopes():
        levels.setdefault(_level(scope), []).append(scope)
    taken = {"Net"}
    made: dict[int, Expression] = {}  # what the parent writes, the scopes staying where they are
    for _, scopes in sorted(levels.items()):
        waiting: dict[Any, _Family] = {}
        for scope in sorted(scopes, key=lambda scope: (not _is_sequence(scope), -len(scope.path))):
            scope.functional = functional
            written = replace(scope, children={n: made.get(id(c), c) for n, c in scope.children.items()})  # type: ignore[misc]
            if scope is not root and _is_sequence(scope):
                names = tuple(_used(op) for op in written.ops)
                made[id(scope)] = Expression("sequence", "", tuple(written.children[name] for name in names), names)
                if not functional:
                    scope.renamed = {name: str(place) for place, name in enumerate(names)}
                    made[id(scope)] = replace(made[id(scope)], names=())
                continue
            written = written if functional else _legal(scope, written)
            family = waiting.setdefault((_shape(written), scope is root), _Family(written, []))
            family.members.append((scope, _literals(written)))
        for family in _merged(list(waiting.values())):
            parameters, literals = _parameters(family)
            name = "Net" if family.members[0][0] is root else _class_name(family, taken)
            templates.append(Template(name, _filled(family.scope, literals), parameters))
            for at, (scope, _) in enumerate(family.members):
                made[id(scope)] = Expression(
                    "make",
                    name,
                    tuple(parameter.vector[at] for parameter in parameters),
                    tuple(parameter.name for parameter in parameters),
                    tuple(parameter.default for parameter in parameters),
                )
    return templates


def _level(scope: Scope) -> int:
    """How many classes stand below it."""
    below = [child for child in scope.children.values() if isinstance(child, Scope)]
    return max((_level(child) + (not _is_sequence(child)) for child in below), default=0)


def _legal(scope: Scope, written: Scope) -> Scope:
    """With names that an attribute may have; the scope itself learns them, for its weights."""
    names = {name: name if name.isidentifier() else _lettered(name) for name in scope.children}
    if all(old == new for old, new in names.items()):
        return written
    scope.renamed = {old: new for old, new in names.items() if old != new}
    ops = [
        replace(op, expression=replace(op.expression, head=names[op.expression.head]))
        if op.expression.kind in ("use", "own")
        else op
        for op in written.ops
    ]
    return replace(written, children={names[name]: child for name, child in written.children.items()}, ops=ops)


def _lettered(name: str) -> str:
    cleaned = re.sub(r"\W", "_", name)
    return cleaned if cleaned.isidentifier() else f"layer{cleaned}"


def _used(op: Op) -> str:
    return op.expression.head


def _is_sequence(scope: Scope) -> bool:
    """Whether its calls are a chain of children whose names only count."""
    if len(scope.inputs) != 1 or len(scope.outputs) != 1 or not scope.ops:
        return False
    names = [_used(op) for op in scope.ops]
    chained = all(op.expression.kind == "use" and len(op.outs) == 1 for op in scope.ops)
    if not chained or len(set(names)) < len(names) or set(names) != set(scope.children):
        return False
    passed = [*scope.inputs, *(op.outs[0] for op in scope.ops)]
    if any(op.expression.args != (value,) for op, value in zip(scope.ops, passed, strict=False)):
        return False
    counted = all(name.isdecimal() for name in names)
    stems = {re.sub(r"\d+$", "", name) for name in names}
    return scope.outputs == (passed[-1],) and (counted or (len(names) > 2 and len(stems) == 1))


def _class_name(family: _Family, taken: set[str]) -> str:
    stems = [re.sub(r"[\d_]+$", "", scope.path[-1]) for scope, _ in family.members]
    stem, count = Counter(stems).most_common(1)[0]
    name = _by_content(family.scope)
    if name is None:
        camel = "".join(part[:1].upper() + part[1:] for part in stem.split("_"))
        name = (ALIASES.get(stem) or camel) if count * 2 > len(stems) and camel.isidentifier() else "Block"
    name = next(one for one in (name, *(f"{name}{count}" for count in range(2, 10000))) if one not in taken)
    taken.add(name)
    return name


def _by_content(scope: Scope) -> str | None:
    """The field's name for some blocks."""
    leaves = [child for child in scope.children.values() if isinstance(child, Expression)]
    heads = [HEADS.get(leaf.head, leaf.head.removeprefix("nn.").removeprefix("layers.")) for leaf in leaves]
    if heads[:2] == ["Conv2d", "BatchNorm2d"] and len(heads) < 4:
        return "ConvNorm" if len(heads) == 2 else f"ConvNorm{heads[2]}"
    adds = any(op.expression.kind in ("binary", "optional") for op in scope.ops)
    convolutions = heads.count("Conv2d")
    if adds and convolutions == 3:
        return "Bottleneck"
    return "BasicBlock" if adds and convolutions == 2 else None
