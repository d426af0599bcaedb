"""What a torch module does in training alone: named with its place and its effect, while all the rest trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")]

if True:  # after torch is known to be there
    from torch import nn
    from torch.nn import functional as F
    from torch.nn.utils import parametrizations

    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch

SIZE = (16, 16)


class Mean(nn.Module):
    """Keeps a mean of what it saw, and takes it off, or not."""

    def __init__(self, read: bool) -> None:
        super().__init__()
        self.read = read
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                self.mean.mul_(0.9).add_(0.1 * x.mean((0, 2, 3)))
        return x - self.mean[:, None, None] if self.read else x


class Norm(nn.Module):
    """Batch norm by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("m", torch.zeros(8))
        self.register_buffer("v", torch.ones(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m, v = (x.mean((0, 2, 3)), x.var((0, 2, 3))) if self.training else (self.m, self.v)
        if self.training:
            with torch.no_grad():
                self.m.lerp_(m, 0.1)
                self.v.lerp_(v, 0.1)
        return (x - m[:, None, None]) / (v[:, None, None] + 1e-5).sqrt()


class Ghost(nn.BatchNorm2d):
    """Statistics of each half of the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (
            torch.cat([super(Ghost, self).forward(part) for part in x.chunk(2)])
            if self.training
            else super().forward(x)
        )


class Clipped(nn.Module):
    """Clips its weight while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.linspace(-2, 2, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            with torch.no_grad():
                self.gain.clamp_(-1, 1)
        return x * self.gain[:, None, None]


class Mixed(nn.Module):
    """Mixes the images of a batch, whose dropout stays."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(0.7 * x + 0.3 * x[torch.randperm(len(x))] if self.training else x)


class Cooled(nn.Module):
    """A temperature in prediction alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.training else x / 2


class Rounded(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127) if self.training else x


class Auxiliary(nn.Module):
    """Two heads in training, as GoogLeNet has three."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind
        self.conv, self.norm, self.drop = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout(0.25)
        self.head, self.aux = nn.Linear(8, 5), nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 5))

    def forward(self, x: torch.Tensor) -> Any:
        x = self.norm(self.conv(x)).mean((2, 3))
        logits = self.head(self.drop(x))
        return self.kind(logits, self.aux(x)) if self.training else logits


class Fails(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(7, -1) if self.training else x


def net(*middle: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    first = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh()]
    return nn.Sequential(*first, *middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.25), nn.Linear(8, 5))


def conv() -> nn.Conv2d:
    return nn.Conv2d(8, 8, 3, padding=1)


CASES: dict[str, tuple[Any, str, tuple[str, ...], str]] = {
    "spectral norm, by hooks": (
        lambda: net(nn.utils.spectral_norm(conv()), conv()), "state", ("3",), "weight_u, weight_v"),
    "spectral norm, parametrized": (
        lambda: net(parametrizations.spectral_norm(conv()), conv(), parametrizations.spectral_norm(conv())),
        "state", ("3.parametrizations.weight.0", "5.parametrizations.weight.0"), "_u, _v"),
    "a running mean": (lambda: net(Mean(True)), "state", ("3",), "its mean"),
    "batch norm by hand": (lambda: net(Norm()), "state", ("3",), "its m, v"),
    "ghost batches": (lambda: net(Ghost(8)), "state", ("3",), "running_mean, running_var"),
    "a clipped weight": (lambda: net(Clipped()), "state", ("3",), "its gain"),
    "mixed images": (lambda: net(Mixed()), "noise", ("3",), "draws random numbers"),
    "a temperature": (lambda: net(Cooled()), "training", ("3",), "something else"),
    "rounding": (lambda: net(Rounded()), "training", ("3",), "something else"),
    "what fails": (lambda: net(Fails()), "training", ("3",), "fails (shape"),
    "two outputs": (lambda: Auxiliary(lambda *heads: heads), "outputs", ("Auxiliary",), "gives 2 outputs"),
    "outputs by name": (
        lambda: Auxiliary(lambda main, aux: {"out": main, "aux": aux}), "outputs", ("Auxiliary",), "gives 2 outputs"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_acts_in_training_alone_is_declared_and_the_rest_trains(case: str) -> None:
    made, name, where, words = CASES[case]
    model = made()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    captured = capture(model, input_size=SIZE)
    (declared,) = captured.declared
    assert (declared.name, declared.where) == (name, where)
    assert words in declared.what
    if case == "what fails":
        assert declared.effect is None
    elif name == "outputs":
        assert declared.effect == 0
    else:
        assert declared.effect is not None
        assert 1e-7 < declared.effect < 10
    assert [node.attributes.rate for node in captured.graph.nodes if node.op == "dropout"][-1] == 0.25
    assert next(node.attributes.statistics for node in captured.graph.nodes if node.op == "batch_norm") == "batch"
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("case", ["spectral norm, by hooks", "ghost batches", "mixed images", "two outputs"])
def test_the_live_net_trains_as_its_graph_does(case: str) -> None:
    model = CASES[case][0]().double()
    for drop in (module for module in model.modules() if isinstance(module, nn.Dropout)):
        drop.p = 0.0
    captured = capture(model, input_size=SIZE)
    live, rebuilt = LiveTorch(model, captured, "float64"), build(captured.graph, "float64")
    x = np.random.default_rng(0).normal(size=(4, *SIZE, 3))
    expected = live.logits(x, train=True)
    found = rebuilt.module.train()(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).detach().numpy()
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()


def test_a_buffer_that_moves_and_is_not_read_is_declared_without_an_effect() -> None:
    (declared,) = capture(net(Mean(False)), input_size=SIZE).declared
    assert (declared.name, declared.where, declared.effect) == ("state", ("3",), None)


def test_each_kind_is_named_once_and_said_in_a_line() -> None:
    captured = capture(net(Mean(True), Mean(True), Cooled(), Norm(), nn.utils.spectral_norm(conv())), input_size=SIZE)
    state, training = sorted(captured.declared, key=lambda one: one.name)
    assert (training.name, training.where) == ("training", ("5",))
    assert (state.name, state.where) == ("state", ("3", "4", "6", "7"))
    assert str(state).startswith("state (3, 4, 6 and 1 more): in training it changes its mean; in training")


@pytest.mark.parametrize(
    "made",
    [
        lambda: net(nn.utils.weight_norm(conv())),
        lambda: net(parametrizations.weight_norm(conv())),
        lambda: net(nn.Dropout2d(0.3), nn.Dropout(0.2)),
        lambda: net(nn.SyncBatchNorm(8)),
    ],
)
def test_what_a_graph_holds_is_not_declared(made: Any) -> None:
    assert capture(made(), input_size=SIZE).declared == ()


class Functional(nn.Module):
    """A class whose dropout is a function: it asks whether it trains, and is no reason to predict."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.dropout(self.conv(x), 0.3, self.training)


def test_who_asks_and_is_understood_goes_on_training() -> None:
    captured = capture(net(Functional(), Cooled(), Functional()), input_size=SIZE)
    assert captured.predicting == {"4"}
    assert [round(node.attributes.rate, 3) for node in captured.graph.nodes if node.op == "dropout"] == [0.3, 0.3, 0.25]


class Kept(nn.Module):
    """Keeps its batch norm from training, and a flag of its own beside torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.mode = nn.BatchNorm2d(8), True

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.norm.eval()
        self.mode = mode
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


def test_a_train_of_ones_own_is_heard_and_left_as_it_was() -> None:
    model = net(Kept(), Cooled()).eval()
    captured = capture(model, input_size=SIZE)
    assert captured.predicting == {"4"}
    norms = [node.attributes.statistics for node in captured.graph.nodes if node.op == "batch_norm"]
    assert norms == ["batch", "frozen"]
    assert not any(module.training for module in model.modules())
    assert model[3].mode is False


class WithGradients(nn.Module):
    """Something else only where gradients are kept, as in a training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x if self.training and torch.is_grad_enabled() else x


def test_what_is_measured_is_a_pass_with_gradients() -> None:
    (declared,) = capture(net(WithGradients()), input_size=SIZE).declared
    assert declared.effect is not None
    assert declared.effect > 0.1
