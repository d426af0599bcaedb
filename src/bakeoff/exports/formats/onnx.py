"""ONNX: float32 input `input` (N, C, H, W), output `logits` (`probabilities` of several labels), batch free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, text

EXTENSION = ".onnx"
HELP = "one .onnx file, opset 20, input (N, C, H, W), for ONNX Runtime and all that read ONNX"


def made(bundle: Bundle) -> Any:
    """What is written: the ModelProto."""
    from bakeoff.runtimes._metadata import KEY
    from bakeoff.runtimes._onnx_build import to_onnx

    return to_onnx(exported(bundle), {KEY: text(bundle)})


def write(bundle: Bundle, path: Path) -> Path:
    """Write the file; it is checked by onnx.checker first."""
    import onnx

    model = made(bundle)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path
