"""ONNX: float32 input `input` (N, C, H, W), output `logits` (`probabilities` of several labels), batch free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, text
from bakeoff.schemas import Array

EXTENSION = ".onnx"
HELP = "one .onnx file, opset 20, input (N, C, H, W), for ONNX Runtime and all that read ONNX"
PRECISIONS = ("float32", "float16", "int8")


def made(bundle: Bundle, precision: str = "float32", calibration: Array | None = None) -> Any:
    """What is written: the ModelProto.

    Args:
        precision: one of PRECISIONS.
        calibration: for int8: normalised images, (N, H, W, C).
    """
    from bakeoff.runtimes import _onnx_smaller
    from bakeoff.runtimes._metadata import KEY
    from bakeoff.runtimes._onnx_build import to_onnx

    model = to_onnx(exported(bundle), {KEY: text(bundle)})
    if precision == "float16":
        return _onnx_smaller.to_float16(model)
    return model if calibration is None else _onnx_smaller.to_int8(model, calibration)


def write(bundle: Bundle, path: Path, precision: str = "float32", calibration: Array | None = None) -> Path:
    """Write the file; it is checked by onnx.checker first."""
    import onnx

    model = made(bundle, precision, calibration)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path
