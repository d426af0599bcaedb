"""A library that a runtime needs, or the error that says how to get it."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from typing import Any

from bakeoff.errors import MissingDependencyError, UsageError
from bakeoff.telemetry import without_probe

TOGETHER = {"torch": "tensorflow", "tensorflow": "torch"}  # loaded in one process they crash (triton, PARITY section 0)


def library(name: str, extra: str, purpose: str) -> Any:
    """The imported library.

    Raises:
        MissingDependencyError: it is not installed.
        UsageError: the one that it can't share a process with is loaded.
    """
    if find_spec(name.split(".")[0]) is None:
        raise MissingDependencyError(name, extra, purpose)
    other = TOGETHER.get(name)
    if other and other in sys.modules and name not in sys.modules:
        raise UsageError(
            f"{other} is loaded in this process, and {name} would crash beside it.\n"
            "Use a process of its own, as the command line does."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if name == "tensorflow":
        without_probe()
    return importlib.import_module(name)


def keras(purpose: str) -> Any:
    """Keras, on TensorFlow unless the process or the user has chosen otherwise.

    Raises:
        MissingDependencyError: Keras or TensorFlow is not installed.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    library(backend, backend, purpose)
    return library("keras", backend, purpose)
