"""Users' own PyTorch nets that attend, branch, pool, tie and share: as students and forums write them."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


class MiniViT(nn.Module):
    """Class token, learned positions that are interpolated, MultiheadAttention with dropout."""

    def __init__(self, dim=24, heads=3, depth=2, classes=5):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos = nn.Parameter(torch.randn(1, 17, dim) * 0.02)
        self.drop = nn.Dropout(0.1)
        self.norms1 = nn.ModuleList([nn.LayerNorm(dim) for _ in range(depth)])
        self.attns = nn.ModuleList(
            [nn.MultiheadAttention(dim, heads, dropout=0.2, batch_first=True) for _ in range(depth)]
        )
        self.norms2 = nn.ModuleList([nn.LayerNorm(dim) for _ in range(depth)])
        self.mlps = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(dim, 40), nn.GELU(), nn.Dropout(0.1), nn.Linear(40, dim), nn.Dropout(0.1))
                for _ in range(depth)
            ]
        )
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.drop(x + self.pos)
        for norm1, attn, norm2, mlp in zip(self.norms1, self.attns, self.norms2, self.mlps, strict=True):
            y = norm1(x)
            x = x + attn(y, y, y, need_weights=False)[0]
            x = x + mlp(norm2(x))
        return self.head(x[:, 0])


class EncoderNet(nn.Module):
    """nn.TransformerEncoder over patches, positions from an embedding."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, activation="gelu", batch_first=True)
        self.proj = nn.Linear(3 * 8 * 8, 16)
        self.pos = nn.Embedding(16, 16)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = F.unfold(x, 8, stride=8).transpose(1, 2)
        x = self.proj(x) + self.pos(torch.arange(x.size(1), device=x.device))
        return self.fc(self.encoder(x).mean(1))


class OwnAttention(nn.Module):
    """qkv in one layer, scaled_dot_product_attention with dropout in training only."""

    def __init__(self, dim=18, heads=3):
        super().__init__()
        self.stem = nn.Conv2d(3, dim, 8, 8)
        self.heads, self.p = heads, 0.25
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.fc = nn.Linear(dim, 5)

    def forward(self, x):
        x = self.stem(x).flatten(2).mT
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.p if self.training else 0.0)
        x = x + self.proj(y.transpose(1, 2).reshape(b, n, d))
        return self.fc(x.mean(1))


class BidirectionalRows(nn.Module):
    """Two-layer bidirectional LSTM with dropout between the layers."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(14 * 3, 12, num_layers=2, bidirectional=True, batch_first=True, dropout=0.3)
        self.fc = nn.Linear(24, 4)

    def forward(self, x):
        b, c, h, w = x.shape
        out, (hidden, _) = self.rnn(x.permute(0, 2, 1, 3).reshape(b, h, c * w))
        return self.fc(torch.cat([hidden[-2], hidden[-1]], dim=1) + out.mean(1))


class SqueezeExcite(nn.Module):
    """Inverted residual with squeeze-excite and hard activations; momenta as in Keras's ports."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv2d(3, 16, 1, bias=False), nn.BatchNorm2d(16, eps=1e-3, momentum=0.03), nn.Hardswish()
        )
        self.depth = nn.Sequential(
            nn.Conv2d(16, 16, 5, 2, 2, groups=16, bias=False), nn.BatchNorm2d(16, momentum=0.01), nn.Hardswish()
        )
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.excite = nn.Conv2d(4, 16, 1)
        self.project = nn.Sequential(nn.Conv2d(16, 8, 1, bias=False), nn.BatchNorm2d(8, affine=False))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.depth(self.expand(x))
        s = F.adaptive_avg_pool2d(x, 1)
        x = x * F.hardsigmoid(self.excite(F.relu6(self.squeeze(s))))
        return self.fc(self.project(x).mean((2, 3)))


class MixtureOfExperts(nn.Module):
    """Soft gate over experts, a Python loop over modules."""

    def __init__(self, experts=3):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.experts = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(8, 8, 3, padding=i, dilation=i), nn.ReLU()) for i in range(1, experts + 1)]
        )
        self.gate = nn.Linear(8, experts)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.stem(x)
        weights = F.softmax(self.gate(x.mean((2, 3))), dim=-1)
        out = 0
        for i, expert in enumerate(self.experts):
            out = out + weights[:, i].view(-1, 1, 1, 1) * expert(x)
        top = weights.topk(1, dim=-1).values
        return self.fc(out.mean((2, 3))) * top


class BranchOnSize(nn.Module):
    """Large pictures are halved first; wide ones are read on their side."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        if x.shape[-1] > 64:
            x = F.avg_pool2d(x, 2)
        if x.shape[-1] > x.shape[-2]:
            x = x.transpose(-1, -2)
        return self.fc(F.relu(self.conv(x)).mean((2, 3)))


class BranchOnBatch(nn.Module):
    """Centres features over the batch, unless there is one picture only."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = F.relu(self.conv(x)).mean((2, 3))
        if x.size(0) > 2:
            x = x - 0.5 * x.mean(0, keepdim=True)
        return self.fc(x)


class FlipAtTest(nn.Module):
    """Averages with the mirrored picture in prediction alone."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(8, 4, 3)
        )

    def forward(self, x):
        y = self.net(x).mean((2, 3))
        if not self.training:
            y = (y + self.net(x.flip(-1)).mean((2, 3))) / 2
        return y


class SharedLayers(nn.Module):
    """One convolution, one norm, one dropout, each called several times; a tied weight."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.2)
        self.down = nn.Linear(8, 8)
        self.up = nn.Linear(8, 8)
        self.up.weight = self.down.weight
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = self.drop(F.relu(self.bn(self.conv(x)))) + x
        x = x.mean((2, 3))
        return self.fc(x + self.up(self.drop(torch.relu(self.down(x)))))


class MaxMinAbsClamp(nn.Module):
    """Maxout, CReLU, clamps and absolute values: all that has ties."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.b = nn.Conv2d(3, 8, 3, padding=1)
        self.c = nn.Conv2d(16, 8, 3)
        self.scale = nn.Parameter(torch.ones(1, 8, 1, 1))
        self.fc = nn.Linear(16, 4)

    def forward(self, x):
        x = x.clamp(0, 1)
        a, b = self.a(x), self.b(x)
        x = torch.cat([torch.maximum(a, b), torch.min(F.relu(a), F.relu(b))], 1)
        x = self.c(x)
        x = torch.cat([F.relu(x), F.relu(-x)], 1).abs()
        x = x[:, :8] * self.scale.clamp(min=0.0, max=1.0) + F.relu6(x[:, 8:]) + F.hardtanh(x[:, 8:])
        peak = x.flatten(2).max(dim=2).values
        return self.fc(torch.cat([peak, x.amin((2, 3))], 1))


class PoolingZoo(nn.Module):
    """GeM with a learned power, lp, ceil mode, uncounted padding, adaptive max beside adaptive average."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.max = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.avg = nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)
        self.lp = nn.LPPool2d(2, 2)
        self.p = nn.Parameter(torch.ones(1) * 3)
        self.fc = nn.Linear(24, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = self.lp(self.avg(self.max(x)))
        gem = x.clamp(min=1e-6).pow(self.p).mean((-2, -1)).pow(1.0 / self.p)
        both = torch.cat([F.adaptive_max_pool2d(x, 1), F.adaptive_avg_pool2d(x, (1, 1))], 1).flatten(1)
        return self.fc(torch.cat([gem, both], 1))


class CosineHead(nn.Module):
    """Group norm, standardized weights, a cosine classifier with a learned scale."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3) * 0.2)
        self.gn = nn.GroupNorm(2, 8)
        self.inorm = nn.InstanceNorm2d(8, affine=True)
        self.conv = nn.Conv2d(8, 16, 3, stride=2)
        self.proxies = nn.Parameter(torch.randn(6, 8))
        self.logit_scale = nn.Parameter(torch.ones([]) * math.log(10.0))

    def forward(self, x):
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        x = F.mish(self.gn(F.conv2d(x, w, padding=1)))
        x = F.glu(self.conv(self.inorm(x)), dim=1).mean((2, 3))
        return F.linear(F.normalize(x), F.normalize(self.proxies)) * self.logit_scale.exp()


class FrozenBackbone(nn.Module):
    """Fine-tuning: a frozen stem whose batch norm stays in evaluation whatever train() says."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3, 2, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.adapter = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2))
        self.fc = nn.Linear(8, 1)
        for p in self.backbone.parameters():
            p.requires_grad = False

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            x = self.backbone(x)
        return self.fc(self.adapter(x).mean((2, 3)))


class StraightThrough(nn.Module):
    """Binary weights with the straight-through trick."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3) * 0.3)
        self.alpha = nn.Parameter(torch.ones(8, 1, 1))
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        binary = self.weight + (torch.sign(self.weight) - self.weight).detach()
        x = self.alpha * F.conv2d(x, binary, stride=2)
        return self.fc(F.hardtanh(self.bn(x)).mean((2, 3)))


NETS = {
    "mini_vit_mha": (MiniViT, {"size": (32, 32), "fixed": True}),
    "transformer_encoder": (EncoderNet, {"size": (32, 32), "fixed": True}),
    "own_sdpa_dropout": (OwnAttention, {}),
    "lstm_bidirectional": (BidirectionalRows, {"size": (10, 14), "fixed": True}),
    "squeeze_excite": (SqueezeExcite, {}),
    "mixture_loop": (MixtureOfExperts, {}),
    "branch_on_size": (BranchOnSize, {}),
    "branch_on_batch": (BranchOnBatch, {}),
    "flip_in_prediction": (FlipAtTest, {}),
    "shared_layers": (SharedLayers, {}),
    "max_min_abs_clamp": (MaxMinAbsClamp, {}),
    "pooling_zoo": (PoolingZoo, {}),
    "cosine_head": (CosineHead, {}),
    "frozen_backbone": (FrozenBackbone, {}),
    "straight_through": (StraightThrough, {}),
}
