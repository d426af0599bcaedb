"""What a page of an optimizer holds, in this order; tests/optimizers and tests/frameworks run every page through it.

    heading       docstring: one line, Formula, Traps (library by library)
    Settings      a frozen dataclass; what stays the same over a phase (the rate doesn't: it comes with each step)
    SLOTS         {slot: (name in torch's state, name in Keras)}: what the optimizer keeps for each parameter
    start         (w) -> slots before the first step: zeros; as `read_slots` and `write_slots`, mostly by `kept(SLOTS)`
    truth         (w, g, slots, t, rate, settings) -> (new w, new slots): NumPy, in the dtype of w; t = 1, 2, ...
    to_torch      (torch, groups, settings) -> torch.optim.Optimizer: torch's own
    to_keras      (keras, groups, settings) -> keras.optimizers.Optimizer: the same formula in keras.ops, see
                  `_keras.py`
    read_slots    (library, optimizer, parameter) -> {slot: array}, in the native layout of the parameter
    write_slots   (library, optimizer, parameter, slots, step): the way back; `step` is how many steps were taken
    TOLERANCE     {dtype: of the largest |w|, after STEPS steps with the same gradients on both sides}, derived
    CASES         {what it shows: Settings}
    MUTATIONS     {setting: wrong value}: each must be noticed by a case
    SHOWN         {label of a trap in the heading: the cases that show it}, for docs/generate.py

Slots have the shape of their parameter, so a binding that moves a parameter between layouts moves its slots too. The
rate starts at 0 in every optimizer: `set_rate` before each step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from bakeoff.schemas import Array

STEPS = 20  # of the conformance runs
Slots = dict[str, Array]
Library = Literal["torch", "keras"]


@dataclass(frozen=True)
class Group:
    """Parameters that are treated alike.

    Attributes:
        parameters: native ones: torch.nn.Parameter, or keras.Variable.
        rate_factor: multiplies the rate (a smaller one for the backbone than for the head).
        decay: weight decay instead of the settings'; None leaves that (0 spares biases and scales).
    """

    parameters: tuple[Any, ...]
    rate_factor: float = 1.0
    decay: float | None = None


def rounding(dtype: str) -> float:
    """Of the largest |w| after STEPS steps: one ulp a step, for the subtraction from w.

    The step itself is a small part of w, so that its own few ulps don't count beside that one.
    """
    return float(STEPS * np.finfo(dtype).eps)


class Kept(NamedTuple):
    """`start`, `read_slots` and `write_slots` of a page."""

    start: Callable[[Array], Slots]
    read_slots: Callable[[Library, Any, Any], Slots]
    write_slots: Callable[[Library, Any, Any, Slots, int], None]


def kept(names: dict[str, tuple[str, str]], *, counts: bool = True) -> Kept:
    """What a page says of its slots, by their names.

    Args:
        counts: whether torch keeps the number of steps beside the slots (Adam does, SGD doesn't).
    """
    return Kept(
        lambda w: {slot: np.zeros_like(w) for slot in names}, partial(_read, names), partial(_write, names, counts)
    )


def set_rate(optimizer: Any, rate: float) -> None:
    """Set the rate of the next step, of a torch or a Keras optimizer; groups scale it by their factor."""
    if not hasattr(optimizer, "param_groups"):
        optimizer.rate.assign(rate)
        return
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]


def torch_groups(groups: tuple[Group, ...], decay: float) -> list[dict[str, Any]]:
    """Groups as torch takes them; an empty group is left out."""
    return [
        {
            "params": list(group.parameters),
            "rate_factor": group.rate_factor,
            "weight_decay": decay if group.decay is None else group.decay,
        }
        for group in groups
        if group.parameters
    ]


def torch_fused(groups: tuple[Group, ...]) -> bool | None:
    """Whether torch's fused kernels run: the same formula in one pass over memory; None leaves the choice to torch.

    Measured on CPU, one thread, milliseconds for a step of plain, foreach and fused: Adam on 10 parameters 0.27, 0.24,
    0.09; on 150 parameters 4.0, 3.8, 1.2; SGD with momentum on 150: 1.2, 0.9, 0.5.
    """
    parameters = [parameter for group in groups for parameter in group.parameters]
    return True if all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters) else None


def _read(names: dict[str, tuple[str, str]], library: Library, optimizer: Any, parameter: Any) -> Slots:
    """Copies of what the optimizer keeps for a parameter; zeros where it keeps nothing yet."""
    if library == "keras":
        return {slot: _numpy(variable.value) for slot, variable in optimizer.slots_of(parameter).items()}
    state = optimizer.state.get(parameter, {})
    held = {slot: state.get(torch_name) for slot, (torch_name, _) in names.items()}
    zero = np.zeros(tuple(parameter.shape), str(parameter.dtype).removeprefix("torch."))
    return {slot: zero.copy() if t is None else t.detach().cpu().numpy().copy() for slot, t in held.items()}


def _write(
    names: dict[str, tuple[str, str]],
    counts: bool,
    library: Library,
    optimizer: Any,
    parameter: Any,
    slots: Slots,
    step: int,
) -> None:
    """Put slots in, and the number of steps that were taken; in Keras that number is one for all parameters."""
    if library == "keras":
        for slot, variable in optimizer.slots_of(parameter).items():
            variable.assign(slots[slot])
        optimizer.iterations.assign(step)
        return
    make = parameter.detach().new_tensor
    # In the parameter's own strides: fused kernels run over memory, and a wide convolution's is channels last.
    state = {torch_name: parameter.detach().clone().copy_(make(slots[slot])) for slot, (torch_name, _) in names.items()}
    if counts:
        state["step"] = make(0.0).float().fill_(step)
    optimizer.state[parameter] = state


def _numpy(value: Any) -> Array:
    """A copy of a TensorFlow or JAX array."""
    return np.array(value.numpy() if hasattr(value, "numpy") else value)
