"""An exported file that runs here and isn't read as a graph: ONNX, SavedModel, LiteRT, OpenVINO."""

from __future__ import annotations

from pathlib import Path

from bakeoff import registry, runtimes
from bakeoff.difference import inputs
from bakeoff.difference.account import Account
from bakeoff.difference.sides import Given
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
    about = runtime.metadata.get(KEY)
    if not about:
        return Account(text, "export", answer=runtime.predict)
    told = decode(about, text)
    known = {**inputs.of_signature(told.signature), "output.classes": told.classes, "output.softmax": 0}
    return Account(text, "export", known, answer=runtime.predict, shares=told.output == "probabilities")
