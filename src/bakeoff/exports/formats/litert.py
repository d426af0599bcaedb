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


def write(bundle: Bundle, path: Path, precision: str = "float32", calibration: Array | None = None) -> Path:
    """Write the file."""
    names = list(exported(bundle).outputs)
    litert.save(keras.made(bundle), path, input_shape(bundle), text(bundle), names, precision, calibration)
    return path
