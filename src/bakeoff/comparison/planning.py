"""What of a comparison fits into a time: planned from one measured step of each framework, and said before it begins.

The order is that of what a comparison is asked for: the step in turns, a training of each framework, the whole of it,
prediction, the input pipelines, further seeds. What doesn't fit is left out by name, with the time that it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bakeoff.comparison.method import phase_of
from bakeoff.comparison.statistics.ratios import LEAST
from bakeoff.comparison.steps import SLOT_S, WARM_S
from bakeoff.recipe.schema import Finetune, Recipe, Widen
from bakeoff.workers.progress import seconds as said

ROUNDS = 15  # of each track: with noise of 1.5 % a slot 5 % are found in 96 of 100 cases, with 1 % in all (simulated)
START_S = 25.0  # a contestant's process, libraries, images and compiling, on a machine of two cores (measured)
SHARE = 0.85  # of the budget is planned for: estimates are what they are
FORWARD = 0.35  # of a step's time is a pass forwards (of 3: forwards, and twice backwards)
EXPORTS_S = 150.0  # writing and timing the exports (measured, EfficientNet-lite0)


@dataclass
class Plan:
    """What is done, and what isn't.

    Attributes:
        rounds: by track.
        epochs: of the last phase; None: the recipe's own.
        trains: whether anything is trained.
        seeds: of each framework.
        predict: whether predictions are timed.
        seconds: that all of it should take.
        step_ms: of one step, by framework: what it was planned from.
        left_out: what, and the seconds that it needs.
        training_s, later_s: of that, the trainings, and what comes behind them.
    """

    rounds: dict[str, int] = field(default_factory=dict)
    epochs: int | None = None
    trains: bool = True
    seeds: int = 1
    predict: bool = False
    seconds: float = 0.0
    step_ms: dict[str, float] = field(default_factory=dict)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    training_s: float = 0.0
    later_s: float = 0.0

    def lines(self, budget: float | None) -> list[str]:
        """The plan in words."""
        tracks = " and ".join(f"{count} rounds of {name.replace('_', ' ')}" for name, count in self.rounds.items())
        shorter = f", {self.epochs} epoch{'s' * (self.epochs != 1)}" if self.epochs else ""
        trainings = f"{self.seeds} training{'s' * (self.seeds > 1)} a framework{shorter}" if self.trains else ""
        parts = [part for part in (trainings, tracks, "prediction" * self.predict) if part]
        within = f" of the budget of {said(budget)}" if budget else ""
        lines = [f"plan: {', '.join(parts)}: about {said(self.seconds)}{within}"]
        return lines + [f"left out: {one['what']}, which needs {said(one['seconds'])}" for one in self.left_out]


def training_seconds(recipe: Recipe, step_s: float, counts: tuple[int, int]) -> tuple[float, float]:
    """Seconds of the recipe's training in one framework, and of one epoch of its last phase.

    Args:
        step_s: of one step of its last phase.
        counts: images to train on, and others.
    """
    train, others = counts
    phases = [phase for phase in recipe.phases if isinstance(phase, Finetune)]
    batch = phase_of(recipe).batch_size
    image_s = step_s / min(batch, max(train, 1))
    epoch = image_s * (train + FORWARD * others)
    probe = FORWARD * image_s * (train + others) * (len(recipe.phases) > len(phases))
    return probe + epoch * sum(phase.epochs for phase in phases), probe + epoch


def plan(
    recipe: Recipe,
    step_s: dict[str, float],
    counts: tuple[int, int],
    *,
    contestants: int,
    seeds: int,
    predict: bool,
    budget: float | None,
    spent: float = 0.0,
    tracks: Sequence[str] = (),
) -> Plan:
    """The plan.

    Args:
        step_s: of one step, by framework.
        contestants: how many.
        spent: seconds that are gone.
        tracks: that are wanted, the same loader first.
    """
    whole = sum(training_seconds(recipe, one, counts)[0] for one in step_s.values())
    one_epoch = sum(training_seconds(recipe, one, counts)[1] for one in step_s.values())
    slot = max(SLOT_S, *step_s.values()) * 1.1
    cost = dict.fromkeys(tracks, slot * 2 * contestants * (ROUNDS + 2))
    starts, found = START_S * contestants, Plan(trains=False, step_ms={k: 1000 * s for k, s in step_s.items()})
    left = float("inf") if budget is None else SHARE * budget - spent

    def take(what: str, need: float) -> bool:
        nonlocal left
        if need > left:
            found.left_out.append({"what": what, "seconds": need})
            return False
        left -= need
        found.seconds += need
        return True

    first, *others = tracks
    found.rounds[first] = ROUNDS if starts + cost[first] <= left else LEAST  # what it is for is never left out
    found.seconds = starts + cost[first] * found.rounds[first] / ROUNDS
    found.later_s = found.seconds
    left -= found.seconds
    if whole and take("the whole training of each framework", whole):
        found.trains = True
    elif whole and one_epoch <= left:
        epochs = phase_of(recipe).epochs
        spare = (whole - one_epoch) / max(1, epochs - 1) if epochs > 1 else whole
        found.epochs = min(epochs, 1 + int((left - one_epoch) / max(spare, 1e-9)))
        found.trains = take("an epoch of each framework", one_epoch + (found.epochs - 1) * spare)
    found.training_s = found.seconds - found.later_s
    if predict and not found.trains:
        found.left_out.append(
            {"what": "prediction", "seconds": EXPORTS_S}
        )  # of nets that weren't trained there is none
    elif predict:
        found.predict = take("prediction", EXPORTS_S)
    for name in others:
        if take(name.replace("_", " "), cost[name] + WARM_S * contestants / 2):
            found.rounds[name] = ROUNDS
    while found.seeds < seeds:
        if whole > left or found.epochs or not found.trains:
            further = seeds - found.seeds
            found.left_out.append({"what": f"{further} more seed{'s' * (further > 1)}", "seconds": whole * further})
            break
        found.seeds, left, found.seconds = found.seeds + 1, left - whole, found.seconds + whole
        found.training_s += whole
    found.later_s = found.seconds - found.training_s
    return found


def comparable(recipe: Recipe) -> tuple[Recipe, list[str]]:
    """The recipe as frameworks can be compared by it, and what was changed.

    Phases that one engine computes for all of them are no comparison: wider backbones are left out. A fine-tuning that
    is kept only if it is better may leave the same probe on both sides: what each framework trained is kept.
    """
    said = []
    phases = [phase for phase in recipe.phases if not isinstance(phase, Widen)]
    if len(phases) < len(recipe.phases) and phases:
        said.append("`widen` is left out: ONNX Runtime computes it, whatever the framework")
    kept = [
        msgspec.structs.replace(phase, keep="last")
        if isinstance(phase, Finetune) and phase.keep == "if-better"
        else phase
        for phase in phases
    ]
    if kept != phases:
        said.append("what is fine-tuned is kept, better or not: else both sides might hold the same probe")
    if not any(isinstance(phase, Finetune) for phase in recipe.phases):
        said.append("this recipe only probes, in ONNX Runtime: no framework trains, and the nets are the very same")
    return msgspec.structs.replace(recipe, phases=tuple(kept)), said


def shortened(recipe: Recipe, epochs: int | None) -> Recipe:
    """The recipe with so many epochs in its last fine-tuning."""
    if epochs is None:
        return recipe
    phases = list(recipe.phases)
    last = max(number for number, phase in enumerate(phases) if isinstance(phase, Finetune))
    phases[last] = msgspec.structs.replace(phases[last], epochs=epochs)
    return msgspec.structs.replace(recipe, phases=tuple(phases))
