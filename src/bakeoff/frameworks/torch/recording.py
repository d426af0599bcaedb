"""Records a PyTorch training script: hooks on modules, optimizers, loaders and losses, and nothing of it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import lr_scheduler, optimizer
from torch.utils.data import DataLoader, RandomSampler, SequentialSampler

from bakeoff.frameworks._recording import Recording, Step, Stop, Watch

LOSSES = ("cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
CLIPS = {"clip_grad_norm_": "all together", "clip_grad_value_": "each number"}


def record(script: Path, most: int) -> Recording:
    """What a script does in its first optimizer steps."""
    found = Recording(script, most)
    _Watch(found).install()
    found.run()
    found.end = found.end or _state(found.model)
    return found


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


class _Watch(Watch):
    """Hooks that fill a recording."""

    loader: Any = None
    backwards = 0

    def install(self) -> None:
        """Put the hooks in; the recording takes them out."""
        r = self.recording
        module = torch.nn.modules.module
        for handle in (
            module.register_module_forward_pre_hook(self._enter),
            module.register_module_forward_hook(self._leave, always_call=True),
            optimizer.register_optimizer_step_pre_hook(self._before),
            optimizer.register_optimizer_step_post_hook(self._after),
        ):
            r.stack.callback(handle.remove)
        r.patch(nn.Module, "__init__", self.layer)
        r.patch(optimizer.Optimizer, "__init__", self.optimizer)
        r.patch(lr_scheduler.LRScheduler, "__init__", self._schedule)
        r.patch(DataLoader, "__init__", self._loader)
        r.patch(DataLoader, "__iter__", self._iterated)
        r.patch(torch.Tensor, "backward", self._backward)
        r.patch(torch, "manual_seed", self.seed)
        for name, form in CLIPS.items():
            for home in (nn.utils, nn.utils.clip_grad):
                r.patch(home, name, partial(self._clip, form))
        for name in LOSSES:
            r.patch(nn.functional, name, self._loss)

    # what is made: its line

    def _schedule(self, original: Any, made: Any, *arguments: Any, **named: Any) -> None:
        self.recording.note(self.recording.here(), train__schedule=type(made).__name__)
        original(made, *arguments, **named)

    def _loader(self, original: Any, made: Any, *arguments: Any, **named: Any) -> None:
        original(made, *arguments, **{**named, "num_workers": 0, "prefetch_factor": None, "persistent_workers": False})
        self.places[id(made)] = self.recording.here()

    # what runs

    def _iterated(self, original: Any, loader: Any) -> Iterator[Any]:
        for number, batch in enumerate(original(loader)):
            if self.ends(id(loader), number):
                return
            self.batch, self.loader = batch, loader
            yield batch

    def _enter(self, module: Any, given: Any) -> None:
        self.depth += 1

    def _leave(self, module: Any, given: Any, output: Any) -> None:
        self.depth -= 1
        whole = not self.depth and isinstance(output, torch.Tensor) and given
        if not whole or not any(True for _ in module.parameters()):
            return
        if torch.is_grad_enabled() and output.requires_grad:
            self.forward = module, given[0], output
            modes = {each.training for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)}
            self.recording.note(train__mode="train" if module.training else "eval")
            if modes:
                self.recording.note(train__batch_norm="batch" if True in modes else "frozen")
        elif self.recording.steps and module is self.recording.model:
            self.recording.note(self.recording.here(), eval__mode="train" if module.training else "eval")
            self.recording.note(eval__labels="in order")
            self._evaluated()

    def _evaluated(self) -> None:
        loader = self.loader
        if loader is not None and id(loader) not in self.trained:
            self.recording.note(self.places.get(id(loader), ""), eval__drop_last=bool(loader.drop_last))

    def _loss(self, original: Any, given: Any, target: Any, *arguments: Any, **named: Any) -> Any:
        if torch.is_grad_enabled() and given.requires_grad:
            self.recording.labels = target.detach().clone()
            self.recording.places.setdefault("train.loss", self.recording.here())
            if named.get("label_smoothing"):
                self.recording.note(train__smoothing=float(named["label_smoothing"]))
        return original(given, target, *arguments, **named)

    def _clip(self, form: str, original: Any, parameters: Any, most: float, *arguments: Any, **named: Any) -> Any:
        self.recording.note(self.recording.here(), train__clip=float(most), train__clip_form=form)
        return original(parameters, most, *arguments, **named)

    def _backward(self, original: Any, tensor: Any, *arguments: Any, **named: Any) -> Any:
        r = self.recording
        if r.model is not None and r.steps and not self.backwards and not r.full:
            kept = any(p.grad is not None and bool(p.grad.any()) for p in r.model.parameters())
            r.note(r.here(), train__keeps_gradients=kept)
        self.backwards += 1
        r.loss = float(tensor.detach()) if tensor.numel() == 1 else float("nan")
        r.places.setdefault("train.loss", r.here())
        return original(tensor, *arguments, **named)

    # steps

    def _before(self, made: Any, arguments: Any, named: Any) -> None:
        r = self.recording
        if r.full:
            if self.loader is None or len(r.steps) > 2 * r.most:
                raise Stop
            return
        if self.forward is None:
            return
        module, images, output = self.forward
        if r.model is None:
            r.model, r.start = module, _state(module)
            self._settings(made, module)
            self._statistics(module)
        labels = self.labels()
        rate = float(made.param_groups[0]["lr"])
        r.steps.append(Step(_numpy(images), _numpy(output), None if labels is None else _numpy(labels), r.loss, rate))
        if self.loader is not None:
            self.trained.add(id(self.loader))

    def _statistics(self, module: Any) -> None:
        """Of a net that is new, 0 and 1: the first pass has moved them before the first step is seen."""
        for name, each in module.named_modules():
            norm = isinstance(each, nn.modules.batchnorm._BatchNorm) and each.num_batches_tracked is not None
            if norm and int(each.num_batches_tracked) == 1:
                prefix = f"{name}." if name else ""
                self.recording.start[f"{prefix}running_mean"].zero_()
                self.recording.start[f"{prefix}running_var"].fill_(1.0)

    def _after(self, made: Any, arguments: Any, named: Any) -> None:
        self.backwards = 0
        self.recording.labels = None
        if self.recording.full and self.recording.end is None and self.recording.model is not None:
            self.recording.end = _state(self.recording.model)
            if self.loader is None:
                raise Stop

    def _settings(self, made: Any, module: Any) -> None:
        r, group, place = self.recording, made.param_groups[0], self.places.get(id(made), "")
        name = type(made).__name__.lower()
        held = {id(p) for each in made.param_groups for p in each["params"]}
        for parameter in module.parameters():
            if id(parameter) not in held:
                parameter.requires_grad_(False)  # nothing trains it: so the capture says
        decayed = [p for each in made.param_groups if each.get("weight_decay") for p in each["params"]]
        plain = [p for each in made.param_groups for p in each["params"]]
        decay = max(float(each.get("weight_decay") or 0.0) for each in made.param_groups)
        wide = len(decayed) == len(plain) or any(p.ndim < 2 for p in decayed)
        betas = group.get("betas", (None, group.get("alpha")))
        r.trained(
            place,
            optimizer=name.removesuffix("w") if name == "adamw" else name,
            rate=float(group["lr"]),
            momentum=group.get("momentum"),
            nesterov=group.get("nesterov"),
            beta1=betas[0],
            beta2=betas[1],
            epsilon=group.get("eps"),
            epsilon_form="beside the root" if "eps" in group else None,
            momentum_form="without its rate" if group.get("momentum") else None,
            clip=0.0,
            decay=decay,
            decay_form=None if not decay else "decoupled" if name == "adamw" else "coupled",
            decay_scope=None if not decay else "all" if wide else "kernels",
        )
        r.note(train__keeps_gradients=False) if r.most == 1 else None
        if self.loader is not None:
            self._data(self.loader)

    def _data(self, loader: Any) -> None:
        place, sampler = self.places.get(id(loader), ""), loader.sampler
        kind = {RandomSampler: "images", SequentialSampler: "none"}.get(type(sampler), type(sampler).__name__)
        told = {"batch_size": loader.batch_size, "shuffle": kind, "drop_last": bool(loader.drop_last)}
        self.recording.trained(place, **told)


def _numpy(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().copy()
