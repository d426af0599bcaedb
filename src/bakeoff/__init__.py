"""Bakeoff: one recipe, trained natively in PyTorch, TensorFlow and JAX; the same network, proved.

    import bakeoff

    data = bakeoff.read_data("photos/")
    trained = bakeoff.train("photos/", recipe="photos")
    model = bakeoff.load(trained.path)
    model.predict(["cat.jpg"])

Importing it imports no framework, and forbids all of them to call home; each name is loaded when it is first used.
Functions are verbs and rooms are nouns: `bakeoff.train` is a function, `bakeoff.training` the package that it lives in.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bakeoff.telemetry import forbid
from bakeoff.version import __version__

if TYPE_CHECKING:
    from bakeoff import loaders
    from bakeoff.comparison.api import compare
    from bakeoff.comparison.backbones import compare_backbones
    from bakeoff.comparison.ledger import as_published
    from bakeoff.comparison.repeat import repeat
    from bakeoff.conversion.live import convert
    from bakeoff.conversion.verify import verify
    from bakeoff.data.reader import read_data
    from bakeoff.difference.api import explain
    from bakeoff.exports import export
    from bakeoff.model import Model, evaluate, load
    from bakeoff.reports import report
    from bakeoff.reports.audit import audit
    from bakeoff.reports.runs import runs
    from bakeoff.scale.api import plan
    from bakeoff.serving import serve
    from bakeoff.training.api import train
    from bakeoff.training.find_rate import find_rate
    from bakeoff.training.options import Options
    from bakeoff.tuning.api import tune

__all__ = [
    "Model",
    "Options",
    "__version__",
    "as_published",
    "audit",
    "compare",
    "compare_backbones",
    "convert",
    "evaluate",
    "explain",
    "export",
    "find_rate",
    "load",
    "loaders",
    "plan",
    "read_data",
    "repeat",
    "report",
    "runs",
    "serve",
    "train",
    "tune",
    "verify",
]

_HOMES = {
    "Model": "bakeoff.model",
    "Options": "bakeoff.training.options",
    "as_published": "bakeoff.comparison.ledger",
    "audit": "bakeoff.reports.audit",
    "compare": "bakeoff.comparison.api",
    "compare_backbones": "bakeoff.comparison.backbones",
    "convert": "bakeoff.conversion.live",
    "evaluate": "bakeoff.model",
    "explain": "bakeoff.difference.api",
    "export": "bakeoff.exports",
    "find_rate": "bakeoff.training.find_rate",
    "load": "bakeoff.model",
    "plan": "bakeoff.scale.api",
    "read_data": "bakeoff.data.reader",
    "repeat": "bakeoff.comparison.repeat",
    "report": "bakeoff.reports",
    "runs": "bakeoff.reports.runs",
    "serve": "bakeoff.serving",
    "train": "bakeoff.training.api",
    "tune": "bakeoff.tuning.api",
    "verify": "bakeoff.conversion.verify",
}


forbid()


def __getattr__(name: str) -> Any:
    if name == "loaders":
        return importlib.import_module("bakeoff.loaders")
    if name not in _HOMES:
        raise AttributeError(f"module 'bakeoff' has no attribute {name!r}")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
