"""NumPy: the graph and its arrays in one file, for machines that have nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, text
from bakeoff.graph.serialize import to_json

EXTENSION = ".numpy"
HELP = "one .numpy file that Bakeoff's own interpreter runs, in NumPy alone"


def write(bundle: Bundle, path: Path) -> Path:
    """Write the file."""
    import numpy as np

    graph = exported(bundle)
    with path.open("wb") as file:
        np.savez(file, says=text(bundle), graph=json.dumps(to_json(graph)), **graph.arrays())
    return path
