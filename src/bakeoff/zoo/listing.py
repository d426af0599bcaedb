"""What the libraries offer, from the catalogue: no framework is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from bakeoff import registry
from bakeoff.errors import MissingDependencyError, UsageError
from bakeoff.texts.licence import caution

FOLDER = Path(__file__).parent / "catalogue"
PACKAGE = "bakeoff.zoo.sources"


@dataclass(frozen=True)
class WeightsFile:
    """One set of pretrained weights.

    Attributes:
        name: the library's own word for it, as `a1_in1k` or `IMAGENET1K_V2`.
        file: the file's name.
        address: where the network has it.
        licence: as the library states it; None where it doesn't.
        repo: of a hub, as `timm/resnet50.a1_in1k`; None for a plain address.
        sha256: of the file, or the digits that its name has of it; None where the source gives none.
        md5: likewise; Keras gives it for some.
    """

    name: str
    file: str
    address: str
    licence: str | None = None
    repo: str | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def caution(self) -> str | None:
        """What a user should know of the licence before using the weights; None where there is nothing to say."""
        return caution(self.licence)


@dataclass(frozen=True)
class Entry:
    """A model of a library.

    Attributes:
        source: timm, torchvision or keras.
        model: its name there.
        parameters: weights, running statistics apart; None where the catalogue doesn't know the model.
        input_size: (height, width, channels) that it was made for.
        classes: the number of logits.
        fixed: whether it takes that size only.
        weights: pretrained ones, the library's default first.
    """

    source: str
    model: str
    parameters: int | None
    input_size: tuple[int, int, int] | None
    classes: int | None
    fixed: bool = False
    weights: tuple[WeightsFile, ...] = ()

    @property
    def name(self) -> str:
        """As a user types it: `timm/resnet50`."""
        return f"{self.source}/{self.model}"

    def weights_named(self, name: str | None) -> WeightsFile:
        """The pretrained weights of that name; None: the default.

        Raises:
            UsageError: there are none of that name, or none at all.
        """
        known = [weights.name for weights in self.weights]
        if not known:
            raise UsageError(
                f"{self.name}: the library has no pretrained weights for it.\n"
                "Give a file: --weights FILE, or build it with --random-weights."
            )
        if name is None:
            return self.weights[0]
        for weights in self.weights:
            if weights.name == name:
                return weights
        raise UsageError(
            f"{self.name} has no weights {name!r}{registry.nearest(name, known)}.\nKnown: {', '.join(known)}"
        )


def libraries() -> tuple[str, ...]:
    """The libraries that have a file."""
    return registry.names(PACKAGE)


def source(name: str) -> ModuleType:
    """The module of a library; importing it imports no framework."""
    return registry.load(PACKAGE, name, what="source")


def is_name(text: str) -> bool:
    """Whether a text names a library's model, as `timm/resnet50`, or the folder of one; no other path does."""
    head, slash, rest = text.partition("/")
    return (bool(slash and rest) and head in libraries()) or writer_of(Path(text)) is not None


def writer_of(path: Path) -> str | None:
    """The library that wrote a folder."""
    if not path.is_dir():
        return None
    accepting = ((name, getattr(source(name), "accepts", None)) for name in libraries())
    return next((name for name, accepts in accepting if accepts and accepts(path)), None)


def split(name: str) -> tuple[str, str, str | None]:
    """`timm/resnet50.a1_in1k` or `torchvision/resnet50@IMAGENET1K_V1` as (source, model, weights or None)."""
    head, _, rest = name.partition("/")
    if head not in libraries() and (writer := writer_of(Path(name))):
        return writer, name, None
    if head not in libraries():
        raise UsageError(
            f"unknown source {head!r}{registry.nearest(head, libraries())}\nKnown: {', '.join(libraries())}"
        )
    mark = "." if head == "timm" and "@" not in rest else "@"
    model, _, weights = rest.partition(mark)
    return head, model, weights or None


@cache
def offered(name: str) -> Mapping[str, Entry]:
    """The models of a library by name."""
    value = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return {model: _entry(name, model, row) for model, row in value["models"].items()}


def version(name: str) -> str:
    """The version of the library that the catalogue was written from."""
    return str(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["version"])


def _entry(name: str, model: str, row: Mapping[str, Any]) -> Entry:
    return Entry(
        name,
        model,
        row["parameters"],
        tuple(row["input_size"]) if row["input_size"] else None,
        row["classes"],
        bool(row.get("fixed", False)),
        tuple(WeightsFile(**weights) for weights in row["weights"]),
    )


def entry(name: str) -> Entry:
    """The entry behind `timm/resnet50`; a newer library may have models that the catalogue doesn't know.

    Raises:
        UsageError: no such model; the message has the nearest names.
        MissingDependencyError: the catalogue doesn't know it, and the library, which might, isn't installed.
    """
    head, model, _ = split(name)
    known = offered(head)
    if model in known:
        return known[model]
    module = source(head)
    if importlib.util.find_spec(module.LIBRARY) is None:
        require(head)
    if not getattr(module, "OPEN", False) and importlib.metadata.version(module.LIBRARY) == version(head):
        raise unknown(name)
    return Entry(head, model, None, None, None)


def require(name: str) -> None:
    """Say which extra brings a library.

    Raises:
        MissingDependencyError: it isn't installed.
    """
    module = source(name)
    for library in module.NEEDS:
        if importlib.util.find_spec(library) is None:
            raise MissingDependencyError(library, module.EXTRA, f"{name}/... models")


def unknown(name: str) -> UsageError:
    """The error for a model that a library doesn't have."""
    head, model, _ = split(name)
    hint = registry.nearest(model, offered(head))
    return UsageError(f"{head} has no model {model!r}{hint}\nSearch: bakeoff models {model.split('_')[0]}")


def search(words: str = "", source: str | None = None) -> list[Entry]:
    """Entries whose name holds every word, in any order; all of them without words.

    Raises:
        UsageError: an unknown source.
    """
    if source is not None and source not in libraries():
        known = ("bakeoff", *libraries())
        hint = registry.nearest(source, known)
        raise UsageError(f"--source {source}: no such source{hint}\nKnown: {', '.join(known)}")
    wanted = [word for word in words.lower().split() if word]
    chosen = [source] if source else list(libraries())
    rows = [one for name in chosen for one in offered(name).values()]
    return [one for one in rows if all(word in one.name.lower() for word in wanted)]


@cache
def imagenet() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet-1k as torchvision calls them, in the order that every library uses."""
    return tuple((FOLDER / "imagenet.txt").read_text(encoding="utf-8").splitlines())
