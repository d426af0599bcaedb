"""What a net answered to a trial: the only thing that the judge looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.schemas import Array, Drawn

Arrays = Mapping[str, Array]
NONE: Arrays = {}


@dataclass(frozen=True)
class Trace:
    """Answers, in the precision of the net that was asked; arrays of parameters by canonical path.

    Attributes:
        logits: (N, classes) by question: "given" (the weights as they are), "telling" (weights under which a mistake
            shows), "after" (the steps), and others.
        losses: (steps,) by question: "training" (the steps), and others of one pass.
        gradients: per image, of the first pass, by question and path.
        first: everything after the first pass, by path.
        statistics: running statistics after the steps, by path.
        weights: weights after the steps, by path.
        averages: their running means, where such are kept, by path.
        draws: what was drawn in a training pass, by question and node.
        still: nodes that draw the same numbers in pass after pass.
    """

    logits: Arrays = field(default_factory=dict)
    losses: Arrays = field(default_factory=dict)
    gradients: Mapping[str, Arrays] = field(default_factory=dict)
    first: Arrays = field(default_factory=dict)
    statistics: Arrays = field(default_factory=dict)
    weights: Arrays = field(default_factory=dict)
    averages: Arrays = field(default_factory=dict)
    draws: Mapping[str, Mapping[str, Drawn]] = field(default_factory=dict)
    still: Arrays = field(default_factory=dict)

    def of(self, question: str) -> Arrays:
        """The gradients of a question by path; none where it wasn't asked."""
        return self.gradients.get(question, NONE)

    def joined(self, other: Trace) -> Trace:
        """The answers of both; of a question in both, the other's."""
        parts = {each.name: {**getattr(self, each.name), **getattr(other, each.name)} for each in fields(self)}
        return replace(self, **parts)

    def save(self, path: Path) -> None:
        """Write an `.npz`."""
        flat: dict[str, Any] = {}
        for each in fields(self):
            for key, value in getattr(self, each.name).items():
                if each.name == "gradients":
                    flat |= {f"gradients/{key}/{name}": array for name, array in value.items()}
                elif each.name == "draws":
                    rows = value.items()
                    flat |= {f"draws/{key}/{one.kind}/{one.rate!r}/{name}": one.values for name, one in rows}
                else:
                    flat[f"{each.name}/{key}"] = value
        np.savez(path, **flat)

    @classmethod
    def load(cls, path: Path, *only: str) -> Trace:
        """Read what `save` wrote.

        Args:
            only: names of attributes; none: all of them.
        """
        parts: dict[str, Any] = {each.name: {} for each in fields(cls)}
        with np.load(path) as file:
            for key in file.files:
                name, _, rest = key.partition("/")
                if only and name not in only:
                    continue
                if name in ("gradients", "draws"):
                    question, _, rest = rest.partition("/")
                    held = parts[name].setdefault(question, {})
                    if name == "gradients":
                        held[rest] = file[key]
                    else:
                        kind, rate, node = rest.split("/", 2)
                        held[node] = Drawn(kind, file[key], float(rate))
                else:
                    parts[name][rest] = file[key]
        return cls(**parts)
