"""PyTorch: torch.export's `.pt2`, input (N, C, H, W), batch free."""

from __future__ import annotations

from pathlib import Path

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, input_shape, text

EXTENSION = ".pt2"
HELP = "one .pt2 file (torch.export), input (N, C, H, W); torch.export.load reads it without Bakeoff"


def write(bundle: Bundle, path: Path) -> Path:
    """Write the file."""
    from bakeoff.runtimes import _missing, torch_export

    _missing.library("torch", "torch", "export to .pt2")
    from bakeoff.frameworks.torch.build import build

    torch_export.save(build(exported(bundle)).module, path, input_shape(bundle), text(bundle))
    return path
