"""A model that can be read as a graph: a run, a bundle, a source by name, a .keras, .h5 or .pt2 file."""

from __future__ import annotations

import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bakeoff import bundle as bundles
from bakeoff.bundle import Bundle
from bakeoff.difference import inputs
from bakeoff.difference.account import Account
from bakeoff.difference.canonical import canonical
from bakeoff.difference.sides import Given
from bakeoff.errors import DataError, UsageError
from bakeoff.files import workspace
from bakeoff.recipe import loads
from bakeoff.workers.launch import Worker
from bakeoff.zoo import listing
from bakeoff.zoo.opening import SUFFIXES, Source, recognise
from bakeoff.zoo.resolve import resolve

READS, PLACE = "a run, a bundle, LIBRARY/NAME, a .keras, .h5 or .pt2 file", 5


def accepts(text: str) -> bool:
    """Whether `convert` reads it."""
    try:
        recognise(text)
    except (DataError, UsageError):
        return listing.is_name(text)
    return True


def opened(text: str, given: Given) -> Account:
    """Its graph and signature; of a run, its recipe too."""
    kind, framework = recognise(text)
    if kind == "bundle":
        return of_bundle(text, "run" if Path(text, "run.json").is_file() else "model", bundles.read(text), True)
    weights = given.weights
    if kind == "zoo" and weights is None:
        weights = str(resolve(listing.entry(text), listing.split(text)[2]).path)
    with workspace("explain") as folder, Worker(framework) as worker:
        source = Source(text, kind, framework, weights)
        worker.call("bakeoff.zoo.opening:capture", source=asdict(source), folder=str(folder / "captured"))
        found = bundles.read(folder / "captured")
    return of_bundle(text, "model", found, kind in ("zoo", "folder") or _says(Path(text)))


def of_bundle(text: str, kind: str, found: Bundle, says: bool) -> Account:
    """The account of a bundle.

    Args:
        text: as the user wrote it.
        kind: run or model.
        found: its graph, signature and names.
        says: whether it states how images are prepared; else only their size is known.
    """
    stated = inputs.of_signature(found.signature)
    known = stated if says else {key: stated[key] for key in ("input.size", "input.channels")}
    names = found.classes if says or found.classes != tuple(map(str, range(len(found.classes)))) else None
    given: dict[str, Any] = {**known, "output.classes": names, "output.softmax": 0}
    given |= _recipe(found.recipe_toml)
    return Account(text, kind, given, graph=canonical(found.graph), notes=tuple(found.extra.get("notes", ())))


def _recipe(text: str) -> dict[str, Any]:
    """What a run's recipe says of its training: of the last phase that has steps."""
    if not text:
        return {}
    recipe = loads(text)
    phases = [phase for phase in recipe.phases if hasattr(phase, "optimizer")]
    if not phases:
        return {}
    from bakeoff.difference.replay import of_phase

    return of_phase(phases[-1], recipe)


def _says(path: Path) -> bool:
    """Whether a file of a framework holds, or has beside it, what Bakeoff writes about preprocessing."""
    if path.with_name(f"{path.name}.bakeoff.json").is_file():
        return True
    if path.suffix.lower() not in SUFFIXES or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith("bakeoff.json") for name in file.namelist())
