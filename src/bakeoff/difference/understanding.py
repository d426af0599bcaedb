"""How inputs were made, from the inputs alone: which resize fits them, and what their numbers are of its pixels.

Every way of resizing that the causes know is tried on a few images. Normalising is affine, y = s u + o for each
channel, so s and o come from least squares, and what is left over judges the pixels: in grey levels, less than one
where the way is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np

from bakeoff.difference import inputs
from bakeoff.difference.account import Account, Observed
from bakeoff.schemas import Array

FEW = 4  # images
RIGHT = 1.0  # grey levels, root mean square: a filter that computes in floats is half a level off
KNOWN: tuple[float, ...] = (0.0, 1.0, 0.5, 1 / 255, 255.0, 127.5, 0.485, 0.456, 0.406, 0.229, 0.224, 0.225)
KNOWN += tuple(mean / 255 for mean in (103.939, 116.779, 123.68))


def understood(account: Account, images: Sequence[bytes]) -> Account:
    """The account with the settings that its inputs show; as it is where no way fits them."""
    seen = account.seen.inputs
    if seen is None or not images:
        return account
    settings, left = found(images[:FEW], np.asarray(seen[:FEW], np.float64))
    if left > RIGHT:
        note = f"its inputs fit no way of preparing images that is known here: {left:.1f} grey levels off at best"
        return replace(account, notes=(*account.notes, note))
    kept = Observed(None, account.seen.scores, account.seen.shares)
    place = account.places.get("input", account.name)
    places = {**account.places, **dict.fromkeys(settings, place)}
    return replace(account, given={**account.given, **settings}, seen=kept, places=places)


def found(images: Sequence[bytes], seen: Array) -> tuple[dict[str, Any], float]:
    """The settings that fit best, and what is left over, in grey levels."""
    best: tuple[float, int, dict[str, Any]] = (np.inf, 0, {})
    for number, way in enumerate(_ways(seen)):
        pixels = np.stack([inputs.stages(image, way)["resize"] for image in images])
        for order in ("RGB", "BGR") if seen.shape[3] == 3 else ("RGB",):
            u = pixels[..., ::-1] if order == "BGR" else pixels
            numbers, left = _affine(u, seen)
            if left < best[0] - 0.02:  # of ways that fit alike, the first: it is the usual one
                best = (left, number, {**way, **numbers, "input.order": order})
        if best[0] < 1e-3:
            break
    return best[2], best[0]


def _ways(seen: Array) -> Iterator[dict[str, Any]]:
    size, channels = (int(seen.shape[1]), int(seen.shape[2])), int(seen.shape[3])
    base = {**inputs.USUAL, "input.size": size, "input.channels": channels, "input.mean": (0.0,) * channels}
    base |= {"input.std": (1.0,) * channels}
    side = max(size)
    crops = [("crop", to) for to in dict.fromkeys((0, round(side / 0.875), round(side * 232 / 224), side))]
    fits: list[tuple[str, int]] = [("stretch", 0), *crops, ("pad", 0)]
    filters = [(kind, True) for kind in ("bilinear", "bicubic", "nearest", "lanczos", "box")]
    filters += [("bilinear", False), ("bicubic", False)]
    decoders = ["exact", *(["fast"] if find_spec("tensorflow") else [])]
    for decoder, numbers, orient, sequence in product(
        decoders[:1], ("bytes", "floats"), (True, False), ("resize, crop", "crop, resize")
    ):
        for (fit, to), (kind, antialias) in product(fits, filters):
            if sequence == "crop, resize" and not (fit == "crop" and to):
                continue
            told = {"decoder": decoder, "orient": orient, "sequence": sequence, "numbers": numbers, "fit": fit}
            told |= {"resize_to": to, "filter": kind, "antialias": antialias}
            yield {**base, **{f"input.{key}": value for key, value in told.items()}}


def _affine(pixels: Array, seen: Array) -> tuple[dict[str, Any], float]:
    """mean and std of y = (u / 255 - mean) / std by least squares, and the rest in grey levels."""
    means, deviations, rest = [], [], 0.0
    for channel in range(seen.shape[3]):
        u, y = pixels[..., channel].ravel().astype(np.float64), seen[..., channel].ravel()
        spread = float(np.var(u))
        slope = float(np.mean((u - u.mean()) * (y - y.mean()))) / spread if spread else 0.0
        if abs(slope) < 1e-12:
            return {}, np.inf
        offset = float(y.mean() - slope * u.mean())
        rest += float(np.mean(((y - offset) / slope - u) ** 2))
        std = 1 / (255 * slope)
        deviations.append(snapped(std))
        means.append(snapped(-offset * std))
    numbers = {"input.mean": tuple(means), "input.std": tuple(deviations)}
    return numbers, float(np.sqrt(rest / seen.shape[3]))


def snapped(value: float) -> float:
    """The known number that it is but for rounding."""
    near = min(KNOWN, key=lambda known: abs(known - value))
    return near if abs(near - value) <= 2e-3 * max(abs(near), 1 / 255) else value
