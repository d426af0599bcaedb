"""The modules that torch lacks: what other libraries do, said in torch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with Keras's biased running variance, or with statistics that stay frozen in training.

    Takes any rank from 2. torch keeps the unbiased batch variance v n / (n - 1); Keras keeps v.
    """

    def __init__(
        self,
        channels: int,
        epsilon: float,
        momentum: float,
        affine: bool | Literal["scale", "offset"],
        *,
        variance: str = "unbiased",
        statistics: str = "batch",
    ) -> None:
        super().__init__(channels, epsilon, momentum, bool(affine))
        if affine == "offset":
            self.register_parameter("weight", None)
        elif affine == "scale":
            self.register_parameter("bias", None)
        self.variance, self.statistics = variance, statistics

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2 dimensions, got {input.dim()}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.statistics == "frozen":
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        if self.variance == "unbiased":
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        if x.numel() == x.shape[1]:
            return self._one_cell(x)
        mean, variance = self.running_mean.clone(), self.running_var.clone()  # autograd keeps what it is given
        y = F.batch_norm(x, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)
        n = x.numel() // x.shape[1]
        with torch.no_grad():
            batch = (variance - (1 - self.momentum) * self.running_var) * ((n - 1) / n)
            self.running_var.mul_(1 - self.momentum).add_(batch)
            self.running_mean.copy_(mean)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return y

    def _one_cell(self, x: torch.Tensor) -> torch.Tensor:
        """One value for each channel: its variance is 0 and the result the offset, where torch refuses."""
        with torch.no_grad():
            self.running_mean.mul_(1 - self.momentum).add_(x.detach().flatten() * self.momentum)
            self.running_var.mul_(1 - self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        y = x - x  # mean and variance move with x: no gradient comes through
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        y = y if self.weight is None else y * self.weight.view(shape)
        return y if self.bias is None else y + self.bias.view(shape)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, variance={self.variance}, statistics={self.statistics}"


class DropPath(nn.Module):
    """Drops the whole value of an image with a probability in training, and scales the others up by 1 / (1 - rate)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.rate:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class SharedDropout(nn.Module):
    """Dropout with one draw for all values along some axes."""

    def __init__(self, rate: float, shared: tuple[int, ...]) -> None:
        super().__init__()
        self.rate, self.shared = rate, shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.rate:
            return x
        shape = [1 if axis in self.shared else size for axis, size in enumerate(x.shape)]
        return x * x.new_empty(shape).bernoulli_(1 - self.rate) / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate}, shared={self.shared}"


class Draw(nn.Module):
    """Random numbers of a value's shape, with size 1 along shared axes; in prediction their middle, or 1 of a mask."""

    def __init__(self, kind: str, rate: float, shared: tuple[int, ...]) -> None:
        super().__init__()
        self.kind, self.rate, self.shared = kind, rate, shared

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        new = x.new_empty([1 if axis in self.shared else size for axis, size in enumerate(x.shape)])
        if not self.training:
            return new.fill_({"bernoulli": 1.0, "uniform": 0.5}.get(self.kind, 0.0))
        if self.kind == "bernoulli":
            return new.bernoulli_(1 - self.rate)
        return new.uniform_() if self.kind == "uniform" else new.normal_()

    def extra_repr(self) -> str:
        return f"{self.kind}, rate={self.rate}, shared={self.shared}"


class InTraining(nn.Module):
    """The first value in training, the second in prediction."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x if self.training else y


class Normalization(nn.Module):
    """Each channel less a known mean, over a known deviation of at least epsilon; nothing is learned."""

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, channels: int | None, epsilon: float, axis: int) -> None:
        super().__init__()
        self.epsilon, self.axis = epsilon, axis
        size = () if channels is None else (channels,)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = [1] * x.dim() if not self.mean.dim() else [-1 if a == self.axis else 1 for a in range(x.dim())]
        deviation = self.variance.sqrt().clamp(min=self.epsilon)
        return (x - self.mean.reshape(shape)) / deviation.reshape(shape)

    def extra_repr(self) -> str:
        return f"epsilon={self.epsilon}, axis={self.axis}"


class AvgPool2d(nn.Module):
    """Average pooling, an uneven pad (top, bottom, left, right) or TensorFlow's "same"; padding counts or doesn't.

    `beyond` (bottom, right) are cells more that never count; a `divisor` takes the place of all counting.
    """

    def __init__(
        self,
        window: tuple[int, int],
        stride: tuple[int, int],
        pad: Literal["same"] | tuple[int, int, int, int],
        count_include_pad: bool,
        beyond: tuple[int, int] = (0, 0),
        divisor: int | None = None,
    ) -> None:
        super().__init__()
        self.window, self.stride, self.pad, self.count_include_pad = window, stride, pad, count_include_pad
        self.beyond, self.divisor = beyond, divisor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sides, more = self._sides(x), (0, self.beyond[1], 0, self.beyond[0])
        reached = F.pad(F.pad(x, sides), more)
        y = F.avg_pool2d(reached, self.window, self.stride, divisor_override=self.divisor)
        if self.divisor or (self.count_include_pad and not any(self.beyond)):
            return y
        inside = F.pad(x.new_ones((1, 1, x.shape[2], x.shape[3])), sides, value=float(self.count_include_pad))
        return y / F.avg_pool2d(F.pad(inside, more), self.window, self.stride)

    def _sides(self, x: torch.Tensor) -> list[int]:
        if self.pad != "same":
            top, bottom, left, right = self.pad
            return [left, right, top, bottom]
        sides = []
        for size, span, step in zip(reversed(x.shape[2:]), reversed(self.window), reversed(self.stride), strict=True):
            total = max((-(-size // step) - 1) * step + span - size, 0)
            sides += [total // 2, total - total // 2]
        return sides

    def extra_repr(self) -> str:
        counts = f"count_include_pad={self.count_include_pad}"
        more = f"beyond={self.beyond}, divisor={self.divisor}"
        return f"window={self.window}, stride={self.stride}, pad={self.pad}, {counts}, {more}"


class Attention(nn.Module):
    """Scaled dot-product attention that drops weights in training only: the function itself doesn't know eval()."""

    def __init__(self, scale: float | None, rate: float, causal: bool) -> None:
        super().__init__()
        self.scale, self.rate, self.causal = scale, rate, causal

    def forward(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        rate = self.rate if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, mask, rate, self.causal, scale=self.scale)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, rate={self.rate}, causal={self.causal}"


class SingleBiasLSTM(nn.LSTM):
    """Long short-term memory with one of torch's two biases; the other stays 0, as Keras's has none.

    Args:
        recurrent: whether it is the state's bias that is there, and not the input's.
    """

    def __init__(self, features: int, units: int, recurrent: bool) -> None:
        super().__init__(features, units, batch_first=True)
        nothing = "bias_ih_l0" if recurrent else "bias_hh_l0"
        del self._parameters[nothing]
        self.register_buffer(nothing, torch.zeros(4 * units), persistent=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # type: ignore[override]
        state = x.new_zeros((1, x.shape[0], self.hidden_size))
        weights = [self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0]
        return torch._VF.lstm(x, (state, state), weights, True, 1, 0.0, self.training, False, True)  # type: ignore[no-any-return]


class JoinedBiasGRU(nn.GRU):
    """A gated recurrent unit whose biases, for the input and for the state, are one weight of two rows, as Keras's."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__(features, units, bias=False, batch_first=True)
        self.biases = nn.Parameter(torch.zeros(2, 3 * units))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        state = x.new_zeros((1, x.shape[0], self.hidden_size))
        weights = [self.weight_ih_l0, self.weight_hh_l0, *self.biases.unbind()]
        return torch._VF.gru(x, state, weights, True, 1, 0.0, self.training, False, True)  # type: ignore[no-any-return]


class ActivityPenalty(nn.Module):
    """Gives x, and keeps l1 sum |x| + l2 sum x^2 of the last training pass, divided by the size of x's first axis."""

    def __init__(self, l1: float, l2: float) -> None:
        super().__init__()
        self.l1, self.l2 = l1, l2
        self.loss: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.loss = l1_l2(x, self.l1, self.l2) / (max(x.shape[0], 1) if x.dim() else 1)
        return x

    def extra_repr(self) -> str:
        return f"l1={self.l1}, l2={self.l2}"

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "loss": None}  # it hangs on a pass, which can't be copied


def l1_l2(x: torch.Tensor, l1: float, l2: float) -> torch.Tensor:
    """l1 sum |x| + l2 sum x^2; of 16 bits in float32."""
    x = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    found = l1 * x.abs().sum() if l1 else x.new_zeros(())
    return found + l2 * x.square().sum() if l2 else found
