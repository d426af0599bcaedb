"""What an explanation says: to programs, in a terminal, in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.difference.account import NET, Account, apart, said
from bakeoff.difference.engine import Share, Verdict
from bakeoff.difference.nets import places
from bakeoff.drawing.card import Card, Shown
from bakeoff.schemas import SCHEMA


@dataclass(frozen=True, repr=False)
class Explained(Shown):
    """What `explain` gives.

    Attributes:
        result: as `bakeoff explain --json` prints it.
    """

    result: Mapping[str, Any]

    @property
    def causes(self) -> list[dict[str, Any]]:
        """The causes, the largest share first."""
        found: list[dict[str, Any]] = self.result["causes"]
        return found

    @property
    def remaining(self) -> float:
        """Share of the gap that no cause explains."""
        return float(self.result["remaining"])

    def _card(self) -> Card:
        rows = {f"{100 * one['share']:.0f} %": one["sentence"] for one in self.causes}
        figures = {"verdict": self.result["verdict"], **rows, "remaining": f"{100 * self.remaining:.0f} %"}
        return Card(f"{self.result['a']} and {self.result['b']}", figures)


def result(
    a: Account, b: Account, world: Any, found: Verdict, stages: list[dict[str, Any]], pictures: Any, turned: bool
) -> dict[str, Any]:
    """The plain dict of an explanation.

    Args:
        a: one side.
        b: the other.
        world: in which they were asked.
        found: the causes.
        stages: rows.
        pictures: what they were asked about; None: their own steps.
        turned: whether causes were switched in B, not in A.
    """
    causes = [told(a, b, one, turned) for one in found.causes]
    harmless = [told(a, b, one, turned) for one in found.harmless]
    return {
        "schema": SCHEMA,
        "a": a.name,
        "b": b.name,
        "kinds": [a.kind, b.kind],
        "images": None
        if pictures is None
        else {"num": len(pictures.content), "made": pictures.made, "labels": pictures.labels is not None},
        "verdict": sentence(a, b, found, causes, world),
        "gap": found.gap,
        "floor": found.floor,
        "accuracy": _accuracies(a, b, world),
        "causes": causes,
        "harmless": harmless,
        "remaining": found.remaining,
        "stages": stages,
        "settings": table(a, b),
        "notes": [
            note if note.startswith(Path(one.name).name) else f"{one.name}: {note}"
            for one in (a, b)
            for note in one.notes
        ],
    }


def told(a: Account, b: Account, share: Share, turned: bool) -> dict[str, Any]:
    """A cause as a row."""
    suspect = share.suspect
    first, second = suspect.cause.values(*((b, a) if turned else (a, b)), suspect.there)
    first, second = (second, first) if turned else (first, second)
    says = suspect.cause.module.SAYS.format(a=first, b=second)
    accuracy, between = share.accuracy if share.accuracy else (None, None)
    return {
        "cause": suspect.cause.name,
        "stage": suspect.cause.stage,
        "place": place(a, b, share),
        "sentence": says,
        "a": first,
        "b": second,
        "guessed": suspect.guessed,
        "effect_logits": share.effect,
        "effect_logits_interval": list(share.interval),
        "effect_accuracy": accuracy,
        "effect_accuracy_interval": None if between is None else list(between),
        "share": share.share,
        "closes": share.closes,
        "opens": share.opens,
        "fix": suspect.cause.fix(second),
    }


def place(a: Account, b: Account, share: Share) -> str:
    """File and line on each side, layers of a net, or the stage."""
    keys = [*share.suspect.there]
    keys += [key for key in share.suspect.cause.keys if key not in keys]
    files = [next(filter(None, map(one.place, keys)), "") for one in (a, b)]
    if any(files):
        return " / ".join(filter(None, files))
    one = a if a.graph is not None else b
    found = [] if one.graph is None else places(one.graph, share.suspect.there, one.settings)
    if found:
        return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
    return str(share.suspect.cause.stage)


def sentence(a: Account, b: Account, found: Verdict, causes: list[dict[str, Any]], world: Any) -> str:
    """The verdict in a sentence."""
    if found.gap <= found.floor:
        if world.name == "train":
            return "No cause: seed noise. From the same start weights on the same images both do the same."
        return f"No difference larger than rounding (mean |difference| of logits {found.gap:.2g})."
    if not causes and found.gap <= world.noise:
        return (
            f"No cause: seed noise. What differs moves the logits by {found.gap:.2g}, {len(world.others)} other seeds "
            f"by up to {world.noise:.2g}; one seed in {len(world.others) + 1} does more."
        )
    if not causes:
        return (
            f"They differ by {found.gap:.3g} in the logits, and no cause that is known here closes the gap: "
            "not visible from what was given."
        )
    first = causes[0]
    rest = f"; {100 * found.remaining:.0f} % remains" if found.remaining > 0.02 else ""
    more = f", with {len(causes) - 1} more" if len(causes) > 1 else ""
    farther = sum(one > found.gap for one in world.others)
    seeds = f"; {farther} of {len(world.others)} other seeds move the logits farther" if farther else ""
    return f"{first['sentence']}: {100 * first['share']:.0f} % of the gap{more}{rest}{seeds}."


def _accuracies(a: Account, b: Account, world: Any) -> list[float | None]:
    found: list[float | None] = []
    for one in (a, b):
        if one.seen.accuracy is not None or world.labels is None:
            found.append(one.seen.accuracy)
        else:
            found.append(float((world.scores(one).argmax(1) == world.labels[: len(world.scores(one))]).mean()))
    return found


def table(a: Account, b: Account) -> list[dict[str, Any]]:
    """The settings of both; of a net only what differs."""
    differ = set(apart(a, b))
    rows = []
    for key in sorted({*a.settings, *b.settings}):
        plain = not key.startswith(NET)
        if key == "side" or not (plain or (key in differ and not key.startswith("array."))):
            continue
        values = [said(one.settings[key]) if one.sees(key) else None for one in (a, b)]
        rows.append({"setting": key, "a": values[0], "b": values[1], "same": key not in differ and None not in values})
    return rows
