"""OpenVINO: an IR, NAME.xml and NAME.bin, input `input` (N, C, H, W), batch free; it states its precision."""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.exports._text import text
from bakeoff.exports.formats import onnx
from bakeoff.runtimes import openvino
from bakeoff.schemas import Array

EXTENSION, BESIDE = ".xml", openvino.WEIGHTS
HELP = "an OpenVINO IR, .xml and .bin, input (N, C, H, W), for Intel's processors; says to compute in float32"
PRECISIONS = ("float32", "float16", "bfloat16", "int8")
TELLS = ("float32", "float16", "bfloat16")


def write(bundle: Bundle, path: Path, precision: str = "float32", calibration: Array | None = None) -> Path:
    """Write the two files."""
    model = onnx.made(bundle, "int8" if calibration is not None else "float32", calibration)
    del model.metadata_props[:]  # or OpenVINO keeps a second copy
    openvino.save(model.SerializeToString(), path, text(bundle), precision)
    return path
