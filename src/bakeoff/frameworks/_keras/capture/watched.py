"""What layers of the user's own keep from call to call, and whether they treat all batches and sizes alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import keras

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._keras.capture.trust import is_keras
from bakeoff.frameworks._watch import Watch, changed, reads, state
from bakeoff.parity.sizes import drawn

LOADED = [sys.modules[name] for name in ("keras", "tensorflow", "jax") if name in sys.modules]
LIBRARIES = tuple(os.path.dirname(str(module.__file__)) for module in LOADED)
INTERNAL = frozenset(vars(keras.layers.Layer()))
SOME = (1, 7)  # images
Refuse = Callable[[str], UnsupportedError]


def check(watch: Watch, before: dict[str, str], after: dict[str, str], refuse: Refuse) -> None:
    """Refuse what was asked or changed.

    Args:
        watch: of all calls.
        before: what was kept, as `kept` has it.
        after: the same after further calls.
        refuse: makes the error.
    """
    for what, where in watch.asked.items():
        place = where.removeprefix("the model itself").strip()
        raise refuse(f"it asks {what} {place}".rstrip() + ", once for a whole training")
    for name in changed(before, after):
        if reads(watch.codes, name):
            raise refuse(f"it changes {name} from call to call, and reads it")


def kept(layer: Any, watch: Watch) -> dict[str, str]:
    """What layers of the user's own, and the code that ran, keep from call to call."""
    roots: dict[str, Any] = {}
    for one in layer._flatten_layers():
        if not is_keras(type(one)):
            roots |= {key: value for key, value in vars(one).items() if key not in INTERNAL}
            roots |= {kind.__qualname__: kind for kind in type(one).__mro__}

    def leaf(value: Any) -> str | None:
        return type(value).__name__ if isinstance(value, keras.Layer | keras.Variable | keras.KerasTensor) else None

    return state(roots, watch.codes, leaf)


def other_shapes(run: Any, plain: Any, refuse: Callable[[str], UnsupportedError]) -> list[Any]:
    """Refuse code that does something else for some numbers of images, or for some sizes where they are free."""
    kinds = [_kind(node.operation) for node in nodes_of(plain)]
    made = []
    for count, size in [(count, None) for count in SOME] + [(None, size) for size in drawn((128, 128))[::3]]:
        try:
            made.append(run(False, count, size)[1])
        except UnsupportedError:  # the code itself refuses that shape
            continue
        if [_kind(node.operation) for node in nodes_of(made[-1])] != kinds:
            what = f"a batch of {count}" if count else f"images of {size[0]} x {size[1]}" if size else ""
            raise refuse(f"for {what} it does something else")
    return made


def _kind(operation: Any) -> Any:
    return id(operation) if isinstance(operation, keras.Layer) else type(operation).__qualname__


def nodes_of(function: Any) -> list[Any]:
    depths = sorted(function._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in function._nodes_by_depth[depth] if not node.is_input]
