"""The order of the class names: folders sorted as text ("10" before "2"), as numbers, or by a list of one's own."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.causes import Account, Guesses

STAGE, KEYS = "output", ("output.classes", "output.order")
SAYS = "class names are in the order {a} on one side and {b} on the other"
TORCH = "classes = ImageFolder(root).classes  # {value}"
KERAS = "image_dataset_from_directory(root, class_names=[...])  # {value}"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    one, two = a.settings.get("output.classes"), b.settings.get("output.classes")
    other = one and two and one != two and set(one) == set(two) and b.seen.scores is None
    return {"output.classes": two} if other else None


def guesses(a: Account) -> Guesses:
    names = a.settings.get("output.classes") or ()
    if not names:
        return
    orders = [sorted(names), sorted(names, key=_as_number), list(reversed(names))]
    orders += [[*names[1:], names[0]], [names[-1], *names[:-1]]]
    for order in orders:
        if tuple(order) != tuple(names):
            yield {"output.order": tuple(names.index(name) for name in order)}
            yield {"output.order": tuple(order.index(name) for name in names)}


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    names = a.settings.get("output.classes", ())
    order = changes.get("output.order")
    other = changes.get("output.classes") or tuple(names[i] for i in order)
    return _first(names), _first(other)


def _as_number(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1 << 62, name)


def _first(names: Any) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
