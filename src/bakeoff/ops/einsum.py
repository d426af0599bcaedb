"""einsum: a sum of products, said by letters.

Shape    equation "bhid,bhjd->bhij": each letter an axis; letters that the result lacks are summed over

Laws     linear in each input; renaming letters changes nothing

Traps    order   letters are given in the order in which the axes lie, so that nothing is moved before the sum
         keras   works out no shape for capital letters: they are renamed
         dots    an ellipsis is refused; capture spells it out
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters
from typing import Any

import numpy as np

from bakeoff.errors import UnsupportedError
from bakeoff.ops._dimension import Shape, Size
from bakeoff.ops._letters import lain, lower
from bakeoff.ops._page import Call, Case, Gap, LayerCall, Mode, Scope, roundings
from bakeoff.schemas import Array

LAYOUT = "any"


@dataclass(frozen=True)
class Attributes:
    equation: str

    def __post_init__(self) -> None:
        text = self.equation.replace(" ", "")
        if text.count("->") != 1 or not text.replace("->", "").replace(",", "").isalpha():
            raise UnsupportedError(f"einsum: {self.equation!r}; expected letters, commas and one '->'")
        object.__setattr__(self, "equation", text)

    @property
    def terms(self) -> tuple[list[str], str]:
        """The letters of each input, and of the result."""
        left, right = self.equation.split("->")
        return left.split(","), right


def shape(a: Attributes, *shapes: Shape) -> Shape:
    terms, result = a.terms
    if [len(term) for term in terms] != [len(given) for given in shapes]:
        raise UnsupportedError(f"einsum: {a.equation!r} doesn't fit {', '.join(map(str, shapes))}")
    sizes: dict[str, Size] = {}
    for term, given in zip(terms, shapes, strict=True):
        for letter, size in zip(term, given, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise UnsupportedError(f"einsum: {letter!r} of {a.equation!r} is {sizes[letter]} and {size}")
    return tuple(sizes[letter] for letter in result)


def truth(_: Mode, a: Attributes, *inputs: Array) -> Array:
    return np.asarray(np.einsum(a.equation, *inputs, optimize=True))


def _equation(scope: Scope, a: Attributes) -> str:
    terms, result = a.terms
    left = ",".join(lain(term, order) for term, order in zip(terms, scope.orders, strict=True))
    return lower(f"{left}->{result}")


def _result(scope: Scope, a: Attributes, y: Any) -> Any:
    return scope.laid(y, tuple(range(len(a.terms[1]))))


def to_torch(scope: Scope, a: Attributes, *inputs: Any) -> Any:
    return _result(scope, a, scope.lib.einsum(_equation(scope, a), *inputs))


def to_keras(scope: Scope, a: Attributes, *inputs: Any) -> Any:
    return _result(scope, a, scope.lib.ops.einsum(_equation(scope, a), *inputs))


def to_onnx(scope: Scope, a: Attributes, *inputs: Any) -> Any:
    return _result(scope, a, scope.emit("Einsum", list(inputs), equation=_equation(scope, a)))


def from_torch(call: Call) -> Any:
    equation = call["equation"].replace(" ", "")
    if "->" not in equation:
        raise call.refuse(f"{equation!r} doesn't say its output")
    values = [call.value(x) for x in call["tensors"]]
    left, right = _without_dots(equation, [x.rank for x in values], len(call.sizes)).split("->")
    return _emitted(call, left.split(","), right, values)


def _emitted(call: Call, terms: Sequence[Sequence[str]], right: str, values: list[Any]) -> Any:
    """Letters for torch's axes of each value, in the order in which they lie."""
    pairs = zip(terms, values, strict=True)
    left = ["".join(term[axis] for axis in sorted(range(x.rank), key=x.order.__getitem__)) for term, x in pairs]
    return call.emit("einsum", {"equation": f"{','.join(left)}->{right}"}, *values, order=tuple(range(len(right))))


def from_tensordot(call: Call) -> Any:
    """A sum of products over some axes of both."""
    x, y = call.value(call["self"]), call.value(call["other"])
    left, right = list(ascii_letters[: x.rank]), list(ascii_letters[x.rank : x.rank + y.rank])
    for i, j in zip(call["dims_self"], call["dims_other"], strict=True):
        right[j] = left[i]
    result = [letter for letter in left + right if letter not in set(left) & set(right)]
    return _emitted(call, [left, right], "".join(result), [x, y])


def _without_dots(equation: str, ranks: list[int], rank: int) -> str:
    """Letters for the axes that dots stand for, counted from the last."""
    free = "".join(letter for letter in ascii_letters if letter not in equation)
    left, right = equation.split("->")
    terms = []
    for term, axes in zip([*left.split(","), right], [*ranks, rank], strict=True):
        more = axes - len(term.replace("...", ""))
        terms.append(term.replace("...", free[:more][::-1]))
    return ",".join(terms[:-1]) + "->" + terms[-1]


FROM_TORCH = {"aten.einsum": from_torch, "aten.tensordot": from_tensordot}


def from_keras(call: LayerCall) -> Any:
    operands = [call.value(one) for one in call.operands if one is not call.layer.subscripts]
    return call.emit("einsum", {"equation": call.layer.subscripts}, *operands)


def from_dot(call: LayerCall) -> Any:
    """The merging layer: products along an axis of each, image by image; of two vectors (N, 1)."""
    x, y = call.inputs
    if call.layer.normalize:
        raise call.refuse("normalize=True", "Put UnitNormalization before it.")
    axes = (call.layer.axes,) * 2 if isinstance(call.layer.axes, int) else call.layer.axes
    first, second = axes[0] % x.rank, axes[1] % y.rank
    if x.rank == y.rank == 2:
        return call.emit("reduce_sum", {"axes": (1,), "keepdims": True}, call.emit("mul", {}, x, y))
    left, right = list("bijklm"[: x.rank]), list("bpqrst"[: y.rank])
    right[second] = left[first]
    result = [*left[:first], *left[first + 1 :], *right[1:second], *right[second + 1 :]]
    return call.emit("einsum", {"equation": f"{''.join(left)},{''.join(right)}->{''.join(result)}"}, x, y)


FROM_KERAS = {"ops.Einsum": from_keras, "layers.Dot": from_dot}
CASES = {
    "queries by keys": Case(((2, 3, 4, 5), (2, 3, 6, 5)), Attributes("bhid,bhjd->bhij")),
    "capital letters, another order": Case(((2, 3, 4), (2, 4, 5)), Attributes("Bij,Bjk->Bki")),
    "a sum": Case(((2, 3, 4),), Attributes("bij -> bj")),
    "a letter twice": Case(((2, 4, 4),), Attributes("bhh->bh")),
    "three at once": Case(((2, 3), (2, 4), (2, 3, 4)), Attributes("bi,bj,bij->bij")),
}
TOLERANCE = roundings(5)
MUTATIONS: dict[str, Any] = {"equation": "Bij,Bjk->Bik"}
GAPS = {"an ellipsis": Gap("keras", lambda keras, x: keras.ops.einsum("...c->...", x), "expected letters")}
SHOWN = {"order": ("queries by keys",), "keras": ("capital letters, another order",), "dots": ("a sum",)}
