"""Who takes part in a comparison of times: a way to run a training step, one file each; the folder is the registry.

A file has
    TEXT        what it is, in a few words
    FRAMEWORK   whose process it runs in, and whose training stands for it
    LIBRARIES   what has to be installed
    PIPELINE    whose input pipeline its experts would use: `torch`, `tensorflow`, or `own`: Bakeoff's
    net         asked -> Net, in a process of its own
A name is the file's with hyphens; given twice, the second is NAME#2: a contestant beside itself.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from bakeoff import registry
from bakeoff.errors import MissingDependencyError, UsageError

USUAL = {"torch": "torch-eager", "tensorflow": "keras-tensorflow-graph", "jax": "jax"}  # how `train` runs each


@dataclass(frozen=True)
class Asked:
    """What a contestant makes its net from."""

    graph: Any
    batch_size: int
    device: str
    precision: str
    threads: int

    def native(self, framework: str) -> Any:
        """The net of Bakeoff's own adapter."""
        from bakeoff import frameworks

        given: dict[str, Any] = {"device": self.device, "precision": self.precision, "threads": self.threads}
        return frameworks.load(framework).native(self.graph, **given)

    def trained(self, framework: str) -> Any:
        """The Keras net that Keras's own trainer steps, on that backend."""
        from bakeoff import frameworks

        return frameworks.keras_trained(
            framework, self.graph, device=self.device, precision=self.precision, threads=self.threads
        )


def names() -> tuple[str, ...]:
    """All of them."""
    return tuple(name.replace("_", "-") for name in registry.names(__name__))


def kind(name: str) -> str:
    """The file's name of a contestant: without #2."""
    return name.partition("#")[0]


def load(name: str) -> ModuleType:
    """The contestant's file.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    known = names()
    if kind(name) not in known:
        raise UsageError(
            f"unknown contestant {kind(name)!r}{registry.nearest(kind(name), known)}\nKnown: {', '.join(known)}"
        )
    return registry.load(__name__, kind(name), what="contestant")


def missing(name: str) -> str:
    """The library that it needs and that isn't installed; "" where it has all."""
    return next((one for one in load(name).LIBRARIES if importlib.util.find_spec(one) is None), "")


def numbered(asked: Sequence[str]) -> list[str]:
    """Names as they are asked for, made one of a kind: the second of a name is NAME#2.

    Raises:
        UsageError: one that doesn't exist.
        MissingDependencyError: one whose library isn't installed.
    """
    seen: Counter[str] = Counter()
    found = []
    for name in asked:
        if library := missing(name):
            extra = "tensorflow" if library == "keras" else library
            raise MissingDependencyError(library, extra, f"the contestant {name}")
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return found


def of_frameworks(frameworks: Sequence[str]) -> list[str]:
    """Who takes part where nobody is named: each framework as `train` runs it; of one alone, all of its modes."""
    if len(frameworks) > 1:
        return [USUAL[name] for name in frameworks]
    (only,) = frameworks
    first = USUAL[only]
    others = [name for name in names() if only == load(name).FRAMEWORK and not missing(name) and name != first]
    return [first, *others]
