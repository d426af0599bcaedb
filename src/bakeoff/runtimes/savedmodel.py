"""TensorFlow's SavedModel: signature `serving_default`, float32 input `input` (N, H, W, C), output `logits`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bakeoff.errors import CorruptError
from bakeoff.files import named, regular
from bakeoff.runtimes._allowed import hold, refuse
from bakeoff.runtimes._metadata import FILE, KEY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a SavedModel folder"
SIGNATURE = "serving_default"
EXTRA = "assets.extra"  # TensorFlow's folder for what others put beside a model
KIND = "savedmodel"
SAVES = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})
OPERATOR = re.compile(r"_*[A-Z][A-Za-z0-9]*")  # a name like an operator's, which a function of the file may not hide
SWAPS = frozenset({"api_implements", "implements", "_implements"})  # by which TensorFlow may put a function elsewhere


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


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    library("tensorflow", "tensorflow", "a SavedModel")


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The folder as a runtime.

    Args:
        path: the folder.
        threads: inside an operator.
        trust: load it whatever it is made of.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        CorruptError: it is damaged, or made of more than what classifiers need.
    """
    tf = library("tensorflow", "tensorflow", "a SavedModel")
    if threads:
        _set_threads(tf, threads)
    _regular(path)
    if not trust:
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


def _regular(path: Path) -> None:
    """TensorFlow would wait for a pipe."""
    for one in path.rglob("*"):
        if not one.is_dir():
            with named(one, "Export it anew."):
                regular(one).close()


def _refuse_hostile(path: Path) -> None:
    """Look through what TensorFlow would load and run: every function, and how objects are made and restored.

    Of a file of TensorFlow 2, the graph around the functions is not run. It calls those that save and restore
    variables; these alone may reach files, and nothing else may call them.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    others = [name for name in ("saved_model.pbtxt", "saved_model.cpb") if (path / name).exists()]
    refuse(path, [f"{name} beside saved_model.pb" for name in others])
    try:
        model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        raise CorruptError(f"{path}: its saved_model.pb is damaged. Export it anew.") from None
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].object_graph_def.nodes:
        refuse(path, ["a graph of TensorFlow 1"])
    (graph,) = model.meta_graphs
    objects = graph.object_graph_def
    functions = graph.graph_def.library.function  # of one name there may be several
    own = {one.signature.name for one in functions if not OPERATOR.fullmatch(one.signature.name)}
    called = {name for one in functions for name in _calls(one.node_def, own)}
    called |= {*objects.concrete_functions, *_in_objects(objects.nodes)}
    found = set[str]()
    for one in functions:
        saver = one.signature.name not in called and not one.attr.keys() & SWAPS
        found |= {node.op for node in one.node_def} - own - (SAVES if saver else set())
    hold(path, KIND, found)
    refuse(path, sorted({said for node in objects.nodes for said in _of_object(node)}))


def _calls(nodes: Any, own: set[str]) -> Iterator[str]:
    """The functions that nodes call, by operator or in an attribute."""
    for node in nodes:
        if node.op in own:
            yield node.op
        for value in node.attr.values():
            yield from (one.name for one in (value.func, *value.list.func) if one.name)


def _in_objects(nodes: Any) -> Iterator[str]:
    for node in nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
        yield node.captured_tensor.concrete_function


def _of_object(node: Any) -> Iterator[str]:
    if node.saveable_objects:
        yield "variables that functions of the file restore"
    if node.registered_saver:
        yield f"the saver {node.registered_saver}"
    if node.WhichOneof("kind") == "asset":
        yield "other files that it reads"
