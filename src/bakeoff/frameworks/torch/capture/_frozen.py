"""What a live net reads or changes beside its images: refused by name, before a trace takes it for a constant.

The net itself runs, a copy of it, from one torch seed and from other seeds of Python's and NumPy's generators, with its
weights and buffers put back before each pass. What it keeps from pass to pass is then found by name, and what isn't
found by name is noticed: two such passes have to agree bit for bit.
"""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Collection
from types import CodeType
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks._watch import Watch, changed, reads, state
from bakeoff.frameworks.torch.capture._export import WHOLE, Mode, dtype_of, moded, tensors

Marks = dict[str, str]
LIBRARY = os.path.dirname(torch.__file__)
INTERNAL = frozenset(vars(nn.Module())) - {"_forward_hooks", "_forward_pre_hooks"}
IMAGES = 2


class _FailsError(UnsupportedError):
    """The net's own pass came to an error."""


def check(model: nn.Module, size: tuple[int, int], channels: int, name: str, mode: Mode = WHOLE) -> list[str] | None:
    """The buffers and weights that a training pass changes, batch norm's apart; None where it can't train on these.

    Args:
        model: a copy, which nobody needs afterwards in its present state.
        size: (height, width).
        channels: of the image.
        name: for messages.
        mode: how it trains.

    Raises:
        UnsupportedError: what else a pass reads or changes, by name; or the prediction fails.
    """
    passes = _Passes(model, (channels, *size), name)
    passes.twice("eval")
    predicted = passes.mark
    try:
        passes.twice(mode)
    except _FailsError:  # auxiliary heads may need larger images
        return None
    moved = passes.moved(mode)
    passes.agree("eval", predicted, passes.run("eval", 3))
    return moved


class _Passes:
    """Passes of one net, all from the same weights and the same torch seed."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...], name: str) -> None:
        self.model, self.name = model, name
        self.mark = ""
        self.paths = {id(module): path for path, module in model.named_modules()}
        draw = torch.Generator().manual_seed(0)
        counts = (IMAGES, IMAGES + 1)
        self.images = [torch.rand((n, *shape), generator=draw).to(dtype_of(model)) for n in counts]
        self.trained: set[str] = set()  # weights that a training pass changes
        self.steps: dict[str, set[int]] = {}  # how long the sequences of recurrent layers are
        self.before = {key: tensor.detach().clone() for key, tensor in tensors(model).items()}
        self.weights = [key for key, tensor in tensors(model).items() if isinstance(tensor, nn.Parameter)]
        norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
        own = {id(buffer) for module in norms for buffer in module.buffers(recurse=False)}
        self.own = {key for key, tensor in tensors(model).items() if id(tensor) in own}
        self.watch = Watch(LIBRARY)
        self.start = self.state(())
        self.generators = {id(one): (one, one.get_state()) for one in self._values(torch.Generator)}

    def _values(self, kind: type) -> list[Any]:
        return [value for part in self.model.modules() for value in vars(part).values() if isinstance(value, kind)]

    def twice(self, mode: Mode) -> None:
        """Two passes on the same images, which have to be the same, and to leave the same behind."""
        self.mark = self.run(mode, 0)
        before = self.state()
        again = self.run(mode, 1)
        self._steady(before)
        self.agree(mode, self.mark, again)

    def moved(self, mode: Mode) -> list[str]:
        """The buffers that training on other images changes, and the weights that any training has changed."""
        before = _marks(self.model)
        self.run(mode, 2, other=True)
        for path, steps in self.steps.items():
            if len(steps) > 1:
                remedy = "Give it batch_first=True, or transpose its input."
                raise UnsupportedError(f"{self.name}: {path} takes the images of a batch for steps in time.\n{remedy}")
        buffers = set(changed(before, _marks(self.model))) - self.own
        return sorted(buffers | self.trained)

    def run(self, mode: Mode, seed: int, *, other: bool = False, found: Marks | None = None) -> str:
        """A mark of the output.

        Args:
            mode: of the modules.
            seed: of Python's and NumPy's generators.
            other: on other images, and from what the last pass has left.
            found: gets a mark of each module's output by its path.
        """

        def enters(module: nn.Module, given: Any) -> None:
            self.watch.look()
            path = self.paths.get(id(module), self.watch.running[-1])
            self.watch.running.append(path)
            if isinstance(module, nn.RNNBase) and given:
                self.steps.setdefault(path, set()).add(given[0].shape[int(module.batch_first)])

        def leaves(module: nn.Module, _: Any, out: Any) -> None:
            self.watch.look()
            path = self.watch.running.pop()
            if found is not None:
                found[path] = _mark(out)

        if not other:
            self._restore()
        torch.manual_seed(0)
        random.seed(seed)
        np.random.seed(seed)
        handles = (hooks.register_module_forward_pre_hook(enters), hooks.register_module_forward_hook(leaves))
        try:
            with moded(self.model, mode), torch.no_grad(), self.watch:
                mark = _mark(self.model(self.images[other]))
        except Exception as error:
            where = self.watch.running[-1] or "the model itself"
            raise _FailsError(_fails(self.name, where, self.images[0].shape, error)) from error
        finally:
            for handle in handles:
                handle.remove()
            self.watch.running[1:] = []
        for what, where in self.watch.asked.items():
            raise self._refused(f"{where} asks {what}", "Draw with torch: its draws are kept.")
        now = tensors(self.model)
        changes = [key for key in self.weights if not torch.equal(now[key], self.before[key])]
        if changes and mode == "eval":
            raise self._refused(f"prediction changes the weight {changes[0]}", "Leave weights to the optimizer.")
        self.trained.update(changes)
        return mark

    def _restore(self) -> None:
        for key, tensor in tensors(self.model).items():
            old = self.before.get(key, tensor)
            if tensor.shape != old.shape:  # what was put in its place
                owner, _, name = key.rpartition(".")
                setattr(self.model.get_submodule(owner), name, old.clone())
            elif not torch.equal(tensor, old):
                tensor.data.copy_(old)
        for generator, kept in self.generators.values():
            generator.set_state(kept)

    def state(self, codes: Collection[CodeType] | None = None) -> Marks:
        """What the modules, and the code that ran, keep beside weights and buffers."""
        roots: dict[str, Any] = {}
        for path, module in self.model.named_modules():
            named = {key: value for key, value in vars(module).items() if key not in INTERNAL}
            roots |= {f"{path}.{key}".lstrip("."): value for key, value in named.items()}
            for kind in type(module).__mro__:
                roots[kind.__qualname__] = kind
        return state(roots, self.watch.codes if codes is None else codes, self._leaf)

    def _leaf(self, value: Any) -> str | None:
        if isinstance(value, torch.Tensor):
            return _mark(value)
        return "" if id(value) in self.paths or isinstance(value, torch.Generator) else None

    def _steady(self, before: Marks) -> None:
        """Refuse what the pass has changed since, if anything reads it."""
        for key in changed(before, self.state()):
            if reads(self.watch.codes, key):
                why = f"{key} changes from pass to pass, and the pass reads it"
                raise self._refused(why, "Set it from outside of forward(), or keep it as a buffer that is added to.")

    def agree(self, mode: Mode, first: str, second: str) -> None:
        """Two passes from one seed have to be the same."""
        if first == second:
            return
        kept = [key for key in changed(self.start, self.state(())) if reads(self.watch.codes, key)]
        reason = f"it reads {', '.join(kept[:3])}" if kept else "what it keeps or draws can't be seen"
        sides: tuple[Marks, Marks] = {}, {}
        for seed, side in enumerate(sides):
            self.run(mode, seed, found=side)
        where = next((path for path in sides[0] if sides[0][path] != sides[1].get(path)), "")
        why = f"two passes from one torch seed differ, first in {where or 'the model itself'}: {reason}"
        raise self._refused(why, "Leave that out of forward().")

    def _refused(self, why: str, remedy: str) -> UnsupportedError:
        return UnsupportedError(f"{self.name}: {why}; a converted net would keep what it was at the capture.\n{remedy}")


def _fails(name: str, where: str, shape: torch.Size, error: Exception) -> str:
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    return (
        f"{name}: {where} fails on images of {tuple(shape)}: {type(error).__name__}: {first[:300]}\n"
        "Expected a net that takes (N, C, H, W) in training and in prediction; give its size with input_size."
    )


def _marks(model: nn.Module) -> Marks:
    return {key: _mark(tensor) for key, tensor in tensors(model).items()}


def _mark(value: Any) -> str:
    """Of all tensors in an output, their bits."""
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.is_meta:
            return str(value.layout)
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8) if value.numel() else value.detach()
        return f"{value.dtype}{tuple(value.shape)}{zlib.crc32(flat.numpy())}"
    if isinstance(value, dict):
        value = list(value.values())
    return " ".join(map(_mark, value)) if isinstance(value, list | tuple) else ""
