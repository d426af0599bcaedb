"""Opens whatever can predict: a run folder, a bundle, or a file that was exported from one."""

from __future__ import annotations

from pathlib import Path

from bakeoff import bundle, runtimes
from bakeoff.graph.similarity import joined
from bakeoff.runtimes import Opened, Similar, onnxruntime


def open_model(path: str | Path, threads: int | None = None, trust: bool = False) -> Opened:
    """A model that is ready to predict; runs and bundles go through ONNX Runtime.

    Args:
        path: a run folder, a bundle, or what a file of `runtimes` reads, as `.onnx`.
        threads: inside an operator; None: the library's own choice.
        trust: whether an exported file may be made of more than what classifiers need.

    Raises:
        DataError: it is none of them.
        VersionError: it is of another schema.
        CorruptError: it is damaged, or holds what must not be executed.
        MissingDependencyError: the library that runs it is not installed.
    """
    if bundle.folder_of(path) is None:
        return runtimes.open_file(path, threads, trust)
    return open_bundle(bundle.read(path), Path(path), threads)


def open_bundle(read: bundle.Bundle, path: Path, threads: int | None = None) -> Opened:
    """The net of a bundle in ONNX Runtime, with what it knows of images of no class."""
    told = read.signature, read.classes, read.loss, path, read.threshold
    if read.unknown is None:
        return Opened(onnxruntime.from_graph(read.graph, threads), *told)
    whole = onnxruntime.from_graph(joined(read.graph, read.unknown.means), threads)
    return Opened(Similar(whole), *told, unknown=read.unknown.threshold)
