"""What a page says of a model: classes, size, licence, scores, hash. No path of the server is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bakeoff import bundle
from bakeoff.bundle.layout import JSON_NAME
from bakeoff.evaluation.statistics.wilson import wilson
from bakeoff.files import read_json
from bakeoff.runtimes._metadata import KEY
from bakeoff.serving.model import Served
from bakeoff.texts.licence import caution


def card(served: Served) -> dict[str, Any]:
    """The card of a version; what isn't known is null.

    `scores` has a row a split: `split`, `accuracy`, `num` and `interval`, 95 %, by Wilson. `caution` is what a user
    should know of the licence.
    """
    opened, said = served.opened, _said(served)
    licence = said.get("licence") or _dict(said.get("extra")).get("licence")
    licence = licence if isinstance(licence, str) else None
    return {
        "name": served.name,
        "version": served.version,
        "classes": list(opened.classes),
        "size": [*opened.signature.size, opened.signature.channels],
        "several": bool(served.kind.multilabel),
        "threshold": opened.threshold if served.kind.multilabel else None,
        "parameters": _parameters(said),
        "runtime": opened.runtime.name,
        "maps": opened.head is not None,
        "framework": said.get("framework") if isinstance(said.get("framework"), str) else None,
        "licence": licence,
        "caution": caution(licence) if licence else None,
        "hash": said.get("weights_sha256") if isinstance(said.get("weights_sha256"), str) else None,
        "scores": [row for split, one in _dict(said.get("scores")).items() if (row := _score(split, one))],
    }


def _said(served: Served) -> Mapping[str, Any]:
    """What the bundle or the exported file says of itself; nothing where it went away or is no JSON."""
    folder = bundle.folder_of(served.opened.path)
    with suppress(OSError, ValueError):
        if folder is None:
            return _dict(json.loads(served.opened.runtime.metadata.get(KEY, "{}")))
        return _dict(read_json(folder / JSON_NAME))
    return {}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parameters(said: Mapping[str, Any]) -> int | None:
    rows = _dict(_dict(said.get("graph")).get("parameters")).values()
    with suppress(TypeError, KeyError):
        sizes = [_product(row["shape"]) for row in rows if row.get("role", "weight") == "weight"]
        return sum(sizes) or None
    return None


def _product(shape: list[int]) -> int:
    found = 1
    for size in shape:
        found *= int(size)
    return found


def _score(split: str, value: Any) -> dict[str, Any] | None:
    found = _dict(value)
    accuracy, num = found.get("accuracy"), found.get("num")
    if not isinstance(accuracy, float | int) or not isinstance(num, int) or not 0 <= accuracy <= 1 or num < 1:
        return None
    return {"split": split, "accuracy": accuracy, "num": num, "interval": wilson(round(accuracy * num), num)}
