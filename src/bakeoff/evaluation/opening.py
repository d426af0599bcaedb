"""Opens whatever can predict: a run folder, a bundle, or a file that was exported from one."""

from __future__ import annotations

from pathlib import Path

from bakeoff import bundle, runtimes
from bakeoff.runtimes import Opened, onnxruntime


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
    read = bundle.read(path)
    runtime = runtimes.held(folder, trust, lambda: onnxruntime.from_graph(read.graph, threads))
    return Opened(runtime, read.signature, read.classes, read.loss, Path(path), read.threshold)
