"""PyTorch: native modules, autograd and torch.optim."""

from __future__ import annotations

from typing import Any

from bakeoff import precision as precisions
from bakeoff.errors import UsageError


def native(
    graph: Any,
    *,
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    batch_norm: str = "exact",
    seed: int = 0,
) -> Any:
    """A `TorchNet`; see `bakeoff.protocols.Framework`. torch's BatchNorm is exact, so `batch_norm` changes nothing."""
    import torch

    from bakeoff.frameworks.torch.net import TorchNet

    if device == "auto":
        device = found_device()
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: PyTorch sees no GPU here. Use --device cpu, or auto.")
    precisions.check_device(precision, device)
    if threads:
        torch.set_num_threads(threads)
    return TorchNet(graph, device, precision, seed)


def found_device() -> str:
    """What `auto` comes to here: cuda or cpu."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def environment() -> dict[str, str]:
    """Version, threads and device."""
    import torch

    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    return {"torch": str(torch.__version__), "torch threads": str(torch.get_num_threads()), "torch gpu": cuda}
