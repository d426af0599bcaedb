"""NumPy: what the format `numpy` writes, run by the interpreter of the graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bakeoff.graph.interpreter import run
from bakeoff.graph.serialize import from_json
from bakeoff.runtimes._metadata import KEY
from bakeoff.runtimes._runtime import FunctionRuntime

READS = "a .numpy file"


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == ".numpy" and path.is_file()


def ready() -> None:
    """NumPy is here."""


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The net as a runtime; nothing in it is executed."""
    with np.load(path) as file:
        held = {name: file[name] for name in file.files}
    says, graph = str(held.pop("says")), json.loads(str(held.pop("graph")))
    net = from_json(graph, held)
    return FunctionRuntime("numpy", lambda images: run(net, images), {KEY: says})
