"""Small classifiers as a user writes them in plain torch, each with what captures have stumbled over."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

SIZE = (18, 14)


class Functional(nn.Module):
    """Functional calls, an uneven pad, a view in torch's order of features."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6, eps=1e-3, momentum=0.03)
        self.second = nn.Conv2d(6, 8, (3, 2), padding=(1, 0), bias=False)
        self.head = nn.Linear(8 * 9 * 3, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.first(F.pad(x, (0, 1, 1, 0)))), inplace=True)
        x = F.avg_pool2d(F.leaky_relu(self.second(x), 0.2), (1, 2))
        return self.head(x.view(x.size(0), -1))


class Shared(nn.Module):
    """A loop over a ModuleList, one module used twice, two names for one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1, groups=groups) for groups in (1, 2, 8))
        self.twin = nn.Conv2d(8, 8, 1)
        self.first, self.second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.second.weight = self.first.weight
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + F.silu(self.twin(F.gelu(block(x))))
        x = self.twin(F.max_pool2d(x, 3, 2, ceil_mode=True))
        return self.head(self.second(torch.tanh(self.first(x.mean((2, 3))))))


class InPlace(nn.Module):
    """Changes in place, also through a view, of values that are read again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        y = x.clone()
        y[:, 2:4].mul_(0.5)
        y[:, 0] = 1.0
        y.add_(x).clamp_(min=-1)
        y /= 3
        return self.head((y * x).amax((-2, -1)))


class Tokens(nn.Module):
    """A class token, learned positions, attention by hand and by torch, norms over the last axis."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 12, (6, 7), (6, 7))
        self.token = nn.Parameter(torch.randn(1, 1, 12))
        self.place = nn.Parameter(torch.randn(1, 7, 12))
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.scale, self.gates = nn.Parameter(torch.rand(12)), nn.Parameter(torch.rand(2))
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, 3, c // 3).permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * (c // 3) ** -0.5).softmax(-1)
        x = x + self.scale * (weights @ v).transpose(1, 2).reshape(b, n, c)
        first, second = self.gates.unbind()
        x = first * x + torch.sigmoid(second) * self.attention(x, x, x, need_weights=False)[0]
        return self.head(x[:, 0])


class Windows(nn.Module):
    """Windows with a shift and a table of relative places; a shuffle of channels; masks that are constants."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.table = nn.Parameter(torch.randn(6, 8))
        self.register_buffer("index", torch.randint(0, 6, (14, 14)))
        self.register_buffer("mask", torch.rand(9, 14, 1) > 0.3, persistent=False)
        self.mix = nn.Linear(14, 14)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b = x.shape[0]
        x = torch.roll(self.stem(x), (-1, 2), (2, 3)).permute(0, 2, 3, 1)
        x = x.view(b, 9, 2, 2, 7, 8).permute(0, 1, 3, 2, 4, 5).reshape(-1, 14, 8)
        bias = self.table[self.index.view(-1)].view(14, 14, 8).sum(-1)
        x = (x.transpose(1, 2) @ bias).transpose(1, 2)
        x = x.view(b, 18, 14, 8)[:, ::2] * self.mask
        x = self.mix(x.transpose(2, 3)).permute(0, 2, 1, 3)
        x = x.reshape(b, 2, 4, 9, 14).transpose(1, 2).reshape(b, 8, 9, 14)
        return self.head(x.std((2, 3)))


class Standardized(nn.Module):
    """Kernels that are computed, group norm, a trainable network fed by constants alone."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.gain = nn.Parameter(torch.rand(8, 1, 1, 1) + 0.5)
        self.norm = nn.GroupNorm(4, 8)
        self.bias = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 8))
        self.slope = nn.PReLU(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = self.kernel.reshape(1, 8, -1)
        kernel = F.batch_norm(flat, None, None, training=True, eps=1e-4).reshape_as(self.kernel)
        x = self.norm(F.conv2d(x, kernel * self.gain, stride=2))
        places = torch.stack(torch.meshgrid(torch.arange(8.0).to(x), torch.arange(6.0).to(x), indexing="ij"), -1)
        x = self.slope(x + self.bias(places).permute(2, 0, 1))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Auxiliary(nn.Module):
    """Two outputs in training; one weight that no forward pass reads."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop = nn.Conv2d(3, 6, 3, bias=False), nn.Dropout(0.3, inplace=True)
        self.norm, self.aux, self.head = nn.BatchNorm2d(6), nn.Linear(6, 5), nn.Linear(6, 5)
        self.idle = nn.Parameter(torch.randn(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        x = self.drop(F.hardswish(self.norm(self.conv(x))).mean((2, 3)))
        return (self.head(x), self.aux(x)) if self.training else self.head(x)


class Resized(nn.Module):
    """Interpolation, a transposed convolution, shuffled pixels, einsum with dots, local response normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 4, 4), nn.ConvTranspose2d(8, 4, 3, 2, 1, output_padding=1)
        self.mix = nn.Parameter(torch.randn(5, 4))
        self.response = nn.LocalResponseNorm(3, alpha=0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(self.down(x))
        y = F.interpolate(F.pixel_shuffle(torch.cat([x, -x, x.abs(), x * x], 1), 2), size=x.shape[2:], mode="bilinear")
        x = self.response(x + y[:, :4])
        return torch.einsum("...hw,...hw->...", x, torch.sigmoid(x)) @ self.mix.t()


class Regions(nn.Module):
    """A mask written region by region, results written into zeros, views that see each other change."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.bias = nn.Parameter(torch.randn(8))
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = x.new_zeros((18, 14))
        for count, rows in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
            mask[rows, 3:9] = count
        mask = (mask - mask.t()[:1].mean()).masked_fill(mask != 0, -1.5)
        bias = self.bias.clone()
        bias[2:4].zero_()
        x = self.stem(x) + bias.view(1, 8, 1, 1)
        first, second, turned = x[:, :5], x[:, 3:], x.permute(0, 2, 3, 1)
        turned[:, ::2, :, 4].mul_(0.5)
        first[:, -2:] += mask
        same = F.dropout(x, training=False)
        same.narrow(1, 6, 2).clamp_(min=-0.5)
        with torch.no_grad():
            ones = x.new_ones((x.shape[0], 8))
            ones.select(1, 3).fill_(0.25)
        both = x.new_zeros((x.shape[0], 16, 18, 14))
        both[:, :8] = x
        both[:, 9::2] = second[:, :4] * 2
        return self.head(
            (both[:, :8] + both[:, 8:] * turned.permute(0, 3, 1, 2)).mean((2, 3)) * ones + first.sum((1, 2, 3))[:, None]
        )


class Filters(nn.Module):
    """Buffers as kernels, alone and beside a bias that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("blur", torch.rand(3, 1, 3, 3))
        self.register_buffer("edges", torch.randn(6, 3, 3, 3))
        self.bias = nn.Parameter(torch.randn(6))
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.conv2d(F.conv2d(x, self.blur, padding=1, groups=3), self.edges, self.bias)
        return self.head(x.relu().mean((2, 3)).to(x.dtype))


class Recurrent(nn.Module):
    """Rows of an image read by LSTMs and GRUs: layers, both ways, with and without biases, the batch first or not."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.LSTM(42, 3, num_layers=2, batch_first=True, bidirectional=True)
        self.again = nn.LSTM(6, 4, bias=False)
        self.columns = nn.LSTM(3, 2, batch_first=True)
        self.gates = nn.GRU(6, 4, num_layers=2, bidirectional=True)
        self.bare = nn.GRU(8, 4, bias=False, batch_first=True)
        self.head = nn.Linear(4 + 6 + 3 + 2 + 4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps, (last, _) = self.rows(x.permute(0, 2, 1, 3).flatten(2))
        y, (end, _) = self.again(steps.transpose(0, 1))
        z = self.columns(x.permute(0, 3, 2, 1).flatten(0, 1))[0]  # a column is an image
        z = z.unflatten(0, (len(x), -1)).mean((1, 2))
        both, ends = self.gates(steps.transpose(0, 1))
        bare = self.bare(both.transpose(0, 1))[1][0] + ends[0] * ends[3]
        return self.head(torch.cat([y.mean(0) * end[0], steps[:, -1], last[-1], z, bare], 1))


class Roots(nn.Module):
    """Roots of what a ReLU shut, whose slope is infinite there: of it, of a multiple, of a sum; and of what is more."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.pool = nn.LPPool2d(2, 2)
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = self.pool(F.relu(x)) + F.relu(F.max_pool2d(x, 2)).sqrt() + (0.3 * F.relu(F.avg_pool2d(x, 2))).pow(0.4)
        return self.head(
            y.mean((2, 3)) + F.relu(x - 0.5).sum((2, 3)).pow(1 / 3) + (F.relu(x) + 1e-3).sqrt().mean((2, 3))
        )


class Conditions(nn.Module):
    """Conditions joined, triangles of scores, a weight worked out before each pass, a buffer that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 6, 3))
        self.register_buffer("valid", torch.rand(6, 1, 1) > 0.3)
        self.register_buffer("passes", torch.tensor(0))
        self.head = nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        x = self.stem(x)
        x = torch.where(((x > 0.1) & (x < 2) & self.valid) | (x < -0.5), 2 * x, 0.1 * x)
        t = x.flatten(2)
        scores = (t @ t.mT / 50).tril(1)
        return self.head((scores @ t).mean(2))


class Stopped(nn.Module):
    """Gradients that stop: a target that isn't trained, gates worked out under no_grad, a frozen view of a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate, self.head = nn.Conv2d(3, 6, 3), nn.Linear(6, 6), nn.Linear(6, 5)
        self.shift = nn.Parameter(torch.randn(6, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x) + self.shift
        with torch.no_grad():
            top = x.amax((2, 3), keepdim=True)
            gate = self.gate(x.mean((2, 3)) * self.shift.detach().flatten())
        x = (x / (top.abs() + 1)).relu().mean((2, 3))
        return self.head(x * gate.sigmoid() + x.detach() ** 2)


NETS = (
    Functional,
    Shared,
    InPlace,
    Tokens,
    Windows,
    Standardized,
    Auxiliary,
    Resized,
    Regions,
    Recurrent,
    Roots,
    Filters,
    Conditions,
    Stopped,
)
