"""Expressions as text, in lines of 88 columns, broken where ruff and Black break them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bakeoff.exports.source._tree import REQUIRED, Expression, Value

WIDTH = 88
RANK = {"**": 6, "*": 5, "/": 5, "//": 5, "@": 5, "%": 5, "+": 4, "-": 4, "&": 3, "|": 2}
Names = dict[Value, str]


@dataclass(frozen=True)
class Group:
    """Brackets and what they hold; the place where a line may break."""

    items: tuple[Doc, ...]
    opening: str
    closing: str


Doc = tuple["str | Group", ...]


def flat(expression: Any, names: Names | None = None) -> str:
    """On one line."""
    return line(doc(expression, names or {}))


def line(pieces: Doc) -> str:
    """A doc on one line."""
    return "".join(piece if isinstance(piece, str) else _one(piece) for piece in pieces)


def _one(group: Group) -> str:
    comma = "," if group.opening == "(," else ""
    return group.opening[0] + ", ".join(line(item) for item in group.items) + comma + group.closing


def lines(pieces: Doc, indent: int, after: str = "") -> list[str]:
    """In as many lines as it needs; the last bracket breaks first."""
    space, whole = " " * indent, line(pieces)
    if len(space + whole + after) <= WIDTH:
        return [space + whole + after]
    chosen = next((at for at, piece in enumerate(pieces) if piece == " if "), None)
    if chosen is not None and pieces[0] != "(":
        return _choice(pieces, chosen, indent, after)
    breakable = [place for place, piece in enumerate(pieces) if isinstance(piece, Group) and piece.items]
    if not breakable:
        return [space + whole + after]
    place = breakable[-1]
    if place - 1 in breakable and len(space + line(pieces[:place])) >= WIDTH:
        place -= 1  # of a call's call, the one that can be parted
    group = pieces[place]
    assert isinstance(group, Group)
    head, tail = line(pieces[:place]) + group.opening[0], group.closing + line(pieces[place + 1 :])
    inner = ", ".join(line(item) for item in group.items)
    if len(space) + 4 + len(inner) <= WIDTH and group.opening != "(,":
        body = [f"{space}    {inner}"]
    else:
        body = [one for item in group.items for one in lines(item, indent + 4, ",")]
    return [space + head, *body, space + tail + after]


def _choice(pieces: Doc, chosen: int, indent: int, after: str) -> list[str]:
    """`head = (a if b else c)`, in lines of its own."""
    first = pieces[0] if isinstance(pieces[0], str) and pieces[0].endswith((" = ", "return ")) else ""
    start = 1 if first else 0
    other = pieces.index(" else ")
    space = " " * indent
    inside = pieces[start:]
    if len(space) + 4 + len(line(inside)) <= WIDTH:
        return [f"{space}{first}(", f"{space}    {line(inside)}", f"{space}){after}"]
    body = [
        *lines(pieces[start:chosen], indent + 4),
        f"{space}    if {line(pieces[chosen + 1 : other])}",
        f"{space}    else {line(pieces[other + 1 :])}",
    ]
    return [f"{space}{first}(", *body, f"{space}){after}"]


def doc(expression: Any, names: Names) -> Doc:
    """The pieces of an expression."""
    if isinstance(expression, Value):
        return (names[expression],)
    if not isinstance(expression, Expression):
        return (literal(expression),)
    found: Doc = FORMS[expression.kind](expression, names)
    return found


def literal(value: Any) -> str:
    """A number, a string, a dtype."""
    if isinstance(value, str):
        return '"' + repr(value)[1:-1].replace('"', '\\"') + '"'
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    if isinstance(value, float):  # 1 - 0.999 is meant as 0.001
        short = float(f"{value:.12g}")
        return repr(short if abs(short - value) < 1e-12 * abs(value) else value)
    return repr(value)


def _given(expression: Expression, names: Names) -> tuple[Doc, ...]:
    found: list[Doc] = []
    keywords = expression.names or ("",) * len(expression.args)
    defaults = expression.defaults or (REQUIRED,) * len(expression.args)
    for arg, name, default in zip(expression.args, keywords, defaults, strict=True):
        if default is not REQUIRED and not _variable(arg) and same(arg, default):
            continue
        positional = not name or (expression.kind == "make" and default is REQUIRED)
        found.append(doc(arg, names) if positional else (f"{name}=", *doc(arg, names)))
    return tuple(found)


def _variable(arg: Any) -> bool:
    return isinstance(arg, Expression) and arg.kind == "name"


def same(arg: Any, default: Any) -> bool:
    """Equal, and of one type."""
    return bool(arg == default) and isinstance(arg, bool) == isinstance(default, bool)


def _bracketed(inside: Doc, *, when: bool) -> Doc:
    return (Group((inside,), "(", ")"),) if when else inside


def _owner(arg: Any, names: Names) -> Doc:
    loose = isinstance(arg, Expression) and arg.kind in ("binary", "optional")
    return _bracketed(doc(arg, names), when=loose)


def _binary(expression: Expression, names: Names) -> Doc:
    rank = RANK.get(expression.head, 1)

    def side(arg: Any, *, right: bool) -> Doc:
        inner = RANK.get(arg.head, 1) if isinstance(arg, Expression) and arg.kind == "binary" else 9
        loose = isinstance(arg, Expression) and arg.kind == "optional"
        return _bracketed(doc(arg, names), when=loose or inner < rank or (right and inner == rank))

    left, right = expression.args
    return (*side(left, right=False), f" {expression.head} ", *side(right, right=True))


def _optional(expression: Expression, names: Names) -> Doc:
    flag, present, absent = expression.args
    if flag is True:
        return doc(present, names)
    if flag is False:
        return doc(absent, names)
    return (*doc(present, names), " if ", *doc(flag, names), " else ", *doc(absent, names))


def _sequence(expression: Expression, names: Names) -> Doc:
    """Children one after the other; the same ones in a row as a loop."""
    items: list[Doc] = []
    args = list(expression.args)
    while args:
        run = 1
        while run < len(args) and args[run] == args[0]:
            run += 1
        if run > 2 or (run == 2 and len(line(doc(args[0], names))) > 30):
            items.append(("*", Group(((*doc(args[0], names), f" for _ in range({run})"),), "(", ")")))
        else:
            items += [doc(arg, names) for arg in args[:run]]
        args = args[run:]
    return ("nn.Sequential", Group(tuple(items), "(", ")"))


def _item(expression: Expression, names: Names) -> Doc:
    owner, index = expression.args
    inside = index.args if isinstance(index, Expression) and index.kind == "tuple" else (index,)
    return (*_owner(owner, names), Group(tuple(doc(one, names) for one in inside), "[", "]"))


def _slice(expression: Expression, names: Names) -> Doc:
    start, stop, step = ("" if arg is None else flat(arg, names) for arg in expression.args)
    return (f"{start}:{stop}" + (f":{step}" if step else ""),)


FORMS: dict[str, Any] = {
    "make": lambda e, names: (e.head, Group(_given(e, names), "(", ")")),
    "call": lambda e, names: (e.head, Group(_given(e, names), "(", ")")),
    "sequence": _sequence,
    "use": lambda e, names: (f"self.{e.head}", Group(tuple(doc(arg, names) for arg in e.args), "(", ")")),
    "own": lambda e, names: (f"self.{e.head}",),
    "name": lambda e, names: (e.head,),
    "method": lambda e, names: (
        *_owner(e.args[0], names),
        f".{e.head}",
        Group(_given(Expression("call", "", e.args[1:], e.names[1:]), names), "(", ")"),
    ),
    "attribute": lambda e, names: (*_owner(e.args[0], names), f".{e.head}"),
    "binary": _binary,
    "optional": _optional,
    "item": _item,
    "slice": _slice,
    "list": lambda e, names: (Group(tuple(doc(arg, names) for arg in e.args), "[", "]"),),
    "tuple": lambda e, names: (
        Group(tuple(doc(arg, names) for arg in e.args), "(," if len(e.args) == 1 else "(", ")"),
    ),
}
