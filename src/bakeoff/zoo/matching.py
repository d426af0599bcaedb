"""A file of weights, matched with the names that a net has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bakeoff.errors import DataError
from bakeoff.schemas import Array

COUNTERS = "num_batches_tracked"  # of batch norm; older files lack them, and prediction doesn't read them


def matched(found: Mapping[str, Array], expected: Mapping[str, tuple[int, ...]], what: str) -> dict[str, Array]:
    """The arrays under the names of the net, each of the net's shape.

    Files nest weights in dicts (`state_dict.`, `model.`) and wrap modules (`module.`, `_orig_mod.`): the prefix under
    which the most names agree is taken off. What else the file holds (an optimizer's state) is left out; a weight that
    the net needs must be there.

    Args:
        found: the file's arrays by name.
        expected: the net's shapes by name.
        what: the file, for messages.

    Raises:
        DataError: names are missing, or shapes differ.
    """
    prefix = _prefix(found, expected)
    inside = {name.removeprefix(prefix): array for name, array in found.items() if name.startswith(prefix)}
    missing = [name for name in expected if name not in inside and not name.endswith(COUNTERS)]
    if missing:
        strange = [name for name in inside if name not in expected]
        raise DataError(
            f"{what}: weights of another net: {len(missing)} of {len(expected)} are missing, as {_some(missing)}.\n"
            f"It has {_some(strange) or 'no others'}. Give the weights of this very model (same classes, same size)."
        )
    for name, shape in expected.items():
        if name in inside and inside[name].shape != shape:
            raise DataError(
                f"{what}: {name} has shape {list(inside[name].shape)}, the net expects {list(shape)}.\n"
                "Another number of classes, or another input size?"
            )
    return {name: inside[name] for name in expected if name in inside}


def _prefix(found: Iterable[str], expected: Mapping[str, object]) -> str:
    """What stands before the net's names in the file, as "state_dict.module."."""
    votes: dict[str, int] = {"": 0}
    for name in found:
        parts = name.split(".")
        for start in range(min(len(parts), 5)):
            if ".".join(parts[start:]) in expected:
                prefix = ".".join([*parts[:start], ""]) if start else ""
                votes[prefix] = votes.get(prefix, 0) + 1
    return max(votes, key=lambda prefix: (votes[prefix], -len(prefix)))


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(repr(name) for name in listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
