"""What a recorder of a training script keeps, whatever the framework: the first steps, settings, and their lines.

A script runs as it is, as `__main__`, until so many optimizer steps are made; an epoch is cut to half of them, so that
what happens once an epoch is seen. Its data end then, evaluation goes on over a few batches, and errors that come of
ending early are nobody's.
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bakeoff.errors import DataError

EVALUATED = 2  # batches of an evaluation
LAYERS = {  # the operator of a layer, by the name of its class
    r"BatchNorm(\dd|alization)": "batch_norm",
    r"Dropout(\dd)?": "dropout",
    r"Conv2[dD]": "conv2d",
    r"Linear|Dense": "dense",
    r"GELU": "gelu",
    r"Av(era)?ge?Pool(ing)?2[dD]": "avg_pool2d",
    r"MaxPool(ing)?2[dD]": "max_pool2d",
    r"LeakyReLU": "leaky_relu",
    r"LayerNorm(alization)?": "layer_norm",
    r"Flatten": "flatten",
}


class Stop(BaseException):  # no Exception: a script's own `except Exception` must not hold it
    """Enough was seen."""


@dataclass
class Step:
    """One optimizer step: what the net was given and gave, the labels, the loss that was differentiated, the rate."""

    images: Any
    output: Any
    labels: Any
    loss: float
    rate: float


@dataclass
class Recording:
    """What was seen of a script.

    Attributes:
        script: its path.
        most: steps that are recorded.
        model: the live net.
        start, end: the net's state before the first step and after the last, as its framework has it.
        settings: `train.*` and `eval.*`.
        places: FILE:LINE by setting.
    """

    script: Path
    most: int
    model: Any = None
    start: Any = None
    end: Any = None
    steps: list[Step] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    labels: Any = None
    loss: float = float("nan")
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def full(self) -> bool:
        """Whether all steps are made."""
        return len(self.steps) >= self.most

    @property
    def epoch(self) -> int:
        """Batches of an epoch."""
        return max(1, self.most // 2)

    def here(self) -> str:
        """FILE:LINE of the script's frame that is running."""
        frame = sys._getframe(1)
        name = str(self.script)
        while frame is not None:
            if frame.f_code.co_filename == name:
                return f"{self.script.name}:{frame.f_lineno}"
            frame = frame.f_back  # type: ignore[assignment]
        return ""

    def note(self, place: str = "", **settings: Any) -> None:
        """Keep settings, with `__` for the point in their names; what is known stays, and None says nothing."""
        for key, value in settings.items():
            name = key.replace("__", ".")
            if value is not None and name not in self.settings:
                self.settings[name] = value
                if place:
                    self.places.setdefault(name, place)

    def trained(self, place: str, **settings: Any) -> None:
        """Keep settings of the training."""
        self.note(place, **{f"train__{key}": value for key, value in settings.items()})

    def patch(self, owner: Any, name: str, hook: Callable[..., Any]) -> None:
        """Put a hook in a function's place until the end; it is handed the function, then what that is called with."""
        original = getattr(owner, name)

        def hooked(*arguments: Any, **named: Any) -> Any:
            return hook(original, *arguments, **named)

        setattr(owner, name, hooked)
        self.stack.callback(setattr, owner, name, original)

    def run(self) -> None:
        """Run the script.

        Raises:
            DataError: it failed before its steps were made, or made none.
        """
        sys.argv, sys.path[0:0] = [str(self.script)], [str(self.script.parent)]
        try:
            with self.stack:
                runpy.run_path(str(self.script), run_name="__main__")
        except (Stop, SystemExit):
            pass
        except Exception as error:
            if not self.full:
                raise DataError(f"{self.script}: it ended with {type(error).__name__}: {str(error)[:200]}") from error
        if not self.steps:
            raise DataError(
                f"{self.script}: no step of an optimizer was seen. Give a script that trains when it is run."
            )


class Watch:
    """Hooks that fill a recording: what both frameworks have in common.

    Attributes:
        forward: the net of the last training pass, what it was given and what it gave.
        batch: the last one of a loader or dataset.
        trained: loaders or datasets, by id, whose batches were trained on.
        places: FILE:LINE of optimizers and loaders, by id.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording, self.depth = recording, 0
        self.forward: tuple[Any, Any, Any] | None = None
        self.batch: Any = None
        self.trained: set[int] = set()
        self.places: dict[int, str] = {}

    def layer(self, original: Any, made: Any, *arguments: Any, **named: Any) -> None:
        """A layer's `__init__`: the line of each operator's first."""
        original(made, *arguments, **named)
        op = next((op for name, op in LAYERS.items() if re.fullmatch(name, type(made).__name__)), None)
        if op:
            self.recording.places.setdefault(f"net.{op}", self.recording.here())

    def optimizer(self, original: Any, made: Any, *arguments: Any, **named: Any) -> None:
        """An optimizer's `__init__`: its line."""
        original(made, *arguments, **named)
        self.places[id(made)] = self.recording.here()

    def seed(self, original: Any, value: int) -> Any:
        """What takes the seed."""
        self.recording.note(self.recording.here(), train__seed=int(value))
        return original(value)

    def ends(self, source: int, number: int) -> bool:
        """Whether a loader or dataset, by id, has no batch of this number any more."""
        r, trained = self.recording, source in self.trained
        return number >= (r.epoch if trained or not r.steps else EVALUATED) or (trained and r.full)

    def labels(self) -> Any:
        """Those that the loss took; else the second half of the batch."""
        both = isinstance(self.batch, tuple | list) and len(self.batch) == 2
        return self.recording.labels if self.recording.labels is not None else self.batch[1] if both else None
