"""An exported file that runs here and isn't read as a graph: ONNX, SavedModel, LiteRT, OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff import registry, runtimes
from bakeoff.difference import inputs
from bakeoff.difference.account import Account
from bakeoff.difference.sides import Given
from bakeoff.runtimes import onnxruntime
from bakeoff.runtimes._metadata import KEY, decode

READS, PLACE = "an exported file (ONNX, SavedModel, LiteRT, OpenVINO)", 6


def accepts(text: str) -> bool:
    """Whether a runtime takes it."""
    return "://" not in text and runtimes.recognise(Path(text)) is not None


def opened(text: str, given: Given) -> Account:
    """What it answers; how images are prepared, where the file says it."""
    path = Path(text)
    name = runtimes.recognise(path)
    assert name is not None
    reader = registry.load("bakeoff.runtimes", name)
    reader.ready()
    runtime = runtimes.held(path, False, lambda: reader.load(path, 1, False))
    about, known, shares = runtime.metadata.get(KEY), _precision(path), False
    places = dict.fromkeys(known, text)
    if about:
        told = decode(about, text)
        known |= {**inputs.of_signature(told.signature), "output.classes": told.classes, "output.softmax": 0}
        shares = told.output == "probabilities"
    return Account(text, "export", known, places, answer=runtime.predict, shares=shares)


def _precision(path: Path) -> dict[str, Any]:
    """int8 and where its scales are, of an ONNX file that was quantized."""
    if path.suffix != onnxruntime.SUFFIX:
        return {}
    import onnx

    from bakeoff.runtimes import _onnx_smaller

    has = _onnx_smaller.scales(onnx.load(path, load_external_data=False))
    return {"net.precision": "int8", "net.scales": str(path.resolve())} if has else {}
