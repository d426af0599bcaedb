"""A live torch.nn.Module as a graph, and a graph's numbers back as the module's state dict.

    captured = capture(timm.create_model("resnet18"), input_size=(224, 224))
    captured.graph                       nodes under the module's own paths
    captured.state_dict()                what the module's load_state_dict(strict=True) takes, bit for bit

The program comes from torch.export of a training pass; the live module says what the program has lost. Nothing here
knows a model by name: operators are pages (FROM_TORCH), spellings over several calls are files in `patterns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bakeoff.frameworks.torch.capture._captured import Captured

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Captured", "bare", "capture"]


def bare(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """A module without wrappers of torch's, in 32 bits or more, and what was taken off or widened."""
    from bakeoff.frameworks.torch.capture._bare import bare as found

    return found(model)


def capture(
    model: nn.Module, *, input_size: tuple[int, int] | None = None, channels: int = 3, name: str = ""
) -> Captured:
    """The graph of a classifier that takes images (N, C, H, W) and gives logits (N, classes).

    The model itself isn't changed. Its weights are copied.

    Args:
        model: any module that torch.export can trace; on CPU.
        input_size: (height, width) in pixels; None: what the model says of itself (timm's pretrained_cfg), else 224.
        channels: of the image.
        name: for messages; default: the class.

    Raises:
        UnsupportedError: an operator that no page knows, by its name, module path and line of source; a model that
            can't be traced, or whose training pass computes something else than its prediction.
    """
    from bakeoff.frameworks.torch.capture._capture import captured

    return captured(model, input_size, channels, name or type(model).__name__)
