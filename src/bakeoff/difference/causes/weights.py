"""Other weights in the same net: another training, another file, an array that wasn't copied or was turned."""

from __future__ import annotations

from typing import Any

from bakeoff.difference.account import Account
from bakeoff.difference.causes import differing

STAGE, WORLD, KEYS = "net", "predict", ("array.*",)
SAYS = "the weights are {a} on one side and {b} on the other"
TORCH = "model.load_state_dict(state, strict=True)  # all of them, from the same file"
KERAS = "model.load_weights(path)  # all of them, from the same file"


def suspect(a: Account, b: Account) -> dict[str, Any] | None:
    """Arrays that no other cause explains; none where the nets differ in their layers."""
    if a.graph is None or b.graph is None or a.settings["net.operators"] != b.settings["net.operators"]:
        return None
    found = differing(a, b, KEYS) or {}
    return {key: b.settings[key] for key in found if a.settings[key].shape == b.settings[key].shape} or None


def values(a: Account, b: Account, changes: Any) -> tuple[str, str]:
    names = sorted(changes)
    first = ", ".join(name.removeprefix("array.") for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"its own in {first}{more}", "others"
