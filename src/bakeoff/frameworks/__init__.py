"""The training frameworks, one folder each; `load("torch")` imports it, and nothing else of this package does.

One framework a process: Keras fixes its backend at import, and TensorFlow imported before torch's compiler crashes the
process. `enter` keeps the order for the few who want two in one process (a notebook that asks for both natives).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, cast

from bakeoff import registry
from bakeoff.errors import BakeoffError, MissingDependencyError, UsageError
from bakeoff.frameworks._surroundings import undisturbed as undisturbed
from bakeoff.protocols import Framework
from bakeoff.telemetry import without_probe

NEWEST_PYTHON = {"tensorflow": (3, 13)}  # that a library has wheels for, where this is not the newest that there is
ALIASES = {"tf": "tensorflow", "pytorch": "torch"}
LIBRARIES = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras"), "jax": ("jax", "keras")}


def names() -> tuple[str, ...]:
    """The frameworks that Bakeoff knows."""
    return registry.names(__name__)


def version(name: str) -> str | None:
    """The installed version of a framework, or None; imports nothing."""
    for library in LIBRARIES.get(name, (name,)):
        if importlib.util.find_spec(library) is None:
            return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown" if importlib.util.find_spec(name) else None


def installed() -> tuple[str, ...]:
    """The frameworks that can be used here, in the order of preference."""
    return tuple(name for name in ("torch", "tensorflow", "jax") if version(name) is not None)


def loaded(name: str) -> bool:
    """Whether its library is in this process already."""
    return LIBRARIES.get(name, (name,))[0] in sys.modules


def require(name: str, purpose: str = "training with it") -> None:
    """Say clearly that a framework is missing.

    Raises:
        UsageError: no such framework.
        MissingDependencyError: it is not installed; names the extra.
    """
    known = names()
    if name not in known:
        registry.load(__name__, name, what="framework")
    if version(name) is None:
        raise MissingDependencyError(name, name, purpose, no_wheels(name))


def no_wheels(name: str) -> str:
    """What to do where a framework can't be had for this Python; nothing where it can."""
    newest = NEWEST_PYTHON.get(name, sys.version_info[:2])
    if sys.version_info[:2] <= newest:
        return ""
    has, here = ".".join(map(str, newest)), ".".join(map(str, sys.version_info[:2]))
    return f"{name} has no wheels for Python {here}: use Python {has}, or another framework (bakeoff doctor)."


def load(name: str) -> Framework:
    """The adapter of a framework, imported into this process.

    Raises:
        MissingDependencyError: the framework is not installed.
    """
    require(name)
    enter(name)
    return cast(Framework, registry.load(__name__, name, what="framework"))


def keras_trained(name: str, graph: Any, *, device: str, precision: str, threads: int) -> Any:
    """A Keras net on the backend of that name, which Keras's own trainer steps; in a process that has no Keras yet.

    Raises:
        UsageError: what is measured through Keras's trainer is measured in float32, on the CPU.
    """
    if precision != "float32" or device != "cpu":
        raise UsageError(f"Keras's own trainer is compared in float32 on the CPU; asked: {precision} on {device}.")
    if name == "torch":
        load("torch")
        os.environ["KERAS_BACKEND"] = "torch"
        importlib.import_module("torch").set_num_threads(threads)
    else:
        load(name)
    return importlib.import_module(f"{__name__}._keras.trained").TrainedNet(graph, precision)


def pipeline(name: str) -> ModuleType:
    """How a framework's users read images: its `pipeline.py`."""
    load(name)
    return importlib.import_module(f"{__name__}.{name}.pipeline")


def collective(name: str) -> ModuleType:
    """How a framework adds over several processes: its `collective.py`, whose `Collective(team, device)` sets it up."""
    load(name)
    return importlib.import_module(f"{__name__}.{name}.collective")


def bring_in(name: str) -> None:
    """Import a framework's library into this process, in the order that doesn't crash."""
    enter(name)
    importlib.import_module(LIBRARIES[name][-1])


def data_adapter(name: str) -> ModuleType:
    """How a framework takes the batches of a split: its `data.py`.

    Raises:
        MissingDependencyError: the framework is not installed.
    """
    load(name)
    return importlib.import_module(f"{__name__}.{name}.data")


def enter(name: str) -> None:
    """Prepare this process for a framework, in the order that doesn't crash.

    torch loads triton when it first compiles or builds an optimizer; where TensorFlow was loaded before, the two LLVMs
    clash and the process dies (PARITY section 0). So triton comes first whenever both may come.

    Raises:
        BakeoffError: it is too late: the other one is in, in the wrong order, or Keras runs on another backend.
    """
    if name == "torch":
        if "tensorflow" in sys.modules and "triton" not in sys.modules and importlib.util.find_spec("triton"):
            raise BakeoffError(
                "TensorFlow was imported before PyTorch, and together they would crash this process.\n"
                "Import torch first (or call to_torch() before to_keras()), in a new process."
            )
        return
    backend = name if name == "jax" else "tensorflow"
    if "keras" in sys.modules:
        found = sys.modules["keras"].backend.backend()
        if found != backend:
            raise BakeoffError(
                f"Keras already runs on {found} in this process, and can't change to {backend}.\n"
                f"Start a new process, or set KERAS_BACKEND={backend} before Keras is imported."
            )
        return
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if backend == "tensorflow":
        without_probe()
    if backend == "tensorflow" and "torch" in sys.modules and importlib.util.find_spec("triton"):
        importlib.import_module("triton")
