"""The draws of a live module, recorded, and handed to the net that its graph is rebuilt as: both then agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

if True:  # after torch is known to be there
    from torch import nn

    from bakeoff import frameworks
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch
    from bakeoff.parity.draws import checks, prescribed, values

SIZE, LABELS = (8, 8), np.arange(6) % 5
SGD = ("sgd", {"momentum": 0.9}, "softmax_cross_entropy")


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


def asked(net: Any, given: Any) -> tuple[float, Any, Any]:
    net.compile(*SGD)
    net.given = given
    images = np.random.default_rng(0).normal(size=(6, *SIZE, 3))
    return net.gradients(images, LABELS).loss, net.gradient_arrays(), net.drawn


def pair(kind: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    module = kind()
    captured = capture(module, input_size=SIZE)
    assert captured.notes == ()
    live = LiveTorch(module, captured, "float64", quiet=False)
    return live, frameworks.load("torch").native(captured.graph.astype("float64"), precision="float64")


def agree(live: Any, rebuilt: Any, given: Any) -> None:
    loss, gradients, drawn = asked(live, given)
    other, found, seen = asked(rebuilt, values(drawn))
    assert [check for check in checks(seen, drawn) if not check.passed] == []
    assert other == pytest.approx(loss, rel=1e-14)
    top = max(np.abs(array).max() for array in gradients.values())
    assert all(np.abs(found[path] - gradients[path]).max() < 1e-13 * top for path in gradients)


def test_draws_of_a_live_module_are_those_of_the_graph() -> None:
    live, rebuilt = pair(Noisy)
    agree(live, rebuilt, {})
    assert len(live.drawn) == 9
    agree(live, rebuilt, prescribed(live.drawn, 1))


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
    agree(live, rebuilt, {})
    agree(live, rebuilt, prescribed(live.drawn, 1))
