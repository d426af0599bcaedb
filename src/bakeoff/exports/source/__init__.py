"""A graph as source code that a person would have written, with its weights beside it; it runs without Bakeoff."""

from __future__ import annotations

import importlib
from pathlib import Path

from bakeoff.files import make_folder
from bakeoff.graph.graph import Graph
from bakeoff.graph.penalties import shortened


def write(graph: Graph, to: str, folder: Path, title: str = "net") -> Path:
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
    form = importlib.import_module(f"bakeoff.exports.source._{to}_file")
    make_folder(folder)
    form.write(shortened(graph), folder, title)
    return folder / "model.py"


def write_state(graph: Graph, path: Path) -> None:
    """Write the state dict alone: that of the net in the page for torch, which `load_state_dict` takes.

    Raises:
        UnsupportedError: as `write`.
    """
    form = importlib.import_module("bakeoff.exports.source._torch_file")
    form.write_state(shortened(graph), path)
