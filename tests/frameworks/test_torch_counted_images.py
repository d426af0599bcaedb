"""Constants that a net makes for every image of a batch: alike they are captured, counted they are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

if True:  # after torch is known to be there
    from torch import nn
    from torch.nn import functional as F

    from bakeoff.errors import UnsupportedError
    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch

CLOSE = 1e-11  # float64, of the largest


class Net(nn.Module):
    """Tokens (N, 16, 8), something of a batch's own, five logits."""

    def __init__(self, token: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.token, self.places = token, nn.Embedding(16, 8)
        self.cut, self.table, self.head = nn.Conv2d(3, 8, 2, 2), nn.Parameter(torch.randn(2, 4, 4)), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.cut(x).flatten(2).transpose(1, 2)
        out = self.token(self, tokens, len(tokens))
        return self.head(out if out.ndim == 2 else out.mean(1))


def unused(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    torch.arange(n)[:, None] + 1
    return t


def places(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    """As many tutorials write a ViT."""
    return t + net.places(torch.arange(16).expand(n, 16))


def padded(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    """A mask of what is padding, picked by image and place, as transformers does; nothing is."""
    mask = torch.ones(n, 16, dtype=torch.bool)[torch.arange(n)[:, None, None], torch.arange(16)[None, None]]
    return F.scaled_dot_product_attention(t, t, t, attn_mask=mask.expand(n, 16, 16))


def hidden(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    mask = torch.ones(n, 1, 16, dtype=torch.bool)
    mask[:, :, 11:] = False
    return F.scaled_dot_product_attention(t, t, t, attn_mask=mask.expand(n, 16, 16))


def windows(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    """Four windows of four tokens, a mask for each of them, as Swin has it."""
    mask = (torch.arange(64.0).reshape(4, 1, 4, 4) / 64)[None].expand(n, 4, 1, 4, 4).reshape(-1, 1, 4, 4)
    heads = t.reshape(n * 4, 4, 2, 4).transpose(1, 2)
    scores = heads @ heads.transpose(2, 3) + (net.table + mask)
    return (scores.softmax(-1) @ heads).transpose(1, 2).reshape(n, 16, 8)


def first(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t[torch.arange(n), torch.zeros(n, dtype=torch.long)]


def last(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t[torch.arange(n), -1]


def scaled(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    """As DropBlock gives back what it dropped."""
    return t * t.numel() / t.abs().sum()


def centred(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return n - (t - t.sum(0, keepdim=True) / n)


def halved(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t * (0.5 / n)


def numbered(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t + torch.arange(n)[:, None, None]


def summed(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t * torch.ones(n, 1, 1).cumsum(0)


def shared(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t * torch.ones(n, 1, 1).softmax(0)


def interleaved(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    rows = torch.arange(16.0).repeat_interleave(n)
    return t * rows.reshape(n, 16, 1)


def diagonal(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return (torch.ones(n, n).tril() @ t.flatten(1)).reshape(t.shape)


def other(net: Net, t: torch.Tensor, n: int) -> torch.Tensor:
    return t[torch.arange(n).flip(0), 0]


@pytest.mark.parametrize("token", [unused, places, padded, hidden, windows, first, last, scaled, centred])
def test_what_every_image_has_is_captured(token: Any) -> None:
    model = Net(token).double()
    captured = capture(model, input_size=(8, 8))
    largest = (
        max(node.attributes.size[0] for node in captured.graph.nodes if node.op == "take") if token is places else 0
    )
    assert largest <= 1
    for count in (1, 2, 5):
        x = torch.randn(count, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
        with torch.no_grad():
            found, expected = build(captured.graph, "float64").module(x).numpy(), model.eval()(x).numpy()
        assert np.abs(found - expected).max() < CLOSE * np.abs(expected).max()


@pytest.mark.parametrize("token", [numbered, summed, shared, interleaved, diagonal, other])
def test_what_counts_the_images_is_refused(token: Any) -> None:
    with pytest.raises(UnsupportedError, match="counts the images of a batch"):
        capture(Net(token), input_size=(8, 8))


def test_a_fraction_of_their_number_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="depends on how many images there are"):
        capture(Net(halved), input_size=(8, 8))


def test_a_mask_that_hides_nothing_is_no_operand() -> None:
    nodes = capture(Net(padded), input_size=(8, 8)).graph.nodes
    assert [len(node.inputs) for node in nodes if node.op == "attention"] == [3]


class Answer(dict[str, Any]):
    """As transformers answers; one of its own is known to torch.export."""

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())


class Biased(nn.Module):
    """Biases that prediction works out once and keeps, as LeViT does; an answer with logits among others."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.bias, self.kept = nn.Linear(12, 4), nn.Parameter(torch.ones(4)), {}
        self.head = nn.Linear(4, 5)

    def train(self, mode: bool = True) -> Biased:
        self.kept = {} if mode else self.kept
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> Answer:
        if self.training:
            bias = 2 * self.bias
        else:
            bias = self.kept.setdefault("bias", 2 * self.bias)
        features = self.body(x.flatten(1)) + bias
        return Answer(features=features, logits=self.head(features))


def test_an_answer_by_names_gives_its_logits_and_kept_biases_are_weights() -> None:
    model = Biased().eval()
    model(torch.zeros(1, 3, 2, 2))
    captured = capture(model, input_size=(2, 2))
    assert captured.graph.output_shape[-1] == 5
    assert captured.graph.users["bias"]
    live, x = LiveTorch(model, captured, "float64"), np.ones((1, 2, 2, 3))
    before = live.logits(x)
    live.load({"bias": np.full(4, 7.0)})
    assert not np.allclose(before, live.logits(x))
    assert isinstance(model.eval()(torch.zeros(1, 3, 2, 2)), dict)
