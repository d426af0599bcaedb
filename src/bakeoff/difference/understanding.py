"""How inputs were made, from the inputs alone: which resize fits them, and what their numbers are of its pixels.

Every way of resizing that the causes know is tried on a few images. Normalising is affine, y = s u + o for each
channel, so s and o come from least squares, and what is left over judges the pixels: in grey levels, less than one
where the way is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np

from bakeoff.difference import inputs
from bakeoff.difference.account import Account, Observed
from bakeoff.schemas import Array

FEW = 4  # images
SAME, CLOSE = 1e-3, 0.02  # grey levels, root mean square: the same numbers; ways that fit alike
BEST = 4  # ways that are tried with another decoder, too
NUMBERS = ("bytes", "floats")
RIGHT = 1.0  # grey levels, root mean square: a filter that computes in floats is half a level off
KNOWN: tuple[float, ...] = (0.0, 1.0, 0.5, 1 / 255, 255.0, 127.5, 0.485, 0.456, 0.406, 0.229, 0.224, 0.225)
KNOWN += inputs.CAFFE["input.mean"]


def understood(account: Account, images: Sequence[bytes], other: Account) -> Account:
    """The account with the settings that its inputs show; as it is where no way fits them.

    Args:
        account: whose inputs were seen; as it is where they weren't.
        images: of which they were made.
        other: whose numbers its own are taken for, where they can't be told apart.
    """
    seen = account.seen.inputs
    if seen is None or not images:
        return account
    near = tuple(float(one) for key in ("input.mean", "input.std") for one in other.settings.get(key, ()))
    settings, left = found(images[:FEW], np.asarray(seen[:FEW], np.float64), near)
    if left > RIGHT:
        note = f"its inputs fit no way of preparing images that is known here: {left:.1f} grey levels off at best"
        return replace(account, notes=(*account.notes, note))
    kept = Observed(None, account.seen.scores, account.seen.shares)
    place = account.places.get("input", account.name)
    places = {**account.places, **dict.fromkeys(settings, place)}
    return replace(account, given={**account.given, **settings}, seen=kept, places=places)


def found(images: Sequence[bytes], seen: Array, near: tuple[float, ...] = ()) -> tuple[dict[str, Any], float]:
    """The settings that fit best, and what is left over, in grey levels."""
    ways = [(left, way) for way in _ways(seen) for left, _ in [_tried(images[:1], seen[:1], near, [way])[0]]]
    near_enough = [way for left, way in ways if left <= 2 * RIGHT] or [way for _, way in ways]
    tried = _tried(images, seen, near, near_enough)
    if tried[0][0] > CLOSE and find_spec("tensorflow") and any(image.startswith(inputs.JPEG) for image in images):
        decoded = [{**way, "input.decoder": "fast", "input.numbers": n} for _, way in tried[:BEST] for n in NUMBERS]
        fast = _tried(images, seen, near, decoded)
        tried = fast if fast[0][0] < tried[0][0] - CLOSE else tried
    return tried[0][1], tried[0][0]


def _tried(
    images: Sequence[bytes], seen: Array, near: tuple[float, ...], ways: Iterable[dict[str, Any]]
) -> list[tuple[float, dict[str, Any]]]:
    """What each way leaves over, the least first; of ways that fit alike, the first: it is the usual one."""
    tried: list[tuple[float, dict[str, Any]]] = []
    for way in ways:
        pixels = np.stack([inputs.stages(image, way)["resize"] for image in images])
        for order in ("RGB", "BGR") if seen.shape[3] == 3 else ("RGB",):
            numbers, left = _affine(pixels[..., ::-1] if order == "BGR" else pixels, seen, near)
            tried.append((left, {**way, **numbers, "input.order": order}))
        if min(left for left, _ in tried) < SAME:
            break
    return sorted(tried, key=lambda one: one[0] // CLOSE)


def _ways(seen: Array) -> Iterator[dict[str, Any]]:
    size, channels = (int(seen.shape[1]), int(seen.shape[2])), int(seen.shape[3])
    base = {**inputs.USUAL, "input.size": size, "input.channels": channels, "input.mean": (0.0,) * channels}
    base |= {"input.std": (1.0,) * channels}
    filters = [*((kind, True) for kind in inputs.FILTERS), ("bilinear", False), ("bicubic", False)]
    for numbers, orient, sequence in product(NUMBERS, (True, False), ("resize, crop", "crop, resize")):
        for (fit, to), (kind, antialias) in product(inputs.fits(size), filters):
            if sequence == "crop, resize" and not (fit == "crop" and to):
                continue
            told = {"orient": orient, "sequence": sequence, "numbers": numbers, "fit": fit}
            told |= {"resize_to": to, "filter": kind, "antialias": antialias}
            yield {**base, **{f"input.{key}": value for key, value in told.items()}}


def _affine(pixels: Array, seen: Array, near: tuple[float, ...]) -> tuple[dict[str, Any], float]:
    """mean and std of y = (u / 255 - mean) / std by least squares, and the rest in grey levels.

    Known numbers replace them, where black and white move by less than twice the rest: those can't be told apart.
    """
    lines, rest = [], 0.0
    for channel in range(seen.shape[3]):
        u, y = pixels[..., channel].ravel().astype(np.float64), seen[..., channel].ravel()
        spread = float(np.var(u))
        slope = float(np.mean((u - u.mean()) * (y - y.mean()))) / spread if spread else 0.0
        if abs(slope) < 1e-12:
            return {}, np.inf
        offset = float(y.mean() - slope * u.mean())
        rest += float(np.mean(((y - offset) / slope - u) ** 2))
        lines.append((-offset / (255 * slope), 1 / (255 * slope)))
    left = float(np.sqrt(rest / seen.shape[3]))
    numbers = [_known(mean, std, near, left) for mean, std in lines]
    return {"input.mean": tuple(m for m, _ in numbers), "input.std": tuple(s for _, s in numbers)}, left


def _known(mean: float, std: float, near: tuple[float, ...], left: float) -> tuple[float, float]:
    """Of a line's numbers the nearest that are known, where they say the same but for what is left."""
    m, s = (min((*near, *KNOWN), key=lambda one: abs(one - value)) for value in (mean, std))
    moved = max(abs((u - m) * std / s - (u - mean)) for u in (0.0, 1.0)) if s else np.inf
    return (m, s) if 255 * moved <= 2 * left else (snapped(mean), snapped(std))


def snapped(value: float) -> float:
    """The known number that it is but for rounding."""
    near = min(KNOWN, key=lambda known: abs(known - value))
    return near if abs(near - value) <= 2e-3 * max(abs(near), 1 / 255) else value
