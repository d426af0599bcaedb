"""What a file of others may be made of: a list of what is allowed for each format, in the folder `allowed`.

A list of what is forbidden has gaps: of TensorFlow's some 1,300 operators, about a hundred open files, sockets or other
processes. What isn't in the list isn't loaded, unless the user trusts who made the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from bakeoff.errors import CorruptError
from bakeoff.shown import shell


def trusted(path: Path) -> str:
    """What a user can do who knows where a file comes from."""
    return f"If you trust who made it: bakeoff predict {shell(path)} IMAGES --trust"


@cache
def allowed(kind: str) -> frozenset[str]:
    """The operators of a format's list, as `onnx`."""
    lines = files(__package__).joinpath("allowed", f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def hold(path: Path, kind: str, found: Iterable[str]) -> None:
    """Hold what a file is made of to the list of its format.

    Raises:
        CorruptError: it has others; names them.
    """
    refuse(path, sorted({name or "an operator without a name" for name in found} - allowed(kind)))


def refuse(path: Path, found: list[str]) -> None:
    """Refuse a file for what was found in it.

    Raises:
        CorruptError: something was found.
    """
    if found:
        named = ", ".join(name[:60] for name in found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
        raise CorruptError(
            f"{path}: it holds {named}, which classifiers don't need and could reach files or run without end. It was "
            f"not loaded.\n{trusted(path)}"
        )
