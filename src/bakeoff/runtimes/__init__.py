"""Runtimes: load a file that somebody exported, predict. One file each; the folder is the registry.

An entry has `READS`, what it reads in words, `accepts(path)`, which looks at names alone, `ready()`, which
imports its library, and `load(path, threads, trust)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bakeoff import registry
from bakeoff.errors import DataError
from bakeoff.files import absent
from bakeoff.preprocessing.signature import Signature
from bakeoff.runtimes._bounds import Bounded, end_by, loading
from bakeoff.runtimes._metadata import KEY, decode
from bakeoff.runtimes._runtime import Runtime
from bakeoff.schemas import Brief

__all__ = ["Opened", "Runtime", "end_by", "freed", "held", "names", "open_file", "recognise"]


@dataclass(frozen=True, repr=False)
class Opened(Brief):
    """A model that is ready to predict.

    Attributes:
        runtime: gives logits for normalised images.
        signature: how an image is prepared.
        classes: names, in the order of the logits (two names for one binary logit).
        loss: softmax_cross_entropy, binary_cross_entropy or multi_label_cross_entropy: how logits become probabilities.
        path: where it came from.
        threshold: the probability from which one of several labels is given.
        output: what the runtime gives: logits, or probabilities of several labels.
        head: gives what makes logits of the last feature map, which the runtime then gives, too (it is `Mapped`); None
            where there is no such map.
        unknown: the similarity below which an image is of no class; the runtime then gives similarities, too, as the
            last of its values; None: not known.
    """

    runtime: Runtime
    signature: Signature
    classes: tuple[str, ...]
    loss: str
    path: Path
    threshold: float = 0.5
    output: str = "logits"
    head: Callable[[], Runtime] | None = None
    unknown: float | None = None


def names() -> tuple[str, ...]:
    """The runtimes that have a file."""
    return registry.names(__name__)


def recognise(path: Path) -> str | None:
    """The runtime that takes a file or folder, by its name; None where none does."""
    if not path.exists():
        return None
    return next((name for name in names() if registry.load(__name__, name).accepts(path)), None)


def held(path: Path, trust: bool, load: Callable[[], Runtime]) -> Runtime:
    """What `load` gives, held to time and memory as it is loaded and as it runs, unless it is trusted.

    Raises:
        CorruptError: it asks for more memory than its size explains.
    """
    if trust:
        return load()
    with loading(path):
        runtime = load()
    return Bounded(runtime, path)


def freed(opened: Opened) -> Opened:
    """The same model, whose calls aren't held to time and memory: that is of the process, which may have more to do."""

    def bare(runtime: Runtime) -> Runtime:
        return runtime.runtime if isinstance(runtime, Bounded) else runtime

    head = opened.head
    return replace(opened, runtime=bare(opened.runtime), head=None if head is None else lambda: bare(head()))


def _reads() -> list[str]:
    return [registry.load(__name__, name).READS for name in names()]


def open_file(path: str | Path, threads: int | None = None, trust: bool = False) -> Opened:
    """An exported model; runs and bundles: `evaluation.opening`.

    Args:
        path: the file or folder.
        threads: inside an operator; None: the library's own choice.
        trust: whether it may be made of more than what classifiers need; it may then read and write files.

    Raises:
        DataError: it is none of them, or was not exported by Bakeoff.
        MissingDependencyError: the library that runs it is not installed.
        CorruptError: it is damaged.
    """
    path = Path(path)
    name = recognise(path)
    if name is None:
        found = "no model that Bakeoff knows." if path.exists() else absent(path)
        raise DataError(f"{path}: {found}\nExpected a run folder, a bundle, {registry.either(_reads())}.")
    reader = registry.load(__name__, name)
    reader.ready()
    runtime = held(path, trust, lambda: reader.load(path, threads, trust))
    about = decode(runtime.metadata.get(KEY), str(path))
    given = (about.signature, about.classes, about.loss, path, about.threshold, about.output)
    return Opened(runtime, *given, unknown=about.unknown)
