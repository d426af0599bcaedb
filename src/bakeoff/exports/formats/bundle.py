"""Bakeoff's own bundle: a folder of a JSON and safetensors, as every run has one, apart from its run."""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.bundle import write as write_bundle

EXTENSION = ""
TELLS = ("float32",)
FOLDER = "bundle"
HELP = "a folder of weights and what they need, which Bakeoff reads: what else is exported starts from it"


def write(bundle: Bundle, path: Path) -> Path:
    """Write the folder."""
    return write_bundle(path, bundle)
