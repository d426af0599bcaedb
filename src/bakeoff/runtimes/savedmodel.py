"""TensorFlow's SavedModel: signature `serving_default`, float32 input `input` (N, H, W, C), output `logits`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.errors import CorruptError
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a SavedModel folder"
SIGNATURE = "serving_default"
EXTRA = "assets.extra"  # TensorFlow's folder for what others put beside a model
REFUSED = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles"})


def accepts(path: Path) -> bool:
    """Whether it is a folder of this kind, by its names."""
    return (path / "saved_model.pb").is_file()


def save(model: Any, path: Path, shape: tuple[int, int, int], text: str, output: str = "logits") -> None:
    """Write a Keras model (on TensorFlow) that takes (N, H, W, C).

    Args:
        model: the Keras model.
        path: of the new folder.
        shape: (height, width, channels).
        text: what the folder says about itself.
        output: its name in the signature.
    """
    tf = library("tensorflow", "tensorflow", "export to SavedModel")
    keras = library("keras", "tensorflow", "export to SavedModel")

    def serve(input: Any) -> Any:
        return {output: model(input, training=False)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(SIGNATURE, serve, input_signature=[tf.TensorSpec((None, *shape), tf.float32, name="input")])
    archive.write_out(str(path), verbose=False)
    (path / EXTRA).mkdir()
    (path / EXTRA / FILE).write_text(text, encoding="utf-8")


def load(path: Path, threads: int | None = None) -> FunctionRuntime:
    """The folder as a runtime.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        CorruptError: it is damaged, or its graph would read or write files or run Python.
    """
    tf = library("tensorflow", "tensorflow", "a SavedModel")
    if threads:
        _set_threads(tf, threads)
    _refuse_hostile(path)
    try:
        loaded = tf.saved_model.load(str(path))
        served = loaded.signatures[SIGNATURE]
        (name,) = served.structured_input_signature[1]
    except Exception as error:  # TensorFlow raises what its parsers raise
        raise CorruptError(
            f"{path}: TensorFlow can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None

    def logits(images: Array) -> Array:
        (out,) = served(**{name: tf.constant(images)}).values()
        array: Array = out.numpy()
        return array

    beside = path / EXTRA / FILE
    text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    kept = FunctionRuntime("tensorflow", logits, {KEY: text})
    object.__setattr__(kept, "_loaded", loaded)  # its variables die with it
    return kept


def _set_threads(tf: Any, threads: int) -> None:
    import contextlib

    with contextlib.suppress(RuntimeError):  # once TensorFlow runs, its number of threads is fixed
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def _refuse_hostile(path: Path) -> None:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        raise CorruptError(f"{path}: its saved_model.pb is damaged. Export it anew.") from None
    for graph in model.meta_graphs:
        # restoring and saving of variables stand in the outer graph, behind the saver's signatures
        nodes = [node for function in graph.graph_def.library.function for node in _own(function)]
        for node in nodes:
            if node.op in REFUSED:
                raise CorruptError(
                    f"{path}: its graph has {node.op}, which reaches beyond the model. It was not loaded."
                )


def _own(function: Any) -> Any:
    saver = any(arg.name in ("file_prefix", "saver_filename") for arg in function.signature.input_arg)
    return () if saver else function.node_def
