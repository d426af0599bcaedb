"""ONNX Runtime: the default engine, for `.onnx` files and for graphs that were never written.

A call gets few images at a time, so that what passes between layers stays in the cache. Measured on 2 cores, features
of EfficientNet-lite0 at 224 pixels, images/s by images a call:

    images a call             1    2    4    8   16   32   64
    2 threads, spinning       471  451  428  389  354  327  144
    2 threads, no spinning    332  402  421  361  347  322  229
    2 callers of 1 thread     445  431  406  362  330  239
    1 thread                  222  222  216  195  183  166   86

Beside other work on those cores (a load of 8), threads that spin take twice the processor's time: 30 images/s against
50 of two callers. So features are computed by callers; who asks for one image at once has threads in the operators.

The results are the same bit for bit. Of the optimisation levels, only "all" moves to blocked layouts: 389 against 131
("extended") at 8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bakeoff.errors import CorruptError, DataError, MissingDependencyError, UnsupportedError
from bakeoff.graph.graph import Graph
from bakeoff.preprocessing import scale_and_offset
from bakeoff.runtimes._allowed import hold
from bakeoff.runtimes._metadata import KEY, SIMILARITY, decode
from bakeoff.runtimes._onnx_build import to_onnx
from bakeoff.schemas import Array

READS = "a .onnx file"
SUFFIX = ".onnx"
KIND = "onnx"
BYTES = "tensor(uint8)"  # the input of files that normalise, as `export --with-preprocessing` writes them
LIBRARY = re.compile(r"$|ai\.onnx|com\.m|org\.pytorch")  # domains whose operators ONNX Runtime has, or may have
VALUES_A_CALL = 224 * 224 * 3  # of the input: 1 image at 224, 192 of MNIST


def accepts(path: Path) -> bool:
    """Whether it is a file of this kind, by its name."""
    return path.suffix == SUFFIX and path.is_file()


@dataclass(frozen=True)
class OnnxRuntime:
    """A session; it may be called from several threads."""

    session: Any
    metadata: Mapping[str, str] = field(default_factory=dict)
    name: str = "onnxruntime"

    def predict(self, images: Array) -> Array:
        """Logits or features (N, n) of normalised images (N, H, W, C)."""
        return self._values(images, 1)[0]

    def values(self, images: Array) -> list[Array]:
        """All outputs, in order, (N, ...) each: behind the logits the last feature map of a graph that gives it."""
        return self._values(images, len(self.session.get_outputs()))

    def _values(self, images: Array, outputs: int) -> list[Array]:
        (wanted,) = self.session.get_inputs()
        dtype = np.float64 if wanted.type == "tensor(double)" else np.float32
        whole = wanted.type == BYTES
        if whole:
            images = self._bytes(images)
        step = max(1, VALUES_A_CALL // max(1, math.prod(images.shape[1:])))
        count = len(images)
        if isinstance(wanted.shape[0], int):  # a file that was exported for one batch size
            step = wanted.shape[0]
            images = np.concatenate([images, np.zeros((-count % step, *images.shape[1:]), images.dtype)])
        parts = [images[start : start + step] for start in range(0, len(images), step)]
        names = [one.name for one in self.session.get_outputs()][:outputs]
        natives = (part if whole else np.ascontiguousarray(part.transpose(0, 3, 1, 2), dtype) for part in parts)
        done = [[np.asarray(out) for out in self.session.run(names, {wanted.name: native})] for native in natives]
        if any(part.shape[:1] != out.shape[:1] for part, outs in zip(parts, done, strict=True) for out in outs):
            raise ValueError(f"{[len(part) for part in parts][:3]} images give {[out[0].shape for out in done][:3]}")
        return [np.concatenate(outs)[:count] for outs in zip(*done, strict=True)] if done else self._nothing(outputs)

    def _bytes(self, images: Array) -> Array:
        """uint8 images of normalised ones, for a file that normalises: the nearest, where rounding is far from a half.

        It is, while 255 times the mean has fewer than 22 bits before the point.
        """
        signature = decode(self.metadata.get(KEY), "an ONNX file").signature
        scale, offset = scale_and_offset(signature)
        found: Array = np.rint((images - offset) / scale).astype(np.uint8)
        return np.ascontiguousarray(found[..., ::-1] if signature.channel_order == "BGR" else found)

    def _nothing(self, outputs: int) -> list[Array]:
        shapes = [one.shape[1:] for one in self.session.get_outputs()][:outputs]
        return [np.zeros((0, *(size if isinstance(size, int) else 0 for size in one)), np.float32) for one in shapes]


def from_graph(graph: Graph, threads: int | None = None) -> OnnxRuntime:
    """A session for a graph, in its own precision.

    Args:
        graph: gives logits or features.
        threads: inside an operator; None: as many as there are cores.
    """
    return of_model(to_onnx(graph, dtype=graph.dtype), threads)


def of_model(model: Any, threads: int | None = None) -> OnnxRuntime:
    """A session for an onnx.ModelProto that was made here."""
    return OnnxRuntime(_session(model.SerializeToString(), threads))


def ready() -> None:
    """Import what reads it.

    Raises:
        MissingDependencyError: that is not installed.
    """
    _library()


def load(path: Path, threads: int | None = None, trust: bool = False) -> OnnxRuntime:
    """A session for a file.

    Args:
        path: the file.
        threads: inside an operator.
        trust: load it whatever it is made of.

    Raises:
        CorruptError: it is damaged, made of more than what classifiers need, or asks for other files (external data is
            never followed).
        DataError: it is not one image in, one vector out.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}. Expected an ONNX file.") from None
    _refuse_hostile(data, path, trust)
    session = _session(data, threads, str(path))
    whole = [one.type for one in session.get_inputs()] == [BYTES]
    tells = [one.name for one in session.get_outputs()][-1:] == [SIMILARITY]
    if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1 + whole + tells:
        raise DataError(f"{path}: it has {len(session.get_inputs())} inputs; expected one image in, one vector out.")
    return OnnxRuntime(session, dict(session.get_modelmeta().custom_metadata_map))


def _refuse_hostile(data: bytes, path: Path, trust: bool) -> None:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise CorruptError(f"{path}: not an ONNX file, or damaged. Export it anew.") from None
    parts = list(_parts(model))
    for tensor in (tensor for part in parts for tensor in _tensors(part)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise CorruptError(
                f"{path}: {tensor.name!r} lies in another file, which is not followed. Export it as one file."
            )
    if not trust:
        own = {(one.domain, one.name) for one in model.functions if not LIBRARY.match(one.domain)}
        nodes = [node for part in parts for node in part.node if (node.domain, node.op_type) not in own]
        plain = ("", "ai.onnx")
        hold(path, KIND, (f"{'' if one.domain in plain else one.domain + '.'}{one.op_type}" for one in nodes))


def _parts(model: Any) -> Iterator[Any]:
    """Every graph and function of a model, those in attributes of nodes too."""
    waiting = [model.graph, *model.functions]
    while waiting:
        held = waiting.pop()
        yield held
        attributes = (attribute for node in held.node for attribute in node.attribute)
        waiting += [graph for one in attributes for graph in (one.g, *one.graphs) if graph.node or graph.initializer]


def _tensors(part: Any) -> Iterator[Any]:
    """The tensors of a graph or function: initializers, sparse ones, attributes."""
    sparse = list(getattr(part, "sparse_initializer", ()))
    yield from getattr(part, "initializer", ())
    for attribute in (attribute for node in part.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        sparse += (attribute.sparse_tensor, *attribute.sparse_tensors)
    for one in sparse:
        yield from (one.values, one.indices)


def _library() -> Any:
    try:
        import onnxruntime
    except ImportError:
        remedy = "Install it: pip install onnxruntime"
        raise MissingDependencyError("onnxruntime", "", "prediction without a framework", remedy) from None
    return onnxruntime


def _session(data: bytes, threads: int | None, what: str = "the net") -> Any:
    ort = _library()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised, and said once
    try:
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common base
        text = str(error).splitlines()[0][:200]
        if "NOT_IMPLEMENTED" in text:  # as a convolution in float64
            raise UnsupportedError(f"{what}: ONNX Runtime lacks an operator in this precision ({text}).") from None
        raise CorruptError(f"{what}: ONNX Runtime can't load it ({text}).") from None
