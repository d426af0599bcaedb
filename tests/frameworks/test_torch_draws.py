"""The draws of a live module, recorded, and handed to the net that its graph is rebuilt as: both then agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import draws_agree

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

if True:  # after torch is known to be there
    from torch import nn
    from torch.nn import functional as F

    from bakeoff import frameworks
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch
    from bakeoff.parity.draws import prescribed

SIZE = (8, 8)


class Fall(nn.Module):  # type: ignore[misc]
    """Stochastic depth; its name says nothing."""

    def forward(self, x: Any) -> Any:
        keep = 0.8
        return x.div(keep) * torch.floor(torch.rand(x.shape[0], 1, 1, 1) + keep) if self.training else x


class Noisy(nn.Module):  # type: ignore[misc]
    """Channels, images, attention, steps of an LSTM and features are dropped; one module is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.channels, self.fall, self.cells = nn.Dropout2d(0.3), Fall(), nn.Dropout(0.31)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, 0.2, batch_first=True)
        self.lstm, self.head = nn.LSTM(8, 8, 2, dropout=0.3, batch_first=True), nn.Linear(8 * 64, 5)

    def forward(self, x: Any) -> Any:
        x = self.channels(torch.relu(self.first(x)))
        x = self.fall(x + self.fall(self.second(x)))
        tokens, _ = self.lstm(self.encoder(x.flatten(2).transpose(1, 2)))
        return self.head(self.cells(tokens.transpose(1, 2).flatten(1)))


def pair(kind: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    module = kind()
    captured = capture(module, input_size=SIZE)
    assert captured.declared == ()
    live = LiveTorch(module, captured, "float64")
    return live, frameworks.load("torch").native(captured.graph.astype("float64"), precision="float64")


def test_draws_of_a_live_module_are_those_of_the_graph() -> None:
    live, rebuilt = pair(Noisy)
    draws_agree(live, rebuilt, {})
    assert len(live.drawn) == 9
    draws_agree(live, rebuilt, prescribed(live.drawn, 1))


class Small(nn.Module):  # type: ignore[misc]
    """A net with something noisy between two convolutions, and behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.norm = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.own, self.head = nn.Parameter(torch.linspace(-1, 1, 64).reshape(8, 8)), nn.Linear(8, 5)
        self.drop, self.bent, self.alpha = nn.Dropout(0.3), nn.RReLU(), nn.FeatureAlphaDropout(0.2)

    def forward(self, x: Any) -> Any:
        x = torch.tanh(self.norm(self.b(self.middle(torch.tanh(self.a(x))))))
        return self.head(self.late(x.mean((2, 3))))

    def middle(self, x: Any) -> Any:
        return x

    def late(self, x: Any) -> Any:
        return x


class OneMask(Small):
    """A mask for two branches; another that a module makes of ones."""

    def middle(self, x: Any) -> Any:
        if not self.training:
            return x + torch.exp(x)
        mask = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(0.8).div_(0.8)
        return x * mask + torch.exp(x) * mask

    def late(self, x: Any) -> Any:
        mask = self.drop(torch.ones_like(x))
        return x * mask + torch.exp(x) * mask


class Thresholds(Small):
    """One number of each image decides twice; another mixes."""

    def middle(self, x: Any) -> Any:
        if not self.training:
            return x
        r, g = torch.rand(len(x), 1, 1, 1), torch.rand(len(x), 1, 1, 1)
        x = torch.where(r < 0.5, x, torch.where(r < 0.8, torch.exp(x), 2 * x))
        return g * x + (1 - g) * x.flip(3)


class Gaussian(Small):
    """Noise by addition, noise by a factor of each channel, uniform factors."""

    def middle(self, x: Any) -> Any:
        x = x + torch.randn_like(x) * 0.1 if self.training else x
        return x * x.new_empty(len(x), 8, 1, 1).uniform_(0.5, 1.5) if self.training else x

    def late(self, x: Any) -> Any:
        return x * torch.empty_like(x).normal_(1, 0.3) if self.training else x


class WholeBatch(Small):
    """Stochastic depth of the batch, by a mask of no axes; what isn't scaled up is scaled down in prediction."""

    def middle(self, x: Any) -> Any:
        y = torch.exp(x)
        return x + (y * (torch.rand(1) < 0.6) / 0.6 if self.training else y)

    def late(self, x: Any) -> Any:
        return x * torch.bernoulli(torch.full_like(x, 0.7)) if self.training else 0.7 * x


class DroppedWeights(Small):
    """DropConnect by a function, and by hand."""

    def middle(self, x: Any) -> Any:
        return F.conv2d(x, F.dropout(self.b.weight, 0.3, self.training), padding=1)

    def late(self, x: Any) -> Any:
        mask = torch.bernoulli(torch.full_like(self.own, 0.6)) / 0.6 if self.training else 1
        return F.linear(x, self.own * mask)


class Kernels(Small):
    """What torch draws within kernels of its own; slopes where nothing is negative."""

    def middle(self, x: Any) -> Any:
        return self.bent(self.bent(x).exp() + self.alpha(x))

    def late(self, x: Any) -> Any:
        return F.alpha_dropout(x, 0.2, self.training)


class Locked(Small):
    """One mask for all tokens; for all of an image, repeated, too."""

    def middle(self, x: Any) -> Any:
        tokens = x.flatten(2).transpose(1, 2)
        if self.training:
            mask = x.new_empty(len(x), 1, 8).bernoulli_(0.7) / 0.7
            tokens = tokens * mask.expand_as(tokens).clone()
            fall = torch.rand(len(x), 1).expand(len(x), 8).reshape(len(x), 1, 8)
            tokens = tokens * fall
        return tokens.transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize(
    ("kind", "count"),
    [(OneMask, 2), (Thresholds, 2), (Gaussian, 3), (WholeBatch, 2), (DroppedWeights, 2), (Kernels, 4), (Locked, 2)],
)
def test_what_is_drawn_by_hand_is_a_value_of_the_graph(kind: Any, count: int) -> None:
    live, rebuilt = pair(kind)
    draws_agree(live, rebuilt, {})
    assert len(live.drawn) == count
    draws_agree(live, rebuilt, prescribed(live.drawn, 1))
    images = np.random.default_rng(1).normal(size=(3, *SIZE, 3))
    assert np.abs(live.logits(images) - rebuilt.logits(images)).max() < 1e-14


def test_a_plain_mask_is_the_layer_of_its_name() -> None:
    class Plain(Small):
        def middle(self, x: Any) -> Any:
            return x * torch.empty(1, 8, 1, 1).bernoulli_(0.7) / 0.7 if self.training else x

    nodes = capture(Plain(), input_size=SIZE).graph.nodes
    assert [(node.op, node.attributes.shared) for node in nodes if node.draws] == [("dropout", (0, 1, 2))]


def test_numbers_of_another_kind_are_refused_by_name() -> None:
    class Poisson(Small):
        def middle(self, x: Any) -> Any:
            return x * torch.poisson(torch.ones_like(x)) if self.training else x

    captured = capture(Poisson(), input_size=SIZE)
    assert [one.name for one in captured.declared] == ["noise"]


def test_a_checkpointed_module_draws_the_same_on_its_way_back() -> None:
    class Checkpointed(Noisy):
        def forward(self, x: Any) -> Any:
            if torch.compiler.is_compiling():
                return super().forward(x)
            x = self.channels(torch.relu(self.first(x)))
            x = self.fall(x + self.fall(self.second(x)))
            x = torch.utils.checkpoint.checkpoint(self.encoder, x.flatten(2).transpose(1, 2), use_reentrant=False)
            tokens, _ = self.lstm(x)
            return self.head(self.cells(tokens.transpose(1, 2).flatten(1)))

    live, rebuilt = pair(Checkpointed)
    draws_agree(live, rebuilt, {})
    draws_agree(live, rebuilt, prescribed(live.drawn, 1))
