"""Opens whatever can predict: a run folder, a bundle, or a file that was exported from one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bakeoff import bundle, runtimes
from bakeoff.graph.last_map import halves
from bakeoff.graph.similarity import with_similarity
from bakeoff.runtimes import Opened, Runtime, onnxruntime


def open_model(path: str | Path, threads: int | None = None, trust: bool = False) -> Opened:
    """A model that is ready to predict; runs and bundles go through ONNX Runtime.

    Args:
        path: a run folder, a bundle, or what a file of `runtimes` reads, as `.onnx`.
        threads: inside an operator; None: the library's own choice.
        trust: whether an exported file may be made of more than what classifiers need, and any model take any time.

    Raises:
        DataError: it is none of them.
        VersionError: it is of another schema.
        CorruptError: it is damaged, or holds what must not be executed.
        MissingDependencyError: the library that runs it is not installed.
    """
    folder = bundle.folder_of(path)
    if folder is None:
        return runtimes.open_file(path, threads, trust)
    return of_bundle(bundle.read(path), Path(path), threads, trust)


def of_bundle(read: bundle.Bundle, path: Path, threads: int | None = None, trust: bool = False) -> Opened:
    """A model that was read, ready to predict in ONNX Runtime; it gives its last feature map where it has one, and how
    similar images are to its classes where it knows when that is too little.

    Args:
        read: a bundle.
        path: a run folder, or a bundle.
        threads: as for `open_model`.
        trust: likewise.
    """
    folder = bundle.folder_of(path) or path
    whole, head = halves(read.graph, read.signature.size) or (read.graph, None)
    whole = whole if read.unknown is None else with_similarity(whole, read.unknown.means)

    @cache
    def second() -> Runtime:
        assert head is not None
        return runtimes.held(folder, trust, lambda: onnxruntime.from_graph(head, threads))

    runtime = runtimes.held(folder, trust, lambda: onnxruntime.from_graph(whole, threads))
    given = (read.signature, read.classes, read.loss, path, read.threshold)
    threshold = None if read.unknown is None else read.unknown.threshold
    return Opened(runtime, *given, head=second if head is not None else None, unknown=threshold)
