"""Modules of one shape become one class: what differs among them becomes its arguments."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from bakeoff.exports.source._arguments import Parameter, parameters_of
from bakeoff.exports.source._shapes import Family, filled, literals_of, merged, shape
from bakeoff.exports.source._tree import Expression, Op, Scope

ALIASES = {"attn": "Attention", "self_attention": "Attention", "mlp": "MLP", "se": "SqueezeExcite"}
HEADS = {"layers.Conv2D": "Conv2d", "layers.BatchNormalization": "BatchNorm2d"}


@dataclass
class Template:
    """A class of the file, or the one that has no arguments: the net.

    Attributes:
        scope: one of its instances, whose literals are names of arguments where they differ.
    """

    name: str
    scope: Scope
    parameters: list[Parameter] = field(default_factory=list)


def fold(root: Scope, *, functional: bool = False) -> list[Template]:
    """The classes of the file, each after those that it uses; the net is the last. `root` learns new names."""
    templates: list[Template] = []
    levels: dict[int, list[Scope]] = {}
    for scope in root.scopes():
        levels.setdefault(_level(scope), []).append(scope)
    taken = {"Net"}
    made: dict[int, Expression] = {}  # what the parent writes, the scopes staying where they are
    for _, scopes in sorted(levels.items()):
        waiting: dict[Any, Family] = {}
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
            family = waiting.setdefault((shape(written), scope is root), Family(written, []))
            family.members.append((scope, literals_of(written)))
        for family in merged(list(waiting.values())):
            parameters, literals = parameters_of(family)
            name = "Net" if family.members[0][0] is root else _class_name(family, taken)
            templates.append(Template(name, filled(family.scope, literals), parameters))
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


def _class_name(family: Family, taken: set[str]) -> str:
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
