"""What a conversion doesn't keep has to be accepted by its name, before anything is checked or written."""

from __future__ import annotations

from bakeoff.conversion.request import Request
from bakeoff.errors import DeclaredError, UsageError
from bakeoff.schemas import Declared

ROUNDING = 1e-6  # of the logits in float32: an effect below it is none


def not_kept(request: Request, declared: tuple[Declared, ...]) -> tuple[Declared, ...]:
    """What of it this output loses: nothing where it is the source's own, or predicts alone."""
    return () if request.own or request.to == "onnx" else declared


def check_accepted(request: Request, declared: tuple[Declared, ...]) -> None:
    """Refuse what nobody has accepted, and what is accepted in vain.

    Raises:
        DeclaredError: names each, and how to accept it.
        UsageError: nothing of an accepted name is declared.
    """
    if request.accept is None:
        return
    names = tuple(one.name for one in declared)
    vain = next((name for name in request.accept if name not in names), None)
    if vain is not None:
        here = f"here that is declared: {', '.join(names)}" if names else "nothing is declared here"
        raise UsageError(f"accept {vain}: {request.source} to {request.to}: {here}. Leave it out.")
    left = [one for one in declared if one.name not in request.accept]
    if left:
        raise DeclaredError(
            f"{request.source} to {request.to}: not all of its training is kept: {'; '.join(map(str, left))}.\n"
            f"Nothing was written. If that is all right: {' '.join(f'--accept {name}' for name in names)}, "
            f"or accept={names!r} in Python."
        )


def same(stored: tuple[Declared, ...], found: tuple[Declared, ...]) -> bool:
    """Whether two machines declare the same; an effect, which is one pass in float32, by its size."""
    if [(one.name, one.where, one.what) for one in stored] != [(one.name, one.where, one.what) for one in found]:
        return False
    pairs = [(one.effect, other.effect) for one, other in zip(stored, found, strict=True)]
    return all(
        a == b or (a is not None and b is not None and max(a, b) < max(2 * min(a, b), ROUNDING)) for a, b in pairs
    )
