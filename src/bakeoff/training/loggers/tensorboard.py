"""TensorBoard: scalars, histograms of weights and gradients, the graph, images, and the confusion matrix.

Events go to `RUN/tensorboard`; `tensorboard --logdir RUN` shows them. TensorBoard's own writer is used, and none of the
frameworks: the same file comes out of PyTorch, TensorFlow and JAX.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bakeoff.errors import MissingDependencyError
from bakeoff.evaluation.kinds import of_predictions
from bakeoff.evaluation.statistics.confusion import confusion
from bakeoff.graph import Graph, Ref
from bakeoff.schemas import Array, Predictions

FOLDER = "tensorboard"
IMAGES, BUCKETS, CELL = 25, 30, 12


def start(path: Path, resumed_from: int | None) -> TensorBoard:
    """A logger that writes below a run's folder.

    Args:
        path: the run folder.
        resumed_from: the step that a resumed run goes on from: what was logged behind it is struck out.

    Raises:
        MissingDependencyError: TensorBoard isn't installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingDependencyError("tensorboard", "logging", "--log tensorboard")
    # TensorBoard asks for this module, and with it takes its own file functions instead of importing TensorFlow, which
    # must not be in a process of PyTorch
    sys.modules.setdefault("tensorboard.compat.notf", ModuleType("notf"))
    return TensorBoard(path / FOLDER, resumed_from)


class TensorBoard:
    """See `bakeoff.training.loggers.Logger`."""

    def __init__(self, folder: Path, resumed_from: int | None) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._event, self._summary = event_pb2, summary_pb2
        self._writer = EventFileWriter(str(folder))
        self._step = 0
        if resumed_from is not None:
            session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._writer.add_event(event_pb2.Event(step=resumed_from, wall_time=time.time(), session_log=session))

    def begin(self, graph: Graph, images: Array) -> None:
        """The graph, and a sheet of images."""
        graph_def = graph_of(graph)
        self._add(0, graph_def=graph_def.SerializeToString())
        self._image("images/train", sheet(images[:IMAGES]), 0)

    def row(self, log: str, row: Mapping[str, Any]) -> None:
        """Each number of a row as a scalar: `loss`, `rate` by step; an epoch's figures at its last step."""
        if log == "metrics.jsonl":
            self._step = int(row["step"]) + 1
        skipped = ("step", "epoch", "phase")
        group = f"{row.get('phase', 'train')}/" if log == "metrics.jsonl" else "epoch/"
        values = [
            self._summary.Summary.Value(tag=group + key, simple_value=float(value))
            for key, value in row.items()
            if key not in skipped and isinstance(value, (int, float))
        ]
        self._add(self._step, summary=self._summary.Summary(value=values))

    def epoch(self, step: int, weights: Mapping[str, Array], gradients: Mapping[str, Array]) -> None:
        """A histogram of every parameter and gradient."""
        self._step = step
        for group, arrays in (("weights", weights), ("gradients", gradients)):
            for path, array in arrays.items():
                if array.size and np.issubdtype(array.dtype, np.floating):
                    value = self._summary.Summary.Value(tag=f"{group}/{path}", histo=self._histogram(array))
                    self._add(step, summary=self._summary.Summary(value=[value]))

    def end(self, scores: Mapping[str, float], predictions: Predictions | None, classes: Sequence[str]) -> None:
        """Final figures as text and scalars, the confusion matrix as an image."""
        values = [
            self._summary.Summary.Value(tag=f"final/{name}", simple_value=float(value))
            for name, value in scores.items()
        ]
        self._add(self._step, summary=self._summary.Summary(value=values))
        if predictions is not None and len(predictions.labels) and not (kind := of_predictions(predictions)).multilabel:
            table = confusion(kind.answers(predictions.logits), predictions.labels, len(classes))
            self._image("confusion", matrix(table), self._step)
            self._text("classes", json.dumps(list(classes), ensure_ascii=False))

    def close(self) -> None:
        """Write everything through."""
        self._writer.close()

    def _add(self, step: int, **content: Any) -> None:
        self._writer.add_event(self._event.Event(step=step, wall_time=time.time(), **content))

    def _histogram(self, array: Array) -> Any:
        flat = array.astype("float64").ravel()
        flat = flat[np.isfinite(flat)]
        counts, edges = np.histogram(flat, BUCKETS) if flat.size else (np.zeros(1), np.zeros(2))
        return self._summary.HistogramProto(
            min=float(flat.min(initial=np.inf)) if flat.size else 0.0,
            max=float(flat.max(initial=-np.inf)) if flat.size else 0.0,
            num=float(flat.size),
            sum=float(flat.sum()),
            sum_squares=float((flat * flat).sum()),
            bucket_limit=edges[1:].tolist(),
            bucket=counts.tolist(),
        )

    def _image(self, tag: str, pixels: Array, step: int) -> None:
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        height, width = pixels.shape[:2]
        image = self._summary.Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=stream.getvalue()
        )
        self._add(step, summary=self._summary.Summary(value=[self._summary.Summary.Value(tag=tag, image=image)]))

    def _text(self, tag: str, text: str) -> None:
        from tensorboard.compat.proto import tensor_pb2, types_pb2

        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode()])
        plugin = self._summary.SummaryMetadata.PluginData(plugin_name="text")
        metadata = self._summary.SummaryMetadata(plugin_data=plugin)
        value = self._summary.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
        self._add(self._step, summary=self._summary.Summary(value=[value]))


def graph_of(graph: Graph) -> Any:
    """The net as TensorBoard draws it: a node an operator, grouped by module path; sizes on the edges."""
    from tensorboard.compat.proto import attr_value_pb2, graph_pb2, node_def_pb2, tensor_shape_pb2, versions_pb2

    def name(ref: Ref) -> str:
        return ref.node.replace(".", "/") + (f":{ref.index}" if ref.index else "")

    def sizes(ref: Ref) -> Any:
        dims = [tensor_shape_pb2.TensorShapeProto.Dim(size=s if isinstance(s, int) else -1) for s in graph.shapes[ref]]
        shape = tensor_shape_pb2.TensorShapeProto(dim=dims)
        return attr_value_pb2.AttrValue(list=attr_value_pb2.AttrValue.ListValue(shape=[shape]))

    nodes = [
        node_def_pb2.NodeDef(name=entry, op="input", attr={"_output_shapes": sizes(Ref(entry))})
        for entry in graph.inputs
    ]
    for node in graph.nodes:
        inputs = [*node.inputs, *(v for v in node.parameters.values() if isinstance(v, Ref))]
        attributes = attr_value_pb2.AttrValue(s=repr(node.attributes).encode())
        nodes.append(
            node_def_pb2.NodeDef(
                name=node.id.replace(".", "/"),
                op=node.op,
                input=[name(ref) for ref in inputs],
                attr={"_output_shapes": sizes(Ref(node.id)), "attributes": attributes},
            )
        )
    return graph_pb2.GraphDef(node=nodes, versions=versions_pb2.VersionDef(producer=22))


def sheet(images: Array) -> Array:
    """Images in rows of five, uint8 (height, width, 3), one pixel apart."""
    count, height, width, _ = images.shape
    rows, columns = -(-count // 5), min(count, 5)
    page = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), 255, np.uint8)
    for index, pixels in enumerate(images):
        top, left = index // 5 * (height + 1), index % 5 * (width + 1)
        page[top : top + height, left : left + width] = pixels if pixels.shape[2] == 3 else pixels[:, :, :1]
    return page


def matrix(table: Array) -> Array:
    """A confusion matrix as an image, (classes x 12, classes x 12, 3): darker for a larger share of a row."""
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    light = np.kron(1 - shares, np.ones((CELL, CELL)))
    colours = np.stack([55 + 200 * light, 90 + 165 * light, 160 + 95 * light], 2)
    return np.asarray(colours, np.uint8)
