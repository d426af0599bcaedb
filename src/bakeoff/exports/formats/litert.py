"""LiteRT (TensorFlow Lite): one `.tflite` file, float32 input (N, H, W, C) whatever it computes in, batch free."""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, input_shape, text
from bakeoff.exports.formats import keras
from bakeoff.runtimes import litert
from bakeoff.schemas import Array

EXTENSION = ".tflite"
HELP = "one .tflite file, input (N, H, W, C), for phones, boards and browsers: LiteRT, once TensorFlow Lite"
PRECISIONS = ("float32", "float16", "int8")
TELLS = ("float32", "float16")
BARE = {"parameter", "constant"}  # Keras's own layers hold them in a PReLU, which TensorFlow's converter refuses


def write(bundle: Bundle, path: Path, precision: str = "float32", calibration: Array | None = None) -> Path:
    """Write the file."""
    graph = exported(bundle)
    net = keras.made(bundle, stock=BARE.isdisjoint(node.op for node in graph.nodes))
    names = list(graph.outputs)
    litert.save(net, path, input_shape(bundle), text(bundle), names, precision, calibration)
    return path
