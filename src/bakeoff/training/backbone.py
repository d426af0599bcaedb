"""Another library's model as a backbone: captured once, in a process of its own, and kept in the cache.

timm/resnet50                 its default pretrained weights
timm/resnet50.a1_in1k         others, by their name; torchvision/resnet50@IMAGENET1K_V1
timm/resnet50@random          drawn from the seed
timm/resnet50@mine.pth        from a file
transformers/NAME@REVISION    of the Hugging Face hub; or the folder that transformers wrote
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bakeoff import zoo
from bakeoff.bundle import Bundle
from bakeoff.bundle import read as read_bundle
from bakeoff.data.cache import cache_root
from bakeoff.errors import BakeoffError
from bakeoff.graph import Graph, passes
from bakeoff.graph.stages import features_node, place
from bakeoff.preprocessing.signature import Signature
from bakeoff.version import __version__
from bakeoff.zoo import WeightsFile, listing
from bakeoff.zoo.opening import recognise
from bakeoff.zoo.resolve import resolve

RANDOM = "random"


def features(
    name: str, seed: int, *, input_size: tuple[int, int] | None = None, until: str | None = None
) -> tuple[Graph, Signature, str | None, tuple[str, ...]]:
    """A model without its head: its features (batch, n), how it wants images, the weights' licence, what isn't kept.

    Args:
        name: as `timm/resnet50`; see above.
        seed: of drawn weights.
        input_size: (height, width); None: the model's own.
        until: a stage or module path to cut behind; None: before its own head.

    Raises:
        UsageError: no such model, weights or stage.
        UnsupportedError: it can't be captured.
    """
    bundle, licence = captured(name, seed, input_size)
    graph = bundle.graph
    node = place(graph, until) if until else features_node(graph).node
    return passes.cut(graph, node), bundle.signature, licence, tuple(bundle.extra.get("declared", ()))


def captured(name: str, seed: int, input_size: tuple[int, int] | None = None) -> tuple[Bundle, str | None]:
    """The model as a bundle, and the licence of its weights."""
    head, model, tag = listing.split(name)
    plain = f"{head}/{model}"
    _, framework = recognise(plain)
    file, licence, digest = _weights(plain, tag)
    named = tag not in (None, RANDOM) and not Path(str(tag)).is_file()
    source = {
        "text": name if named else plain,  # other weights may have other classes, or another size
        "kind": "zoo",
        "framework": framework,
        "weights": file,
        "seed": seed if digest is None else 0,
        "classes": None,
        "input_size": list(input_size) if input_size else None,
        "head": False,
    }
    folder = cache_root() / "graphs" / _key(source, digest, head)
    try:
        found = read_bundle(folder)
    except BakeoffError:  # not there yet, or of another version, or damaged
        _capture(framework, source, folder)
        found = read_bundle(folder)
    extra = {**found.extra, "origin": {"source": plain, "weights": tag}}
    return replace(found, extra=extra), licence


def _weights(name: str, tag: str | None) -> tuple[str | None, str | None, str | None]:
    """(file, licence, SHA-256); None for drawn ones."""
    if tag == RANDOM:
        return None, None, None
    found = resolve(zoo.entry(name), tag)
    return str(found.path), _licence(found.weights), found.sha256


def _licence(weights: WeightsFile | None) -> str | None:
    """As the source states it, with what a user should know of it."""
    if weights is None:
        return None
    caution = f" (caution: {weights.caution})" if weights.caution else ""
    return f"{weights.licence or 'not stated'}{caution}"


def _key(source: dict[str, Any], digest: str | None, head: str) -> str:
    """What decides the graph and its numbers."""
    library = listing.source(head).LIBRARY
    parts = {**source, "weights": digest, "library": importlib.metadata.version(library), "bakeoff": __version__}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _capture(framework: str, source: dict[str, Any], folder: Path) -> None:
    from bakeoff.workers.launch import Worker

    with Worker(framework) as worker:
        worker.call("bakeoff.zoo.opening:capture", source=source, folder=str(folder))
