"""Less than the net's precision, left out where mathematics is compared: casts, and numbers within torch's kernels.

Some nets say `q.float()` in their midst, so that a run in 16 bits works out attention in 32. In a run in float64 the
same words throw half of the digits away, and two frameworks that agree to 1e-15 would seem 1e-7 apart. In float32,
where the function itself is compared, the words stand as they are. Kernels that take a number in float32 though all is
float64 are written out here: their pages say which (`FAULTS`), and how far off they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

CASTS = frozenset((torch.Tensor.float, torch.Tensor.half, torch.Tensor.bfloat16, torch.Tensor.to, torch.Tensor.type,
                   torch.Tensor.type_as))  # fmt: skip

# Exactly, or by what comes next.
FILLED = frozenset((torch.rand, torch.randn, torch.empty, torch.full, torch.ones, torch.zeros))


def _hardsigmoid(input: torch.Tensor, inplace: bool = False) -> torch.Tensor:
    y = F.relu6(input + 3) / 6
    return input.copy_(y) if inplace else y


def _celu(input: torch.Tensor, alpha: float = 1.0, inplace: bool = False) -> torch.Tensor:
    below = alpha * torch.expm1(input.masked_fill(input > 0, 0) / alpha)
    y = torch.where(input > 0, input, below)
    return input.copy_(y) if inplace else y


EXACT: dict[Any, Any] = {F.hardsigmoid: _hardsigmoid, F.celu: _celu, torch.celu: _celu}


class Lifted(TorchFunctionMode):  # type: ignore[misc]  # torch.overrides has no types
    """Inside it, what is float64 stays float64, and what is made of whole numbers or of nothing is float64, too.

    So positions by `cumsum(dtype=torch.float32)`, `torch.arange(n, dtype=torch.float32)` or `torch.linspace` are worked
    on as the graph works on them.

    Attributes:
        casts: how many casts were left out so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.casts = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in EXACT and _double(args[0]):
            return EXACT[func](*args, **kwargs)
        if func in FILLED and (kwargs.get("dtype") is None or _narrow(kwargs["dtype"])):  # a mask, to be scaled
            kwargs["dtype"] = torch.float64
        if not args or not _double(args[0]):
            out = func(*args, **kwargs)
            made = isinstance(out, torch.Tensor) and _narrow(out.dtype) and "out" not in kwargs
            return out.double() if made and not any(map(_floating, [*_flat(args), *kwargs.values()])) else out
        if func not in CASTS and _narrow(kwargs.get("dtype")):  # softmax(x, dim, dtype=torch.float32), and sums
            self.casts += 1
            kwargs["dtype"] = torch.float64
        out = func(*args, **kwargs)
        if func in CASTS and isinstance(out, torch.Tensor) and _narrow(out.dtype):
            self.casts += 1
            return args[0]
        return out


def _flat(args: Any) -> list[Any]:
    return [one for arg in args for one in (arg if isinstance(arg, list | tuple) else [arg])]


def _floating(given: Any) -> bool:
    return isinstance(given, torch.Tensor) and (given.is_floating_point() or given.is_complex())


def _double(given: Any) -> bool:
    return isinstance(given, torch.Tensor) and given.dtype == torch.float64


def _narrow(dtype: Any) -> bool:
    return dtype in (torch.float32, torch.float16, torch.bfloat16)
