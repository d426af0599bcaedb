"""A graph as source code that a person would have written, with its weights beside it; it runs without Bakeoff."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bakeoff.graph.graph import Graph


def write(graph: Graph, to: Literal["torch", "keras"] | str, folder: Path, title: str = "net") -> Path:
    """Write `model.py` and its weights; `load()` in it gives the net.

    Args:
        graph: with the numbers to write.
        to: torch or keras.
        folder: where to; it is made.
        title: what the page calls the net.

    Returns:
        The path of `model.py`.

    Raises:
        UnsupportedError: something in the graph has no line of plain code, by name.
    """
    if to == "torch":
        from bakeoff.export.source import _torch_page as form
    else:
        from bakeoff.export.source import _keras_page as form
    folder.mkdir(parents=True, exist_ok=True)
    form.write(graph, folder, title)
    return folder / "model.py"
