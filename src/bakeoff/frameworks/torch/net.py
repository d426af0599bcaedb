"""A native torch net in training: logits, gradients of a micro-batch, apply."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from bakeoff import ops, optimizers
from bakeoff import precision as precisions
from bakeoff.frameworks import _loss_scale
from bakeoff.frameworks._slots import Slotted
from bakeoff.frameworks.torch.build import Built, build
from bakeoff.frameworks.torch.depthwise import widen_slow
from bakeoff.frameworks.torch.draws import watched
from bakeoff.frameworks.torch.feed import Feed
from bakeoff.frameworks.torch.halving_max_pool import halve_faster
from bakeoff.frameworks.torch.lifted import Lifted
from bakeoff.frameworks.torch.narrow import quicken
from bakeoff.graph.graph import Graph
from bakeoff.optimizers._page import Group
from bakeoff.preprocessing import Signature
from bakeoff.protocols import PLAIN, StepSettings
from bakeoff.schemas import Array, Drawn, StepResult
from bakeoff.seeds import key

WIDE = 16  # filters from which torch's CPU kernels are faster channels last; below it they are almost twice as slow


def _memory_format(module: torch.nn.Module) -> torch.memory_format:
    """Channels last for a net with a wide convolution (measured: lite0 and the CIFAR-10 net gain, MNIST's loses)."""
    widths = [layer.out_channels for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)]
    return torch.channels_last if max(widths, default=0) >= WIDE else torch.contiguous_format


class TorchNet(Slotted):
    """See `bakeoff.protocols.Net`."""

    library = "torch"

    def __init__(self, graph: Graph, device: str, precision: str, seed: int = 0) -> None:
        self.seed, self.batch = seed, 0
        self.noisy = any(node.draws for node in graph.nodes)
        mixed, self.dtype = precision in precisions.MIXED, precisions.of_weights(precision)
        self.half = getattr(torch, precision) if mixed else None
        self.around = Lifted() if precision == "float64" else nullcontext()
        self.scaling = dict(_loss_scale.FIRST) if precision == "float16" else {}
        self.built: Built = build(graph, self.dtype, mixed=mixed)
        self.device = torch.device(device)
        self.memory_format = _memory_format(self.built.module)
        self.native = self.built.module.to(self.device, memory_format=self.memory_format)
        if precision == "bfloat16" and self.device.type == "cpu":
            widen_slow(self.native)
        self.trainable = {
            path: self.built.tensor(self.built.bindings[path])
            for path, parameter in graph.parameters.items()
            if parameter.trainable and parameter.role == "weight" and path in self.built.bindings
        }
        self.moving = [
            self.built.tensor(self.built.bindings[path])
            for path, parameter in graph.parameters.items()
            if parameter.role == "state" and path in self.built.bindings
        ]
        self.penalized = bool(graph.penalties)
        self.given: Mapping[str, Array] | None = None
        self.drawn: dict[str, Drawn] = {}
        self.optimizer: Any = None
        self.count = 0
        self._compiled: Any = None

    def _forward(self, images: Array) -> torch.Tensor:
        """Logits in the dtype of the weights, of the compiled net where the batch has the size that it is for."""
        net = self._compiled_net() if len(images) == self.compile_batch and self.native.training else self.native
        x = self._images(images)
        if self.half is None:
            with self.around:
                found: torch.Tensor = net(x)
            return found
        with torch.autocast(self.device.type, dtype=self.half):
            found = net(x)
        return found.float()

    def _compiled_net(self) -> Any:
        if self._compiled is None:
            self._compiled = torch.compile(self.native, dynamic=False)  # its rounding must not depend on sizes before
        return self._compiled

    def feed(self, signature: Signature) -> Feed | None:
        return None if self.device.type == "cpu" else Feed(self.device, signature, self.dtype)

    def _images(self, images: Array | torch.Tensor) -> torch.Tensor:
        """(N, H, W, C) to (N, C, H, W): a view where memory stays channels last, else one copy of the images."""
        given = images if isinstance(images, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(images))
        given = given.to(self.device, non_blocking=True)
        if given.ndim != 4:  # features
            return given
        moved = given.permute(0, 3, 1, 2)
        if self.memory_format == torch.channels_last:
            return moved
        first = torch.empty(moved.shape, dtype=moved.dtype, device=self.device)  # its strides, too, are channels first
        return first.copy_(moved)

    def logits(self, images: Array, *, train: bool = False) -> Array:
        self.native.train(train)
        with torch.inference_mode():
            found: Array = self._forward(images).cpu().numpy()
        return found

    def compile(self, optimizer: str, settings: Mapping[str, Any], loss: str, step: StepSettings = PLAIN) -> None:
        self.page, self.loss_page = optimizers.page(optimizer), ops.page(loss)
        alike: dict[tuple[float, float | None], list[torch.Tensor]] = {}
        for path, tensor in self.trainable.items():
            alike.setdefault(step.of(path), []).append(tensor)
        groups = [Group(tuple(tensors), factor, decay) for (factor, decay), tensors in alike.items()]
        self.optimizer = self.page.to_torch(torch, groups, self.page.Settings(**settings))
        self.loss_attributes = self.loss_page.Attributes(**step.loss)
        self.clip, self.count = step.clip, 0
        if self.memory_format == torch.contiguous_format:  # what isn't trained here has torch's own layers
            halve_faster(self.native)
            if torch.get_num_threads() == 1:  # with more, `compare` sees by torch's own what another order of sums does
                quicken(self.native)

    def _clip_gradients(self) -> None:
        """Scale all gradients by clip / max(norm, clip), the norm being that of all together."""
        if self.clip is None:
            return
        gradients = self._gradients()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, self.clip / norm.clamp(min=self.clip))

    def _draw(self) -> None:
        """Masks are a function of (seed, batch): the same after a resume."""
        if self.noisy:
            torch.manual_seed(key(self.seed, "noise", record=self.batch) % 2**63)
        self.batch += 1

    def _losses(self, images: Array, labels: Array) -> torch.Tensor:
        self._draw()
        target = torch.from_numpy(np.ascontiguousarray(labels)).to(self.device, non_blocking=True)  # no step waits
        losses: torch.Tensor = self.loss_page.to_torch(torch, self.loss_attributes, self._forward(images), target)
        return losses

    def _with_own(self, loss: torch.Tensor, count: int) -> torch.Tensor:
        """The loss of so many images, each of which has the model's own terms."""
        return loss + count * self.native.penalty() if self.penalized else loss

    def gradients(self, images: Array, labels: Array) -> StepResult:
        self.native.train(True)
        if self.count == 0:
            self.optimizer.zero_grad(set_to_none=True)
        with watched(self, self.native, self.built.draws):
            loss = self._with_own(self._losses(images, labels).sum(), len(labels))
        self._backward(loss)
        self.count += len(labels)
        return StepResult(float(loss.detach()), len(labels))

    def gradient_arrays(self) -> dict[str, Array]:
        found = {}
        for path, tensor in self.trainable.items():
            gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad / (self.count * self._scale)
            found[path] = self.built.bindings[path].to_canonical(gradient.cpu().numpy())
        return found

    def disturb(self, errors: Mapping[str, Array]) -> None:
        for path, array in errors.items():
            tensor = self.trainable[path]
            if tensor.grad is not None:
                native = torch.from_numpy(self.built.bindings[path].to_native(array)).to(tensor.grad)
                tensor.grad.add_(native, alpha=self.count * self._scale)

    def sums(self) -> list[Array]:
        tensors = self.trainable.values()
        return [(torch.zeros_like(t) if t.grad is None else t.grad).cpu().numpy() for t in tensors]

    def load_sums(self, sums: list[Array], count: int) -> None:
        for tensor, array in zip(self.trainable.values(), sums, strict=True):
            given = torch.from_numpy(array).to(tensor.device)
            if tensor.grad is None:
                tensor.grad = torch.empty_like(tensor)
            tensor.grad.copy_(given)
        self.count = count

    def statistics(self) -> list[Array]:
        return [tensor.cpu().numpy().copy() for tensor in self.moving]

    def load_statistics(self, arrays: list[Array]) -> None:
        with torch.no_grad():
            for tensor, array in zip(self.moving, arrays, strict=True):
                tensor.copy_(torch.from_numpy(array))

    def apply(self, rate: float) -> None:
        torch._foreach_div_(self._gradients(), self.count)
        self._step(rate)
        self.count = 0

    def _gradients(self) -> list[torch.Tensor]:
        return [tensor.grad for tensor in self.trainable.values() if tensor.grad is not None]

    @property
    def _scale(self) -> float:
        return float(self.scaling.get("scale", 1.0))

    def _backward(self, loss: torch.Tensor) -> None:
        (loss * self._scale if self.scaling else loss).backward()

    def _unscaled(self) -> bool:
        """Take the scale of the loss off the gradients, and settle the next one; whether they are to be used."""
        gradients = self._gradients()
        torch._foreach_div_(gradients, self._scale)
        finite = bool(torch.isfinite(torch.stack(torch._foreach_norm(gradients, float("inf")))).all())  # one look
        self.scaling = {k: float(v) for k, v in _loss_scale.after(np, self.scaling, finite).items()}
        return finite

    def _step(self, rate: float) -> None:
        if self.scaling and not self._unscaled():
            return
        self._clip_gradients()
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        self.optimizer.step()

    def steps(self, images: list[Array], labels: list[Array], rates: list[float]) -> Array:
        self.native.train(True)
        losses = []
        for x, y, rate in zip(images, labels, rates, strict=True):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self._with_own(self._losses(x, y).mean(), 1)
            self._backward(loss)
            self._step(rate)
            losses.append(loss.detach())
        found: Array = torch.stack(losses).double().cpu().numpy()
        return found

    def seek(self, batch: int) -> None:
        self.batch = batch
