"""What can be a side, one kind a file; the folder is the registry.

An entry has `READS`, in words; `accepts(text)`, which looks at names alone; and `opened(text, given)` -> Account. The
first by `PLACE` that accepts a text opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bakeoff import registry
from bakeoff.difference import inputs
from bakeoff.difference.account import Account, Observed
from bakeoff.errors import DataError, UsageError
from bakeoff.files import absent


@dataclass(frozen=True)
class Given:
    """What the user said of a side besides its name.

    Attributes:
        side: "a" or "b".
        images: the bytes of the images, in order.
        names: of their files.
        input: preprocessing in words, see `inputs.declared`.
        pre: FILE.py:FUNCTION, from the path of an image to a net's input.
        weights: a file of weights, for a source by name.
        token: a server's secret.
        steps: of a script that are recorded.
    """

    side: str
    images: Sequence[bytes] = ()
    names: Sequence[str] = ()
    input: str | None = None
    pre: str | None = None
    weights: str | None = None
    token: str = ""
    steps: int = 8


def open_side(text: str, given: Given) -> Account:
    """The account of a side.

    Raises:
        UsageError, DataError: it is nothing that can be one, or what was said of it can't be used.
    """
    kinds = [registry.load(__name__, name, what="side") for name in registry.names(__name__)]
    for kind in sorted(kinds, key=lambda one: int(one.PLACE)):
        if kind.accepts(text):
            account: Account = kind.opened(text, given)
            return stated(replace(account, given={**account.given, "side": given.side}), given)
    there = "nothing that can be explained" if Path(text).exists() else absent(text)
    reads = registry.either([kind.READS for kind in kinds])
    raise DataError(f"{text}: {there}\nExpected {reads}.")


def stated(account: Account, given: Given) -> Account:
    """The account with what the user said of its preprocessing."""
    option = f"--{given.side}-input"
    if given.input is not None and given.pre is not None:
        raise UsageError(f"{option} and --{given.side}-pre: give one of them.")
    if given.input is not None:
        told = inputs.declared(given.input, option)
        whole = told if "input.mean" not in told else {**inputs.USUAL, **told}
        account = replace(account, given={**account.given, **whole})
    if given.input is not None or given.pre is not None:
        account = replace(account, notes=tuple(note for note in account.notes if "on which scale" not in note))
    if given.pre is not None:
        from bakeoff.difference.user import prepared

        hidden = {key: value for key, value in account.given.items() if not key.startswith("input.")}
        seen = replace(account.seen, inputs=prepared(given.pre, given.images, given.names))
        places = {**account.places, "input": given.pre}
        account = replace(account, given=hidden, seen=seen, places=places)
    return account


def figure(accuracy: float) -> Account:
    """A promised accuracy, in percent."""
    return Account(f"--expect {accuracy:g}", "figure", seen=Observed(accuracy=accuracy / 100))
