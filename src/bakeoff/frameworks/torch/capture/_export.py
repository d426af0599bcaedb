"""torch.export of the live module, with a stand-in for the batch."""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn
from torch.utils import _pytree as pytree

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch.capture._values import Batch
from bakeoff.system import promised_memory

Mode = Literal["eval"] | frozenset[str]
WHOLE: Mode = frozenset()  # all of it trains
PRIMES = (10007, 10009, 10037, 10039, 10061, 10067, 10069, 10079)


def batch_for(model: nn.Module, size: tuple[int, int]) -> Batch:
    """A prime that divides no size of the module's tensors or images: its multiples in the program are the batch."""
    sizes = {number for tensor in tensors(model).values() for number in tensor.shape} | set(size)
    return Batch(next(prime for prime in PRIMES if all(number % prime or not number for number in sizes)))


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by all their names."""
    return dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))


def dtype_of(model: nn.Module) -> torch.dtype:
    """The precision of the weights."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


@contextmanager
def moded(model: nn.Module, mode: Mode) -> Iterator[None]:
    """The module in a mode, and afterwards as it was.

    Args:
        model: the live module.
        mode: "eval"; or the paths of the modules that predict while all others train.
    """
    before = {module: module.training for module in model.modules()}
    model.train()  # empties what some keep from one prediction to the next (LeViT's biases)
    model.train(mode != "eval")
    if mode != "eval":
        for path in mode:
            model.get_submodule(path).training = False
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def logits_of(out: Any) -> Any:
    """The logits of one of transformers' outputs (a dict with `to_tuple`); anything else as it is."""
    return out.get("logits", out) if isinstance(out, dict) and hasattr(out, "to_tuple") else out


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """The module gives its logits alone."""
    hook = model.register_forward_hook(lambda _, __, out: logits_of(out))
    try:
        yield
    finally:
        hook.remove()


def export(
    model: nn.Module, batch: Batch, size: tuple[int, int], channels: int, mode: Mode
) -> torch.export.ExportedProgram:
    """The program of a pass on images of that size.

    Raises:
        UnsupportedError: torch.export can't trace the model; its own words follow.
    """
    dtype = dtype_of(model)
    with untouched(model), moded(model, mode), answering(model), _quiet():
        images = virtual((batch.prime, channels, *size), dtype)
        try:
            return torch.export.export(model, (images,), strict=False)
        except Exception as error:
            raise UnsupportedError(_untraced(error, model)) from error


def outputs_of(program: torch.export.ExportedProgram) -> list[str]:
    """How each output is reached in what the net gives, as Python says it: ['logits'], [0], .logits; one alone: ''."""
    spec = program.call_spec.out_spec
    assert spec is not None
    places, _ = pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))
    return [pytree.keystr(path) for path, _ in places]


def virtual(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor that nothing reads or writes; on Linux it may be larger than the memory of the machine."""
    memory = promised_memory(math.prod(shape) * dtype.itemsize)
    if memory is None:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """What the modules keep beside parameters and buffers (caches, computed weights) is afterwards as it was.

    A trace leaves its own tensors there, which hold no numbers.
    """
    internal = frozenset(vars(nn.Module()))

    def own(module: nn.Module) -> dict[str, object]:
        return {name: value for name, value in vars(module).items() if name not in internal}

    before = {module: own(module) for module in model.modules()}
    kept = [value for attributes in before.values() for value in attributes.values()]
    inside = [(value, value.copy()) for value in kept if type(value) in (dict, list)]  # type: ignore[attr-defined]
    inside += [(module._buffers, module._buffers.copy()) for module in before]
    try:
        yield
    finally:
        for module, attributes in before.items():
            for name in own(module).keys() - attributes.keys():
                del vars(module)[name]
            vars(module).update(attributes)
        for value, copy in inside:
            value.clear()  # type: ignore[attr-defined]
            (value.update if isinstance(value, dict) else value.extend)(copy)  # type: ignore[attr-defined]


@contextmanager
def _quiet() -> Iterator[None]:
    """torch logs and warns of what is tried and may fail; the error says it again."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _untraced(error: Exception, model: nn.Module) -> str:
    batch = re.search(r"size\(\)\[0\] == (\d+)", str(error))
    if batch and "Guard failed" in str(error):
        return (
            f"{type(model).__name__}: it was exported for batches of {batch[1]} alone.\n"
            "Export it anew with dynamic_shapes=({0: torch.export.Dim('batch')},)."
        )
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return (
        f"{type(model).__name__}: torch.export can't trace its forward pass: {type(error).__name__}: {first[:300]}\n"
        "A net can be captured whose forward pass takes one image and doesn't branch on values."
    )
