"""ONNX: float32 input `input` (N, C, H, W), output `logits` (`probabilities` of several labels), batch free.

Of a model that tells images of no class, `similarity` (N, 1) is its last output.

With its preprocessing: uint8 input `images` (N, H, W, C) of the model's size, outputs `logits` and `probabilities`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, telling, text
from bakeoff.schemas import Array

EXTENSION = ".onnx"
OPTIONS = ("with_preprocessing",)
HELP = "one .onnx file, opset 20, input (N, C, H, W), for ONNX Runtime and all that read ONNX"
PRECISIONS = ("float32", "float16", "int8")
TELLS = ("float32", "float16")


def made(
    bundle: Bundle, precision: str = "float32", calibration: Array | None = None, with_preprocessing: bool = False
) -> Any:
    """What is written: the ModelProto.

    Args:
        precision: one of PRECISIONS.
        calibration: for int8: normalised images, (N, H, W, C).
        with_preprocessing: whether it takes uint8 images.
    """
    from bakeoff.exports._onnx_images import of_images
    from bakeoff.runtimes import _onnx_smaller
    from bakeoff.runtimes._metadata import KEY
    from bakeoff.runtimes._onnx_build import to_onnx

    model = to_onnx(telling(bundle) if with_preprocessing else exported(bundle), {KEY: text(bundle)})
    if precision == "float16":
        model = _onnx_smaller.to_float16(model)
    if calibration is not None:
        model = _onnx_smaller.to_int8(model, calibration)
    return of_images(model, bundle) if with_preprocessing else model


def write(
    bundle: Bundle,
    path: Path,
    precision: str = "float32",
    calibration: Array | None = None,
    with_preprocessing: bool = False,
) -> Path:
    """Write the file, as `made` has it; it is checked by onnx.checker first."""
    import onnx

    model = made(bundle, precision, calibration, with_preprocessing)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path
