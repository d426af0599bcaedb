"""PyTorch: torch.export's `.pt2`, input (N, C, H, W), batch free."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, input_shape, text
from bakeoff.runtimes import _missing, torch_export

EXTENSION = ".pt2"
HELP = "one .pt2 file (torch.export), input (N, C, H, W); torch.export.load reads it without Bakeoff"


def made(bundle: Bundle) -> Any:
    """What is written: the exported program."""
    _missing.library("torch", "torch", "export to .pt2")
    from bakeoff.frameworks.torch.build import build

    return torch_export.program(build(exported(bundle)).module, input_shape(bundle))


def write(bundle: Bundle, path: Path) -> Path:
    """Write the file."""
    torch_export.save(made(bundle), path, text(bundle))
    return path
