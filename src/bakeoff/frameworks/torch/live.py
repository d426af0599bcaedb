"""A live nn.Module, as its own library made it, asked as a `Net` is: the reference that a rebuilt net is held against.

Nothing of the graph computes here: logits, gradients and steps are the module's own, by torch.optim. The capture
only says under which path and in which order of axes an array goes by in the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bakeoff.frameworks.torch.capture import Captured
from bakeoff.frameworks.torch.capture._copy import copied
from bakeoff.frameworks.torch.capture._export import logits_of, moded
from bakeoff.frameworks.torch.draws import watched
from bakeoff.frameworks.torch.lifted import Lifted
from bakeoff.graph.faults import faults
from bakeoff.schemas import Array, Drawn, StepResult


class LiveTorch:
    """See `bakeoff.protocols.Net`, as far as checks need it.

    Args:
        module: stays as it is; a copy is asked.
        captured: of that module.
        precision: float32 or float64.
    """

    def __init__(self, module: nn.Module, captured: Captured, precision: str) -> None:
        self.native = copied(module).to(getattr(torch, precision))
        self.native.register_forward_hook(lambda _, __, out: logits_of(out))
        self.captured, self.count = captured, 0
        self.given: Mapping[str, Array] | None = None
        self.drawn: dict[str, Drawn] = {}
        self.lifted = Lifted()
        self.around = self.lifted if precision == "float64" else nullcontext()
        self.tensors = dict(self.native.state_dict(keep_vars=True))
        self.trainable = {
            captured.layouts[name].path: (name, tensor)
            for name, tensor in self.native.named_parameters()
            if tensor.requires_grad and name in captured.layouts
        }

    def logits(self, images: Array, *, train: bool = False) -> Array:
        with torch.no_grad():
            found: Array = self._forward(images, train).numpy()
        return found

    def _forward(self, images: Array, train: bool) -> torch.Tensor:
        native = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        with self.around:
            if not train:
                self.native.train()  # empties what it has worked out from earlier weights and keeps
                self.native.eval()
                return _one(self.native(native))
            with moded(self.native, self.captured.predicting):
                return _one(self.native(native))

    def compile(self, optimizer: str, settings: Mapping[str, Any], loss: str) -> None:
        """SGD with momentum or AdamW, torch's own; `optimizer` and `loss` are what they are called in `Net`."""
        self.binary = loss == "binary_cross_entropy"
        tensors = [tensor for _, tensor in self.trainable.values()]
        if optimizer == "adamw":
            betas = settings["beta1"], settings["beta2"]
            decay, epsilon = settings["weight_decay"], settings["epsilon"]
            self.optimizer = torch.optim.AdamW(tensors, lr=0.0, betas=betas, eps=epsilon, weight_decay=decay)
        else:
            self.optimizer = torch.optim.SGD(tensors, lr=0.0, momentum=float(settings.get("momentum", 0.0)))
        self.count = 0

    def gradients(self, images: Array, labels: Array) -> StepResult:
        self.optimizer.zero_grad(set_to_none=True)
        with watched(self, self.native, self.captured.draws) as again:
            return self._gradients(images, labels, again)

    def _gradients(self, images: Array, labels: Array, again: Callable[[], None]) -> StepResult:
        logits = self._forward(images, True)
        target = torch.from_numpy(np.ascontiguousarray(labels))
        if self.binary:
            loss = F.binary_cross_entropy_with_logits(logits[:, 0], target.to(logits.dtype))
        else:
            loss = F.cross_entropy(logits, target)
        again()
        loss.backward()
        self.count = len(labels)
        return StepResult(float(loss.detach()) * len(labels), len(labels))

    def gradient_arrays(self) -> dict[str, Array]:
        found = {}
        for path, (name, tensor) in self.trainable.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
            found[path] = self.captured.layouts[name].to_canonical(gradient.numpy())
        return found

    def apply(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def arrays(self) -> dict[str, Array]:
        return {
            layout.path: layout.to_canonical(self.tensors[name].detach().numpy())
            for name, layout in self.captured.layouts.items()
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        with torch.no_grad():
            for name, layout in self.captured.layouts.items():
                if layout.path in arrays:
                    self.tensors[name].copy_(torch.from_numpy(layout.to_native(np.asarray(arrays[layout.path]))))

    def activations(self, images: Array) -> dict[str, Array]:
        """The outputs of modules by their paths in prediction, channels last; those that are called once."""
        return module_outputs(self.native, lambda: self.logits(images))

    def notes(self) -> list[str]:
        """What the reader of a comparison should know of the runs so far."""
        casts = "the source casts to fewer bits in its midst; that was left out where float64 is compared"
        return [*([casts] if self.lifted.casts else []), *faults(self.captured.graph, "torch")]

    def trainable_count(self) -> int:
        """How many numbers training changes."""
        return sum(p.numel() for p in self.native.parameters() if p.requires_grad)

    def parameter_count(self) -> int:
        """How many numbers its parameters have."""
        return sum(p.numel() for p in self.native.parameters())


def module_outputs(module: nn.Module, run: Callable[[], object]) -> dict[str, Array]:
    """The outputs of the modules that `run` calls once, by their paths, channels last."""
    found: dict[str, Array] = {}
    often: set[str] = set()

    def keep(path: str) -> Any:
        def hook(_: Any, __: Any, out: Any) -> None:
            if path in found:
                often.add(path)
            if isinstance(out, torch.Tensor):
                array = out.detach().numpy()
                found[path] = array.transpose(0, 2, 3, 1).copy() if array.ndim == 4 else array.copy()

        return hook

    handles = [part.register_forward_hook(keep(path)) for path, part in module.named_modules() if path]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return {path: array for path, array in found.items() if path not in often}


def _one(out: Any) -> torch.Tensor:
    if isinstance(out, torch.Tensor):
        return out
    first: torch.Tensor = out[0] if isinstance(out, tuple | list) else next(iter(out.values()))
    return first
