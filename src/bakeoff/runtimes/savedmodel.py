"""TensorFlow's SavedModel, a folder or the newest of the versions in one: NAME/1, NAME/2, ... as its server has them.

What runs here is the signature `serve_tensor` (`serving_default` of folders that have no other): float32 input `input`
(N, H, W, C), one output, and what tells images of no class. Files of images are decoded by `preprocessing`, whatever
else a folder can do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bakeoff.errors import CorruptError
from bakeoff.files import named, regular
from bakeoff.runtimes._allowed import hold, refuse
from bakeoff.runtimes._metadata import FILE, KEY, SIMILARITY
from bakeoff.runtimes._missing import library
from bakeoff.runtimes._runtime import FunctionRuntime
from bakeoff.schemas import Array

READS = "a SavedModel folder"
GRAPH = "saved_model.pb"
SIGNATURES = ("serve_tensor", "serving_default")  # the first that there is
EXTRA = "assets.extra"  # TensorFlow's folder for what others put beside a model
KIND, UNKNOWN = "savedmodel", "unknown"
SAVES = frozenset({"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"})
OPERATOR = re.compile(r"_*[A-Z][A-Za-z0-9]*")  # a name like an operator's, which a function of the file may not hide
DECODERS = frozenset({"DecodeAndCropJpeg", "DecodeBmp", "DecodeImage", "DecodeJpeg", "DecodePng", "DecodeWebP"})
VERSION = re.compile(r"[1-9]\d{0,17}")
SWAPS = frozenset({"api_implements", "implements", "_implements"})  # by which TensorFlow may put a function elsewhere


def accepts(path: Path) -> bool:
    """Whether it is a folder of this kind, or of its versions, by its names."""
    return (version_of(path) / GRAPH).is_file()


def versions(path: Path) -> list[int]:
    """The numbers of the versions in a folder, in order."""
    found = path.iterdir() if path.is_dir() and not (path / GRAPH).exists() else ()
    return sorted(int(one.name) for one in found if VERSION.fullmatch(one.name) and (one / GRAPH).is_file())


def version_of(path: Path) -> Path:
    """The folder of the newest version; the path itself where it has none."""
    return path / str(found[-1]) if (found := versions(path)) else path


def save(model: Any, path: Path, endpoints: Mapping[str, tuple[Any, list[Any]]], beside: Mapping[str, str]) -> None:
    """Write a Keras model (on TensorFlow).

    Args:
        model: the Keras model.
        path: of the new folder.
        endpoints: {signature: (function, specifications of its arguments)}.
        beside: {name: text} of what is put into `assets.extra`.
    """
    keras = library("keras", "tensorflow", "export to SavedModel")
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, given) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=given)
    archive.write_out(str(path), verbose=False)
    (path / EXTRA).mkdir()
    for name, text in beside.items():
        (path / EXTRA / name).write_text(text, encoding="utf-8")


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    library("tensorflow", "tensorflow", "a SavedModel")


def load(path: Path, threads: int | None = None, trust: bool = False) -> FunctionRuntime:
    """The folder, or the newest version in it, as a runtime.

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
    path = version_of(path)
    _regular(path)
    if not trust:
        _refuse_hostile(path)
    try:
        loaded = tf.saved_model.load(str(path))
        served = next(loaded.signatures[name] for name in SIGNATURES if name in loaded.signatures)
        (name,) = served.structured_input_signature[1]
    except Exception as error:  # TensorFlow raises what its parsers raise
        raise CorruptError(
            f"{path}: TensorFlow can't load it ({str(error).splitlines()[0][:200]}). Export it anew."
        ) from None

    def values(images: Array) -> list[Array]:
        found = {key: one.numpy() for key, one in served(**{name: tf.constant(images)}).items() if key != UNKNOWN}
        near = [found.pop(SIMILARITY).reshape(-1, 1)] if SIMILARITY in found else []
        (out,) = found.values()
        return [out, *near]

    beside = path / EXTRA / FILE
    text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    kept = FunctionRuntime("tensorflow", values, {KEY: text})
    object.__setattr__(kept, "_loaded", loaded)  # its variables die with it
    return kept


def _set_threads(tf: Any, threads: int) -> None:
    import contextlib

    with contextlib.suppress(RuntimeError):  # once TensorFlow runs, its number of threads is fixed
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def _regular(path: Path) -> None:
    """TensorFlow would wait for a pipe. A link to a file is read, as caches have them; one to a folder is refused."""
    for one in path.rglob("*"):
        if one.is_symlink() or not one.is_dir():
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
    refuse(path, sorted({node.op for one in functions for node in one.node_def if _overruns(node)}))
    refuse(path, sorted({said for node in objects.nodes for said in _of_object(node)}))


def _overruns(node: Any) -> bool:
    """Whether it decodes to as many channels as a file has: TensorFlow 2.21 then writes an animated WebP without alpha
    beyond its memory. Each decoder takes the files of all others."""
    return node.op in DECODERS and not ("channels" in node.attr and node.attr["channels"].i)


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
