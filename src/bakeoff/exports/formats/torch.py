"""PyTorch: torch.export's `.pt2`, input (N, C, H, W), batch free; or the state dict alone, `.pth`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bakeoff.bundle import Bundle
from bakeoff.exports._text import exported, input_shape, text
from bakeoff.runtimes import _missing, torch_export

EXTENSION = ".pt2"
OPTIONS = ("state_dict",)
EXTENSIONS = {"state_dict": ".pth"}
HELP = "one .pt2 file (torch.export), input (N, C, H, W); torch.export.load reads it without Bakeoff"


def made(bundle: Bundle) -> Any:
    """What is written: the exported program."""
    _missing.library("torch", "torch", "export to .pt2")
    from bakeoff.frameworks.torch.build import build

    return torch_export.program(build(exported(bundle)).module, input_shape(bundle))


def write(bundle: Bundle, path: Path, state_dict: bool = False) -> Path:
    """Write the file; of a state dict, which has no place for it, what it says about itself beside it."""
    if not state_dict:
        torch_export.save(made(bundle), path, text(bundle))
        return path
    _missing.library("torch", "torch", "export to .pth")
    from bakeoff.exports.source import write_state
    from bakeoff.runtimes._metadata import beside

    write_state(bundle.graph, path)
    beside(path).write_text(text(bundle), encoding="utf-8")
    return path
