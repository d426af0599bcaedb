"""What trainings, comparisons and searches give: a folder, and what came out as the command's `--json` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.drawing.card import Shown, curve
from bakeoff.drawing.svg import Series
from bakeoff.rundir.readers import read_lines
from bakeoff.schemas import Figures


@dataclass(frozen=True, repr=False)
class Finished(Shown):
    """A folder and its result."""

    path: Path
    result: dict[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "result", Figures(self.result))


def scored(found: Mapping[str, Any]) -> str:
    """`81.8 % of 200 images (75.2 to 87.0)`, as far as it is known; a dash where nothing was scored."""
    if found.get("accuracy") is None:
        return "–"
    num = f" of {found['num']:,} images" if found.get("num") is not None else ""
    spread = " to ".join(f"{100 * side:.1f}" for side in found.get("accuracy_interval") or ())
    return f"{100 * found['accuracy']:.1f} %{num}{spread and f' ({spread})'}"


def accuracies(runs: Iterable[tuple[str, Path]]) -> list[str]:
    """The validation accuracy of every epoch of runs by name, as a plot."""
    series = []
    for name, run in runs:
        rows = [row for row in read_lines(run / "epochs.jsonl") if row.get("validation_accuracy") is not None]
        series.append(Series(name, tuple((x, row["validation_accuracy"]) for x, row in enumerate(rows, 1))))
    return curve(series, "validation accuracy", "epoch")
