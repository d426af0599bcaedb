"""Terms of the loss that live in a module: those of a net that was made here; others are refused by name.

torch knows no such terms. Modules keep them in an attribute (`self.aux_loss = ...`), for the training loop to add.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch._export.utils import _compiling_state_context
from torch._subclasses.fake_tensor import FakeTensorMode

from bakeoff.errors import UnsupportedError
from bakeoff.frameworks.torch.capture._export import WHOLE, _quiet, dtype_of, moded, tensors, untouched
from bakeoff.frameworks.torch.capture._layout import Layout
from bakeoff.frameworks.torch.layers import ActivityPenalty
from bakeoff.graph.graph import Graph, Penalty


def with_penalties(graph: Graph, model: nn.Module, layouts: Mapping[str, Layout]) -> Graph:
    """The graph with the terms on weights that a net made here states."""
    terms = getattr(model, "meta", {}).get("penalties", ())
    return replace(graph, penalties=tuple(Penalty(layouts[path].path, l1, l2) for path, l1, l2 in terms))


def refuse_kept_losses(model: nn.Module, size: tuple[int, int], channels: int, name: str) -> None:
    """One training pass without numbers; whatever that says of other matters is for others to say.

    Raises:
        UnsupportedError: an attribute then holds a number with a gradient that the output doesn't come from.
    """
    stated = next((path for path, part in model.named_modules() if isinstance(part, ActivityPenalty)), None)
    if stated is not None:
        raise UnsupportedError(
            f"{name}: {stated} is a term of its loss on what a layer gives, which can't be read off a module.\n"
            "Convert what the net was made of: the Keras model, the file or the run."
        )
    with (
        untouched(model),
        moded(model, WHOLE),
        _quiet(),
        _compiling_state_context(),  # so that no cache of a function keeps tensors without numbers (BEiT)
        FakeTensorMode(allow_non_fake_inputs=True) as mode,
    ):
        before = {(id(part), key): value for part in model.modules() for key, value in vars(part).items()}
        # each place once: of a module under two names functional_call would put back the tensor that it had put there
        places = (f"{path}.{key}".lstrip(".") for path, part in model.named_modules() for key in _held(part))
        state, images = tensors(model), torch.empty(2, channels, *size, dtype=dtype_of(model))
        state = {path: mode.from_tensor(state[path]) for path in places}
        try:
            out = torch.func.functional_call(model, state, images, tie_weights=False)
        except Exception:  # the export says why
            return
        roots = [tensor.grad_fn for tensor in torch.utils._pytree.tree_leaves(out) if isinstance(tensor, torch.Tensor)]
        for place, tensor in _kept(model, before):
            if tensor.grad_fn not in _reached(roots):
                raise UnsupportedError(
                    f"{name}: training keeps a term of the loss in {place}, beside the logits; nothing carries it.\n"
                    "Convert the module without it, and add the term to the loss in the training loop."
                )


def _held(module: nn.Module) -> list[str]:
    return [name for name, tensor in (module._parameters | module._buffers).items() if tensor is not None]


def _kept(model: nn.Module, before: Mapping[tuple[int, str], Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Numbers with a gradient in attributes that changed, or in what lies in them."""
    for path, part in model.named_modules():
        for key, value in vars(part).items():
            if isinstance(value, torch.Tensor) and before.get((id(part), key)) is value:
                continue
            if key not in ("_parameters", "_buffers", "_modules"):
                leaves = torch.utils._pytree.tree_leaves(value)
                found = (x for x in leaves if isinstance(x, torch.Tensor) and x.dim() == 0 and x.grad_fn is not None)
                yield from ((f"{path}.{key}".lstrip("."), x) for x in found)


def _reached(roots: list[Any]) -> set[Any]:
    """All steps of autograd behind these."""
    found: set[Any] = set()
    left = [root for root in roots if root is not None]
    while left:
        step = left.pop()
        if step not in found:
            found.add(step)
            left += [one for one, _ in step.next_functions if one is not None]
    return found
