"""When a checkpoint is written, and what stands in it besides the net."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bakeoff.rundir.checkpoint import Checkpoint, grouped, save
from bakeoff.rundir.folder import Run
from bakeoff.schemas import Array
from bakeoff.training.loop.cadence import Cadence, Every
from bakeoff.training.loop.state import State


@dataclass
class Checkpointer:
    """Keeps a run going on after a kill.

    Attributes:
        run: the run folder.
        every: how often; None: never.
        header: what must be the same, or known, when the run goes on: framework, device, threads, images.
        phase: the position of the phase at work among the recipe's.
        phases: what the finished phases left for run.json.
        found: the checkpoint to go on from, for the phase at work.
        resumed_from: its step; 0 where a run goes on that had none; None where nothing went before.
        earlier_s: seconds that the run took before this process.
        began: when this process began, seconds since 1970.
        last_step: of the last checkpoint of the phase at work.
    """

    run: Run
    every: Every | None = None
    header: dict[str, Any] = field(default_factory=dict)
    phase: int = 0
    phases: list[dict[str, Any]] = field(default_factory=list)
    found: Checkpoint | None = None
    resumed_from: int | None = None
    earlier_s: float = 0.0
    began: float = field(default_factory=time.time)
    last_step: int | None = None
    _cadence: Cadence | None = None

    @property
    def wall_s(self) -> float:
        """Seconds that the run took, over all processes that worked on it."""
        return self.earlier_s + time.time() - self.began

    def start(self, step: int) -> None:
        """A phase begins at that step."""
        self._cadence = Cadence(self.every, step) if self.every else None
        self.last_step = step if self.found else None

    def due(self, step: int) -> bool:
        """Whether a checkpoint should be written at this step boundary."""
        return self._cadence is not None and self._cadence.due(step)

    def stretch(self, step: int, size: int) -> int:
        """How many steps may be taken at once."""
        return self._cadence.stretch(step, size) if self._cadence else size

    def save(self, state: State, arrays: Mapping[str, Array]) -> None:
        """Write a checkpoint; nothing where none are wanted.

        Raises:
            DataError: the disk is full; the last checkpoint stands.
        """
        if self.every is None:
            return
        before = time.monotonic()
        meta = {
            **self.header,
            "phase": self.phase,
            "phases": self.phases,
            "state": state.to_json(),
            "logs": self.run.positions(),
            "wall_s": self.wall_s,
        }
        save(self.run.path, Checkpoint(meta, dict(arrays)))
        self.last_step = state.step
        if self._cadence:
            self._cadence.wrote(state.step, time.monotonic() - before)

    def between(self, arrays: Mapping[str, Array]) -> None:
        """A phase is done: the next one starts from these weights."""
        self.save(State(), grouped("net", arrays))
