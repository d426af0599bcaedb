"""Users' own PyTorch nets whose training draws something, or remembers something: as students and forums write them."""

from __future__ import annotations

import random

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as new_spectral_norm
from torch.nn.utils.parametrizations import weight_norm as new_weight_norm


class LeNetDropout(nn.Module):
    """The tutorial's net, with both ways to write dropout."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.drop2d = nn.Dropout2d()
        self.fc1 = nn.Linear(16 * 5 * 5, 60)
        self.fc2 = nn.Linear(60, 10)
        self.dropout = nn.Dropout(0.25)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop2d(self.conv2(x)), 2))
        x = x.view(-1, 16 * 5 * 5)
        x = F.dropout(F.relu(self.fc1(x)), training=self.training)
        return self.fc2(self.dropout(x))


class SelfNormalizing(nn.Module):
    """SELU with the dropout that belongs to it."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1),
            nn.SELU(),
            nn.AlphaDropout(0.1),
            nn.MaxPool2d(2),
            nn.FeatureAlphaDropout(0.2),
        )
        self.head = nn.Sequential(nn.Flatten(1), nn.LazyLinear(24), nn.SELU(), nn.AlphaDropout(0.3), nn.Linear(24, 5))
        self.head(self.features(torch.zeros(2, 3, 16, 16)))

    def forward(self, x):
        return self.head(self.features(x))


class RowsAsSignal(nn.Module):
    """Conv1d over the rows of an image, whole channels dropped."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(96, 24, 5, padding=2)
        self.drop = nn.Dropout1d(0.3)
        self.conv2 = nn.Conv1d(24, 16, 3, stride=2)
        self.bn = nn.BatchNorm1d(16)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.permute(0, 1, 3, 2).reshape(b, c * w, h)
        x = self.drop(F.relu(self.conv1(x)))
        x = F.relu(self.bn(self.conv2(x)))
        return self.fc(x.mean(-1))


class DropConnect(nn.Module):
    """Dropout on the weights of the classifier."""

    def __init__(self, p=0.4):
        super().__init__()
        self.conv = nn.Conv2d(3, 10, 3, stride=2, padding=1)
        self.fc1 = nn.Linear(10, 20)
        self.weight = nn.Parameter(torch.randn(6, 20) * 0.1)
        self.bias = nn.Parameter(torch.zeros(6))
        self.p = p

    def forward(self, x):
        x = F.relu(self.conv(x)).mean(dim=(2, 3))
        x = torch.tanh(self.fc1(x))
        return F.linear(x, F.dropout(self.weight, self.p, self.training), self.bias)


class SameMaskTwice(nn.Module):
    """Two branches that must lose the same channels."""

    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(3, 12, 3, padding=1)
        self.right = nn.Conv2d(3, 12, 1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(24, 7)

    def forward(self, x):
        a, b = F.relu(self.left(x)), F.relu(self.right(x))
        a, b = F.adaptive_avg_pool2d(a, 1).flatten(1), F.adaptive_avg_pool2d(b, 1).flatten(1)
        mask = self.drop(torch.ones_like(a))
        return self.fc(torch.cat([a * mask, b * mask], dim=1))


class LockedDropout(nn.Module):
    """Variational dropout (Gal): one mask for all steps of the sequence."""

    def __init__(self, dropout=0.5):
        super().__init__()
        self.dropout = dropout

    def forward(self, x):
        if not self.training or not self.dropout:
            return x
        mask = x.new_empty(x.size(0), 1, x.size(2)).bernoulli_(1 - self.dropout)
        mask = mask / (1 - self.dropout)
        return x * mask.expand_as(x)


class RowLSTM(nn.Module):
    """Reads an image row by row; dropout locked over time."""

    def __init__(self):
        super().__init__()
        self.locked = LockedDropout(0.4)
        self.lstm = nn.LSTM(16 * 3, 20, batch_first=True)
        self.fc = nn.Linear(20, 5)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1).flatten(2)
        out, _ = self.lstm(self.locked(x))
        return self.fc(self.locked(out)[:, -1])


def drop_path(x, drop_prob: float = 0.0, training: bool = False):
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    random_tensor = keep_prob + torch.rand(shape, dtype=x.dtype, device=x.device)
    random_tensor.floor_()
    return x.div(keep_prob) * random_tensor


class ConvNeXtLikeBlock(nn.Module):
    def __init__(self, dim, p):
        super().__init__()
        self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pwconv1 = nn.Linear(dim, 4 * dim)
        self.pwconv2 = nn.Linear(4 * dim, dim)
        self.gamma = nn.Parameter(1e-6 * torch.ones(dim))
        self.p = p

    def forward(self, x):
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(self.norm(y))))
        return x + drop_path(y.permute(0, 3, 1, 2), self.p, self.training)


class MiniConvNeXt(nn.Module):
    """Row-wise drop-path, written by hand as in half of the repositories."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 4, stride=4)
        rates = [r.item() for r in torch.linspace(0, 0.4, 3)]
        self.blocks = nn.Sequential(*[ConvNeXtLikeBlock(12, p) for p in rates])
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x)).mean([-2, -1])))


class StochasticDepthNet(nn.Module):
    """torchvision's stochastic depth, by batch and by row."""

    def __init__(self):
        super().__init__()
        from torchvision.ops import StochasticDepth

        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, momentum=0.01, eps=1e-3), nn.SiLU()
        )
        self.one = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.SiLU())
        self.batch_wise = StochasticDepth(0.5, "batch")
        self.row_wise = StochasticDepth(0.3, "row")
        self.classifier = nn.Linear(8, 6)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.batch_wise(self.one(x))
        x = x + self.row_wise(self.two(x))
        return self.classifier(x.mean((2, 3)))


class CoinResNet(nn.Module):
    """Stochastic depth with a coin of Python's."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        if not self.training or random.random() < 0.7:
            x = x + F.relu(self.conv2(x))
        return self.fc(x.mean((2, 3)))


class GaussianNoise(nn.Module):
    def __init__(self, sigma=0.1):
        super().__init__()
        self.sigma = sigma

    def forward(self, x):
        if self.training and self.sigma != 0:
            return x + torch.randn_like(x) * self.sigma
        return x


class NoisyNet(nn.Module):
    """Additive noise on the input and relative noise on a feature."""

    def __init__(self):
        super().__init__()
        self.noise = GaussianNoise(0.2)
        self.conv = nn.Conv2d(3, 10, 3, stride=2)
        self.bn = nn.BatchNorm2d(10)
        self.fc = nn.Linear(10, 3)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(self.noise(x))))
        x = x.mean((2, 3))
        if self.training:
            x = x * (1 + 0.1 * torch.randn_like(x))
        return self.fc(x)


class DropBlock(nn.Module):
    """Contiguous regions (Ghiasi et al.), as people copy it."""

    def __init__(self, p=0.1, size=3):
        super().__init__()
        self.p, self.size = p, size

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        gamma = self.p / self.size**2
        mask = (torch.rand(x.shape[0], *x.shape[2:], device=x.device, dtype=x.dtype) < gamma).to(x.dtype)
        block = F.max_pool2d(mask[:, None], self.size, stride=1, padding=self.size // 2)
        block = 1 - block
        return x * block * block.numel() / block.sum()


class DropBlockNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.drop = DropBlock()
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.act = nn.RReLU(0.1, 0.3)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.avg_pool2d(F.relu(self.conv1(x)), 2)
        x = self.act(self.conv2(self.drop(x)))
        return self.fc(x.mean((2, 3)))


class WeightNormNet(nn.Module):
    """Weight norm, the old one and the new one."""

    def __init__(self):
        super().__init__()
        self.conv = nn.utils.weight_norm(nn.Conv2d(3, 8, 3, stride=2))
        self.conv2 = new_weight_norm(nn.Conv2d(8, 8, 3, groups=8), dim=1)
        self.fc = new_weight_norm(nn.Linear(8, 5))
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return self.fc(self.drop(F.elu(self.conv2(F.elu(self.conv(x)))).amax((2, 3))))


class SpectralNormNet(nn.Module):
    """A critic with a class head: both spectral norms."""

    def __init__(self):
        super().__init__()
        self.conv = new_spectral_norm(nn.Conv2d(3, 8, 3, stride=2, padding=1))
        self.fc1 = nn.utils.spectral_norm(nn.Linear(8, 12))
        self.fc2 = nn.Linear(12, 4)

    def forward(self, x):
        x = F.leaky_relu(self.conv(x), 0.2).sum((2, 3))
        return self.fc2(F.leaky_relu(self.fc1(x), 0.2))


class CenteredFeatures(nn.Module):
    """Subtracts a moving average that training updates."""

    def __init__(self, decay=0.9):
        super().__init__()
        self.decay = decay
        self.conv = nn.Conv2d(3, 8, 3, 2)
        self.fc = nn.Linear(8, 4)
        self.register_buffer("center", torch.zeros(8))

    def forward(self, x):
        x = F.relu(self.conv(x)).mean((2, 3))
        if self.training:
            with torch.no_grad():
                self.center.mul_(self.decay).add_(x.mean(0), alpha=1 - self.decay)
        return self.fc(x - self.center)


class AnnealedTemperature(nn.Module):
    """The temperature falls with every training step; a plain Python counter."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(8, 4)
        self.steps = 0

    def forward(self, x):
        if self.training:
            self.steps += 1
        temperature = max(0.5, 2.0 - 0.25 * self.steps)
        return self.fc(self.features(x)) / temperature


NETS = {
    "lenet_dropout": (LeNetDropout, {"size": (32, 32), "fixed": True}),
    "selu_alpha_dropout": (SelfNormalizing, {"size": (16, 16), "fixed": True}),
    "dropout1d_rows": (RowsAsSignal, {"size": (32, 32), "fixed": True}),
    "drop_connect": (DropConnect, {}),
    "same_mask_twice": (SameMaskTwice, {}),
    "lstm_locked_dropout": (RowLSTM, {"size": (20, 16), "fixed": True}),
    "drop_path_by_hand": (MiniConvNeXt, {}),
    "stochastic_depth_batch": (StochasticDepthNet, {}),
    "python_coin": (CoinResNet, {}),
    "gaussian_noise": (NoisyNet, {}),
    "dropblock_rrelu": (DropBlockNet, {}),
    "weight_norm": (WeightNormNet, {}),
    "spectral_norm": (SpectralNormNet, {}),
    "ema_center": (CenteredFeatures, {}),
    "python_counter": (AnnealedTemperature, {}),
}
