"""From what was recorded of a script to its account: settings in words of both frameworks alike, and steps to repeat.

The images of a batch are brought back to grey levels by the numbers that occur in them: of bytes that were scaled, the
smallest step between two values is that of one level. The loss is recognised by its value: of all formulas that the
field writes, that which gives the recorded number for the recorded output and labels.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff import bundle as bundles
from bakeoff.difference import inputs, nets, starts
from bakeoff.difference.account import Account
from bakeoff.difference.canonical import canonical, without_scaling, without_softmax
from bakeoff.difference.understanding import snapped as _snapped
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Array

MANY = 200_000  # values whose steps are looked at
IMAGENET = [((0 - m) / s, (1 - m) / s) for m, s in zip(*inputs.IMAGENET.values(), strict=True)]
FEW_LEVELS = 32  # images of fewer steps from black to white may be anything
CLIP = 1e-7  # Keras keeps probabilities so far from 0 and 1
AUGMENTING = {  # calls by name: what they do, in one word for both frameworks
    "RandomHorizontalFlip": "horizontal flip",
    "random_flip_left_right": "horizontal flip",
    "RandomVerticalFlip": "vertical flip",
    "random_flip_up_down": "vertical flip",
    "RandomFlip": "flip",
    "RandomRotation": "rotation",
    "RandomCrop": "crop",
    "random_crop": "crop",
    "RandomResizedCrop": "resized crop",
    "RandomAffine": "affine",
    "RandomTranslation": "shift",
    "RandomZoom": "zoom",
    "ColorJitter": "colour",
    "RandomBrightness": "brightness",
    "random_brightness": "brightness",
    "RandomContrast": "contrast",
    "random_contrast": "contrast",
}


@dataclass(frozen=True)
class Record:
    """The steps that a script made.

    Attributes:
        pixels: grey levels of each batch, float64 (N, H, W, C), 0 to 255 where they were bytes.
        labels: (N,), or (N, K) where they are shares.
        rates: of each step.
        end: canonical arrays after the last step.
        exact: whether nothing random was in the steps, so that they can be repeated to the last digits.
    """

    pixels: tuple[Array, ...]
    labels: tuple[Array, ...]
    rates: tuple[float, ...]
    end: Mapping[str, Array]
    exact: bool


def account(text: str, source: str, folder: Path) -> Account:
    """The account of a script that was recorded into a folder."""
    told = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    settings, places = dict(told["settings"]), dict(told["places"])
    held = bundles.read(folder / "net")
    with np.load(folder / "steps.npz") as file:
        arrays = dict(file)
    with np.load(folder / "end.npz") as file:
        end = canonical(held.graph.with_arrays(dict(file))).arrays()
    graph, *scaling, _ = without_scaling(canonical(held.graph))
    graph, own = without_softmax(graph)
    own = max(own, int(held.extra.get("head") == "softmax"))
    graph, decay = _without_penalties(graph)
    if decay and not settings.get("train.decay"):
        settings |= decay
    count = len(arrays["rates"])
    labels = [_labels(arrays.get(f"labels{i}")) for i in range(count)]
    settings |= loss_of(arrays["output0"], labels[0], float(arrays["losses"][0]), own, settings)
    pixels, numbers = _levels([arrays[f"images{i}"] for i in range(count)], scaling)
    rates = [float(one) for one in arrays["rates"]]
    settings["train.factors"] = tuple(rate / rates[0] if rates[0] else 1.0 for rate in rates)
    settings["train.augment"], lines = augmentations(source, Path(text).name)
    places |= {"train.augment": lines} if lines else {}
    places |= dict.fromkeys(("input.mean", "input.std"), scaling_line(source, Path(text).name))
    if settings.pop("train.batch_norm", "batch") == "frozen":
        graph = nets.switched(graph, {"net.batch_norm.statistics": "frozen"})
    settings.pop("train.loss_value", None)
    exact = not any(node.draws for node in graph.nodes)
    record = Record(tuple(pixels), tuple(labels), tuple(rates), end, exact)
    given = {**numbers, "input.channels": pixels[0].shape[3], **settings, **starts.laws(graph), "output.softmax": 0}
    notes = (
        ()
        if all(one is not None for one in labels)
        else ("the labels of its batches weren't seen: it has no loader or known loss",)
    )
    return Account(text, "script", given, places, graph, record=record, notes=notes)


# the net --------------------------------------------------------------------------------------------------------------


def _without_penalties(graph: Graph) -> tuple[Graph, dict[str, Any]]:
    """Keras's l2 of weights as decay in the gradient: l2 w^2 has the slope 2 l2 w."""
    l2 = {one.on: one.l2 for one in graph.penalties if isinstance(one.on, str) and one.l2}
    if not l2:
        return graph, {}
    wide = any(graph.parameters[path].array.ndim < 2 for path in l2 if isinstance(path, str))
    told = {"train.decay": 2 * max(l2.values()), "train.decay_form": "coupled"}
    return replace(graph, penalties=()), {**told, "train.decay_scope": "all" if wide else "kernels"}


# the loss -------------------------------------------------------------------------------------------------------------


def _labels(found: Array | None) -> Any:
    """Integers (N,) where rows are of one class; else as they are."""
    if found is None:
        return None
    array = np.asarray(found)
    if array.ndim == 2 and array.shape[1] > 1 and ((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all():
        return array.argmax(1)
    return array.reshape(-1).astype(np.int64) if array.size == len(array) and array.dtype.kind in "iub" else array


def loss_of(output: Array, labels: Any, value: float, own: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The formula that gives a recorded loss: kind, softmaxes from the logits on, reduction, smoothing, broadcast.

    Args:
        output: (N, K), what the net gave.
        labels: of `_labels`.
        value: the loss.
        own: softmaxes at the net's own end.
        settings: what the recorder knows already.
    """
    if labels is None or not np.isfinite(value):
        return {}
    best: tuple[float, dict[str, Any]] = (np.inf, {})
    for told, formula in _formulas(own, settings.get("train.smoothing", 0.0)):
        try:
            each = formula(np.asarray(output, np.float64), labels)
        except (ValueError, IndexError, TypeError):
            continue
        for reduction, found in (("mean", each.mean()), ("sum", each.sum())):
            apart = abs(found - value) / max(abs(value), 1e-9)
            if apart < best[0]:
                best = (apart, {**told, "train.reduction": reduction})
    return best[1] if best[0] < 1e-3 else {"train.loss": "of its own"}


def _formulas(own: int, smoothing: float) -> Iterator[tuple[dict[str, Any], Callable[[Array, Any], Array]]]:
    for share in dict.fromkeys((smoothing, 0.0, 0.1, 0.05, 0.2)):
        softly = {"train.loss": "cross-entropy", "train.smoothing": share}
        for count, logs in ((own, np.asarray), (own, _log_shares), (own + 1, _log_softmax)):  # the first: of logarithms
            yield {**softly, "train.softmaxes": count}, partial(_entropy, logs, share)
    yield {"train.loss": "binary cross-entropy"}, lambda z, y: _binary(_column(z), y)
    yield {"train.loss": "squares", "train.broadcast": False}, lambda z, y: (z - _targets(z, y)) ** 2
    yield {"train.loss": "squares", "train.broadcast": True}, lambda z, y: (_column(z)[:, None] - y[None, :]) ** 2


def _column(z: Array) -> Array:
    if z.ndim == 2 and z.shape[1] != 1:
        raise ValueError("one output is needed")
    return z.reshape(-1)


def _targets(z: Array, y: Array) -> Array:
    if z.ndim == 2 and z.shape[1] > 1 and y.ndim == 1:
        return np.eye(z.shape[1])[y]
    return np.asarray(y, np.float64).reshape(z.shape)


def _log_softmax(z: Array) -> Array:
    z = z - z.max(-1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(-1, keepdims=True)))


def _log_shares(p: Array) -> Array:
    if (p < 0).any() or not np.allclose(p.sum(-1), 1, atol=1e-3):
        p = np.clip(p, CLIP, 1 - CLIP)
        return np.asarray(np.log(p / p.sum(-1, keepdims=True)))
    return np.asarray(np.log(np.clip(p, CLIP, 1 - CLIP)))


def _entropy(way: Callable[[Array], Array], smoothing: float, z: Array, y: Array) -> Array:
    logs = way(z)
    count = logs.shape[-1]
    shares = np.eye(count)[y] if y.ndim == 1 else y
    shares = (1 - smoothing) * shares + smoothing / count
    return np.asarray(-(shares * logs).sum(-1))


def _binary(z: Array, y: Array) -> Array:
    return np.asarray(np.maximum(z, 0) - z * y.reshape(-1) + np.log1p(np.exp(-np.abs(z))))


# images and augmentation ----------------------------------------------------------------------------------------------


def _levels(batches: list[Array], inner: Sequence[Array]) -> tuple[list[Array], dict[str, Any]]:
    """Grey levels of the batches, and mean and std that make the net's numbers of them, its own scaling too."""
    whole = np.concatenate([one.reshape(-1, one.shape[3]) for one in batches]).astype(np.float64)
    steps = [_step(whole[:, c]) for c in range(whole.shape[1])]
    known = [one for one in steps if one is not None]
    scale, offset = np.array(known if len(known) == len(steps) else [(1.0, 0.0)] * len(steps)).T
    pixels = [(one.astype(np.float64) - offset) / scale for one in batches]
    total, shift = scale * inner[0], offset * inner[0] + inner[1]
    std = 1 / (255 * total)
    size = batches[0].shape[1:3]
    mean = -shift * std
    told = {"input.mean": tuple(map(_snapped, mean)), "input.std": tuple(map(_snapped, std))}
    sizes = {"input.size": (int(size[0]), int(size[1]))}
    return pixels, {**sizes, **(told if len(known) == len(steps) else {})}


def _step(values: Array) -> tuple[float, float] | None:
    """(scale, offset) from grey levels to numbers: by the smallest step, where there is one; else by a usual range that
    they fill half of; None where neither says it.
    """
    low, high = float(values.min()), float(values.max())
    grain = 1e-5 * (high - low) or 1.0  # finer than a grey level, coarser than float32
    levels = grain * np.unique(np.rint(values[:: max(1, len(values) // MANY)] / grain))
    counts = [k for k in range(max(1, len(levels) - 1), 256) if _on_grid((levels - low) / (high - low or 1.0) * k)]
    if counts and counts[0] >= FEW_LEVELS:
        return (high - low) / counts[0], low
    for bottom, top in ((0.0, 1 / 255), (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), *IMAGENET):
        if (
            low >= bottom - 1e-6
            and high <= top + 1e-6
            and (bottom < 0) == (low < 0)
            and high - low > (top - bottom) / 2
        ):
            return (top - bottom) / 255, bottom
    return None


def _on_grid(values: Array) -> bool:
    return bool(np.abs(values - np.rint(values)).max(initial=0.0) < 0.02)


def scaling_line(source: str, name: str) -> str:
    """FILE:LINE where a script divides by 255 or its half, or calls what normalises; nothing where it doesn't."""
    for node in ast.walk(ast.parse(source)):
        called = getattr(node, "func", None)
        by = getattr(node, "right", None) if isinstance(node, ast.BinOp) else None
        divides = isinstance(by, ast.Constant) and by.value in (255, 127.5)
        if divides or getattr(called, "attr", getattr(called, "id", "")) in ("Normalize", "Rescaling", "ToTensor"):
            return f"{name}:{node.lineno}"  # type: ignore[attr-defined]
    return ""


def augmentations(source: str, name: str) -> tuple[tuple[str, ...], str]:
    """What a script's code does to its training images by chance, and the line of the first."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in AUGMENTING:
                found.append((node.lineno, _meant(called, node)))
    found.sort()
    return tuple(what for _, what in found), f"{name}:{found[0][0]}" if found else ""


def _meant(called: str, node: ast.Call) -> str:
    given = [one.value for one in [*node.args, *(key.value for key in node.keywords)] if isinstance(one, ast.Constant)]
    number = next((one for one in given if isinstance(one, int | float) and not isinstance(one, bool)), None)
    if called == "RandomFlip":
        return next((f"{one} flip" for one in given if isinstance(one, str)), "horizontal_and_vertical flip")
    if called == "RandomRotation" and number is not None:
        degrees = 360 * number if isinstance(number, float) and number <= 1 else number  # Keras's is of a full turn
        return f"rotation up to {degrees:g} degrees"
    return f"{AUGMENTING[called]}{'' if number is None else f' {number:g}'}"
