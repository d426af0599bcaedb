"""The accuracies of a comparison: of each framework over its seeds, and whether they are as good as equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.comparison.statistics.accuracy import (
    ALPHA,
    ENOUGH,
    Same,
    mean_interval,
    same,
    same_over_seeds,
    t_interval,
    visible,
)
from bakeoff.comparison.statistics.holm import holm
from bakeoff.evaluation.scores import right
from bakeoff.evaluation.statistics.paired import Paired, paired
from bakeoff.rundir.readers import read_lines, read_predictions
from bakeoff.rundir.result import read_result
from bakeoff.schemas import Array


def correct(run: Path, split: str) -> Array:
    """Which images of a split a run judges rightly, in the order of the records."""
    found = read_predictions(run, split)
    assert found is not None
    order = np.argsort(found.records)
    result: Array = right(found, read_result(run).threshold)[order]
    return result


def accuracies(runs: Mapping[str, Sequence[Path]], split: str, margin: float) -> dict[str, Any]:
    """`compare --json`'s key `accuracy`: a row a framework, the pairs, and whether all are equal within the margin.

    Args:
        runs: by framework, a run a seed, the same seeds in the same order.
    """
    found: dict[str, Any] = {}
    rights = {name: [correct(run, split) for run in paths] for name, paths in runs.items()}
    for name, each in rights.items():
        values = [float(one.mean()) for one in each]
        found[name] = {
            "mean": float(np.mean(values)),
            "interval": list(mean_interval(values, len(each[0]))),
            "seeds": len(values),
            "values": values,
            "spread": float(np.ptp(values)),
            "time_to_accuracy_s": None,
        }
    _time_to_accuracy(found, {name: paths[0] for name, paths in runs.items()})
    pairs = _pairs(runs, rights, margin)
    said = [one["equivalent"] for one in pairs]
    equal = None if None in said or not said else all(said)
    seeds = min((len(each) for each in rights.values()), default=0)
    about = "the frameworks, on these images" if seeds >= ENOUGH else "these nets alone: fewer than 5 seeds"
    return {
        **found,
        "margin": margin,
        "equivalent": False if False in said else equal,
        "supported": max((one["supported"] for one in pairs), default=None),
        "pairs": pairs,
        "about": about,
    }


def _pairs(
    runs: Mapping[str, Sequence[Path]], rights: Mapping[str, Sequence[Array]], margin: float
) -> list[dict[str, Any]]:
    """Each framework beside each other one. The very same net on both sides is no comparison, and has no figures."""
    rows: list[dict[str, Any]] = []
    for a, b in combinations(rights, 2):
        if read_result(runs[a][0]).weights_sha256 == read_result(runs[b][0]).weights_sha256:
            rows.append({"a": a, "b": b, "same_net": True, "equivalent": None, "supported": 0.0, "p_value": 1.0})
            continue
        first, told, difference, interval, p_value = _pair(rights[a], rights[b], margin)
        rows.append(
            {
                "a": a,
                "b": b,
                "same_net": False,
                "difference": difference,
                "interval": list(interval),
                "p_value": p_value,
                "equivalent": told.equivalent,
                "supported": told.supported,
                "visible": told.visible,
                "num": first.num,
            }
        )
    for row, p_value in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        better = row["a"] if row.get("difference", 0.0) > 0 else row["b"]
        row |= {"p_value": p_value, "better": better if p_value < ALPHA else None}
    return rows


def _pair(
    a: Sequence[Array], b: Sequence[Array], margin: float
) -> tuple[Paired, Same, float, tuple[float, float], float]:
    """Over images with few seeds, over seeds with enough."""
    first = paired(a[0], b[0])
    if min(len(a), len(b)) < ENOUGH:
        return first, same(a[0], b[0], margin), first.difference, first.interval, first.p_value
    from scipy.stats import ttest_rel

    apart = [float(x.mean() - y.mean()) for x, y in zip(a, b, strict=True)]
    p_value = float(ttest_rel([x.mean() for x in a], [y.mean() for y in b]).pvalue)
    told = same_over_seeds(apart, margin, visible(first))
    return first, told, float(np.mean(apart)), t_interval(apart), p_value if p_value == p_value else 1.0


def _time_to_accuracy(found: dict[str, Any], first: Mapping[str, Path]) -> None:
    """Seconds of training until the validation accuracy that every framework comes to: the least of their best."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for name, run in first.items():
        wall, curve = 0.0, []
        for row in read_lines(run / "epochs.jsonl"):
            wall += row.get("wall_s") or 0.0
            curve.append((wall, row.get("validation_accuracy") or 0.0))
        curves[name] = curve
    if not all(curves.values()):
        return
    target = min(max(value for _, value in curve) for curve in curves.values())
    for name, curve in curves.items():
        found[name]["time_to_accuracy_s"] = next(wall for wall, value in curve if value >= target)
        found[name]["target_accuracy"] = target
