"""From two traces to checks: what was the same, how far, against which tolerance and why.

float64 decides: there two implementations of one mathematics differ by rounding alone. float32 is held against four
times the noise floor, which is what the source itself loses by computing in float32; it stands in the detail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bakeoff.graph.graph import Graph
from bakeoff.parity import check, largest, relative
from bakeoff.parity.tolerance import NOISE, with_noise
from bakeoff.schemas import Array, Check

Trace = Mapping[str, Array]
LOGITS64, LOGITS32 = 1e-9, 1e-4
MOST64 = 1e-6  # in float64, whatever the floor
CHAOS = 1000  # times the tolerance of a training check, whatever the floor
LOSS64, GRADIENT64, STATE64 = 1e-6, 1e-5, 1e-5
NOTHING = 1e-9  # of the largest gradient: in exact arithmetic there is none (a bias before batch norm)
BLIND = 1e-7  # of the largest logit: two images closer than this prove nothing


def forward(source: Trace, target: Trace, floors: Mapping[str, float]) -> list[Check]:
    """Logits, labels and the difference between images, as far as both traces have them.

    Args:
        floors: the source's noise by key, as "float32.logits": float32 against float64; "float64.logits": float64
            against itself, the images changed by a rounding.
    """
    checks = []
    for key in sorted(set(source) & set(target)):
        kind, _, what = key.partition(".")
        if kind in ("float64", "float32"):
            checks += _logits(kind, what, target[key], source[key], floors.get(key, 0.0))
    return checks


def _logits(kind: str, what: str, found: Array, expected: Array, floor: float) -> list[Check]:
    if kind == "float32":
        tolerance, why = with_noise(LOGITS32, floor), "float32 against float64"
    else:
        tolerance, why = min(MOST64, max(LOGITS64, NOISE * floor)), "images changed by a rounding"
    detail = f"of the largest logit; noise floor of the source {floor:.1e} ({why})"
    checks = [check(f"{what}.{kind}", relative(found, expected), tolerance, detail)]
    if kind == "float64" and len(expected) > 1 and what in ("logits", "telling"):
        checks += [_labels(what, found, expected), *_difference(what, found, expected, tolerance)]
    return checks


def _labels(what: str, found: Array, expected: Array) -> Check:
    if found.shape != expected.shape:
        return check(f"{what}.labels", float("inf"), 0.0, "the logits have another shape")
    different = int((_label(found) != _label(expected)).sum())
    return check(f"{what}.labels", different / len(expected), 0.0, f"share of {len(expected)} images; float64")


def _label(logits: Array) -> Array:
    flat = logits.reshape(len(logits), -1)
    found: Array = flat.argmax(-1) if flat.shape[-1] > 1 else flat[:, 0] > 0
    return found


def _difference(what: str, found: Array, expected: Array, tolerance: float) -> list[Check]:
    """How the logits of one image differ from the others': a net that ignores its input would pass all else."""
    name = f"{what}.between_pictures"
    if found.shape != expected.shape:
        return [check(name, float("inf"), 0.0, "the logits have another shape")]
    a, b = found - found.mean(0), expected - expected.mean(0)
    spread = float(np.abs(b).max()) / max(float(np.abs(expected).max()), 1e-300)
    says = f"float64; images differ by {spread:.1e} of the largest logit"
    if spread >= BLIND:
        return [check(name, relative(a, b), tolerance / spread, says)]
    if what == "logits":  # a fresh net may hardly read the image: `telling` judges it
        return []
    return [check(name, float("inf"), 0.0, f"{says}: the net ignores its input, which proves nothing")]


def training(source: Trace, target: Trace, graph: Graph, noise: Trace | None = None) -> list[Check]:
    """Gradients of each parameter, losses of the steps, running statistics and weights after them; float64.

    Args:
        noise: the source once more, its images changed by a rounding: what a net makes of that in a few steps is no
            difference between frameworks. Without it, the tolerances are the plain ones.
    """
    steps = len(source["losses"])
    found = differences(target, source, graph)
    own = differences(noise, source, graph) if noise is not None else {}
    kinds = {
        "gradients": (GRADIENT64, "of the first batch"),
        "losses": (LOSS64, f"{steps} steps of SGD with momentum, relative"),
        "statistics": (STATE64, f"after {steps} steps"),
        "weights": (STATE64, f"after {steps} steps"),
    }
    checks = []
    for name, (base, what) in kinds.items():
        difference, where = found[name]
        if name == "gradients" and _without_gradients(source):
            difference, what = float("inf"), "all are zero, which proves nothing"
        floor = own[name][0] if own else 0.0
        tolerance = min(CHAOS * base, max(base, NOISE * floor))
        place = f", largest at {where}" if where else ""
        why = f"; noise floor of the source {floor:.1e} (images changed by a rounding)" if own else ""
        checks.append(check(name, difference, tolerance, f"{what}{place}; float64{why}"))
    return checks


def _without_gradients(source: Trace) -> bool:
    """Whether there are weights to train, and none of them has a gradient."""
    found = [array for key, array in source.items() if key.startswith("gradient/")]
    return bool(found) and not any(np.any(array) for array in found)


def differences(found: Trace, expected: Trace, graph: Graph) -> dict[str, tuple[float, str]]:
    """How far two trainings are apart, and where, by kind: gradients, losses, statistics, weights."""
    gradients = [_group(trace, "gradient/", graph) for trace in (found, expected)]
    top = max((float(np.abs(array).max(initial=0.0)) for array in gradients[1].values()), default=0.0)
    nothing = {p: top for p, array in gradients[1].items() if np.abs(array).max(initial=0.0) < NOTHING * top}
    differences = {
        "gradients": largest(*gradients, floor=nothing),
        "losses": (_losses(found["losses"], expected["losses"]), ""),
    }
    for name, role in (("statistics", "state"), ("weights", "weight")):
        chosen = (path for path, p in graph.parameters.items() if p.role == role and graph.users[path])
        paths = {path for path in chosen if f"after/{path}" in found}
        sides = [{path: trace[f"after/{path}"] for path in paths} for trace in (found, expected)]
        differences[name] = largest(*sides, floor={path: 1.0 for path in nothing if path in paths})
    return differences


def stock(source: Trace, target: Trace, before: Trace, graph: Graph, elements: Mapping[str, int]) -> Check:
    """The running variance that Keras's own layer keeps, against its biased formula applied to the source's batch.

    Args:
        source: after one training pass of the source, which keeps v n / (n - 1).
        target: after one of the stock net.
        before: the running variances that both began with.
        elements: n, the number of elements per channel, by the path of the variance.
    """
    expected, found = {}, {}
    for node in graph.nodes:
        if node.op != "batch_norm" or node.attributes.statistics != "batch":
            continue
        path, m = str(node.parameters["variance"]), node.attributes.momentum
        if f"first/{path}" not in target:
            continue
        batch = (source[f"first/{path}"] - (1 - m) * before[path]) / m
        n = elements[path]
        biased = batch * (n - 1) / n if node.attributes.variance == "unbiased" else batch
        expected[path] = (1 - m) * before[path] + m * biased
        found[path] = target[f"first/{path}"]
    difference, where = largest(found, expected)
    detail = (
        f"declared: Keras's own layer keeps the biased variance, and so does the file; largest at {where or 'none'}"
    )
    return check("statistics.stock", difference, STATE64, detail)


def counts(source: Mapping[str, int], target: Mapping[str, int], unused: int = 0) -> list[Check]:
    """Parameters and trainable ones; unused ones (auxiliary heads) count on the side that carries them along."""
    checks = []
    for name in ("parameters", "trainable"):
        expected, found = source[name], target[name]
        detail = f"{found:,} of {expected:,}" + (f", {unused:,} of them unused" if unused else "")
        checks.append(check(name, float(abs(found - expected)), 0.0, detail))
    return checks


def _group(trace: Trace, prefix: str, graph: Graph) -> dict[str, Array]:
    """The arrays of a group by path; unused parameters have no gradient, and the rebuilt net doesn't hold them."""
    found = {key.removeprefix(prefix): array for key, array in trace.items() if key.startswith(prefix)}
    return {path: array for path, array in found.items() if graph.users.get(path)}


def _losses(found: Any, expected: Any) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float((np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)).max())
