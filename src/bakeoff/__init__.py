"""Bakeoff: one recipe, trained natively in PyTorch, TensorFlow and JAX; the same network, proved.

    import bakeoff

    data = bakeoff.read_data("photos/")
    trained = bakeoff.train("photos/", recipe="photos")
    model = bakeoff.load(trained.path)
    model.predict(["cat.jpg"])

Importing it imports no framework; each name is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bakeoff.compare.api import compare
    from bakeoff.convert.native import convert
    from bakeoff.data import read_data
    from bakeoff.model import Model, evaluate, load
    from bakeoff.train.api import train
    from bakeoff.tune.api import tune

__all__ = ["Model", "__version__", "compare", "convert", "evaluate", "load", "read_data", "train", "tune"]

_HOMES = {
    "Model": "bakeoff.model",
    "load": "bakeoff.model",
    "read_data": "bakeoff.data",
}


def __getattr__(name: str) -> Any:
    if name in ("compare", "convert", "evaluate", "train", "tune"):  # rooms called like functions: make_callable
        return importlib.import_module(f"bakeoff.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
