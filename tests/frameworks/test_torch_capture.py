"""Nets in plain torch: captured, rebuilt, compared, written back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

if True:  # after torch is known to be there
    from plain_nets import NETS, SIZE
    from torch import nn
    from torch.nn import functional as F

    from bakeoff.errors import UnsupportedError, UsageError
    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture
    from bakeoff.frameworks.torch.live import LiveTorch
    from bakeoff.graph import run
    from bakeoff.graph.passes import without_noise

CLOSE = 1e-11  # float64, of the largest


def difference(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found), np.asarray(expected)
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def made(kind: Any) -> nn.Module:
    torch.manual_seed(3)
    model = kind().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, nn.Dropout):
            module.p = 0.25
    return model


def inputs(n: int = 3, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.randn(n, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.fixture(params=NETS, ids=lambda kind: kind.__name__)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, Any]:
    model = made(request.param)
    return model, capture(model, input_size=SIZE)


def test_prediction_is_the_models_own(pair: tuple[nn.Module, Any]) -> None:
    model, captured = pair
    x = inputs()
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    assert np.abs(expected - expected.mean(0)).max() > 1e-3 * np.abs(expected).max()
    with torch.no_grad():
        assert difference(build(captured.graph, "float64").module(x), expected) < CLOSE
    assert difference(run(captured.graph, x.permute(0, 2, 3, 1).numpy()), expected) < CLOSE


def test_gradients_and_statistics_of_a_training_pass(pair: tuple[nn.Module, Any]) -> None:
    model, captured = pair
    graph = without_noise(captured.graph)
    built = build(graph, "float64")
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x, weights = inputs(), torch.randn(3, 5, dtype=torch.float64)
    out = model.train()(x)
    ((out if isinstance(out, torch.Tensor) else out[0]) * weights).sum().backward()
    (built.module.train()(x) * weights).sum().backward()
    after, state = built.arrays(), {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    for name, parameter in model.named_parameters():
        layout = captured.layouts[name]
        if parameter.grad is None:
            held = built.bindings.get(layout.path)
            assert name in captured.unused or built.tensor(held).grad is None, name
            continue
        own = built.tensor(built.bindings[layout.path]).grad
        gradient = built.bindings[layout.path].to_canonical(own.numpy())
        assert difference(layout.to_native(gradient), parameter.grad) < 1e-9, name
    for name, layout in captured.layouts.items():
        if name.endswith(("running_mean", "running_var")):
            assert difference(after[layout.path], state[name]) < CLOSE, name


def test_the_state_dict_comes_back_bit_for_bit(pair: tuple[nn.Module, Any]) -> None:
    model, captured = pair
    expected = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    state = captured.state_dict(captured.graph.arrays())
    model.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=True)
    for name, array in expected.items():
        assert state[name].dtype == array.dtype
        assert np.array_equal(state[name], array), name
    shifted = {name: array + 1 for name, array in expected.items()}
    again = captured.from_state_dict(shifted)
    assert all(np.array_equal(array, shifted[name]) for name, array in captured.state_dict(again.arrays()).items())
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert captured.graph.count(trainable=True) == sum(weight.numel() for weight in weights)


def test_the_model_is_left_as_it_was() -> None:
    model = made(NETS[6])
    model.aux.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    capture(model, input_size=SIZE)
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_names_are_those_of_the_modules() -> None:
    captured = capture(made(NETS[1]), input_size=SIZE)
    convolutions = [node.path for node in captured.graph.nodes if node.op == "conv2d"]
    assert convolutions.count("twin") == 4
    assert {"stem", "blocks.0", "blocks.1", "blocks.2"} <= set(convolutions)
    assert "second.weight" not in captured.graph.parameters
    assert captured.layouts["second.weight"] == captured.layouts["first.weight"]


def test_auxiliary_heads_are_passengers() -> None:
    captured = capture(made(NETS[6]), input_size=SIZE)
    assert captured.unused == ("aux.bias", "aux.weight", "idle", "norm.num_batches_tracked")
    assert "gives 2 outputs" in captured.declared[0].what
    assert [node.attributes.rate for node in captured.graph.nodes if node.op == "dropout"] == [0.25]


# noise ----------------------------------------------------------------------------------------------------------------


class Noisy(nn.Module):
    def __init__(self, noise: Any) -> None:
        super().__init__()
        self.conv, self.noise = nn.Conv2d(3, 5, 3), noise

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return (x + self.noise(x, self.training)).mean((2, 3))


def by_bernoulli(x: torch.Tensor, training: bool) -> torch.Tensor:
    mask = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(0.8)
    return x * mask.div_(0.8) if training else x


def by_floor(x: torch.Tensor, training: bool) -> torch.Tensor:
    if not training:
        return x
    return x.div(0.8) * torch.floor(0.8 + torch.rand((x.shape[0], 1, 1, 1), dtype=x.dtype))


def by_comparison(x: torch.Tensor, training: bool) -> torch.Tensor:
    return x * (torch.rand(x.shape[0], 1, 1, 1) < 0.8).to(x.dtype) / 0.8 if training else x


def cell_by_cell(x: torch.Tensor, training: bool) -> torch.Tensor:
    return x * torch.empty_like(x).bernoulli_(0.8) / 0.8 if training else x


@pytest.mark.parametrize("noise", [by_bernoulli, by_floor, by_comparison, cell_by_cell])
def test_random_masks_by_hand(noise: Any) -> None:
    captured = capture(Noisy(noise), input_size=SIZE)
    found = [(node.op, round(node.attributes.rate, 6)) for node in captured.graph.nodes if "drop" in node.op]
    assert found == [("dropout" if noise is cell_by_cell else "drop_path", 0.2)]
    assert captured.declared == captured.notes == ()


def unscaled(x: torch.Tensor, training: bool) -> torch.Tensor:
    return x * torch.empty_like(x).bernoulli_(0.8) if training else x


def test_noise_that_is_no_dropout_is_a_value_of_its_own() -> None:
    captured = capture(Noisy(unscaled), input_size=SIZE)
    noisy = [node.op for node in captured.graph.nodes if node.op in ("dropout", "draw", "in_training")]
    assert noisy == ["draw", "in_training"]
    assert captured.notes == ()


# sizes ----------------------------------------------------------------------------------------------------------------


def test_a_net_of_any_size_takes_another_one() -> None:
    model = made(NETS[6])
    captured = capture(model, input_size=SIZE)
    assert not captured.fixed_size
    x = inputs(2, (27, 33))
    with torch.no_grad():
        assert difference(build(captured.graph, "float64").module(x), model.eval()(x)) < CLOSE


@pytest.mark.parametrize("index", [0, 1, 3, 4, 5, 7])
def test_a_net_of_one_size_is_marked(index: int) -> None:
    assert capture(made(NETS[index]), input_size=SIZE).fixed_size


class Silent(nn.Module):
    """Runs at any size, but the pad depends on it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pad = max((-(-x.shape[2] // 2) - 1) * 2 + 3 - x.shape[2], 0)
        return self.conv(F.pad(x, (0, pad, 0, pad))).mean((2, 3))


def test_a_pad_that_depends_on_the_size_is_noticed() -> None:
    assert capture(Silent(), input_size=(17, 17)).fixed_size
    assert capture(Silent(), input_size=(64, 64)).fixed_size


class Halving(nn.Module):
    """One block, used as often as the size asks for: five times for 90 elements and for 127."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 5, 1), nn.Linear(5, 5)
        self.block = nn.Sequential(nn.Conv2d(5, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        while x.shape[2] > 4:
            x = self.block(x)
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("height", [16, 33, 64, 90])
def test_a_loop_that_depends_on_the_size_is_noticed(height: int) -> None:
    captured = capture(Halving(), input_size=(height, 24))
    assert captured.fixed_size
    norms = [node for node in captured.graph.nodes if node.op == "batch_norm"]
    assert len(norms) == {16: 2, 33: 4, 64: 4, 90: 5}[height]
    assert {node.path for node in norms} == {"block.1"}


# refusals -------------------------------------------------------------------------------------------------------------


class Sorted(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x.mean((2, 3)), 1)[0]


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)) if x.sum() > 0 else x.amax((2, 3))


class TwoOutputs(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.mean((2, 3)), x.amax((2, 3))


class Different(nn.Module):
    """Trains another function than it predicts."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.exp() if self.training else x).mean((2, 3))


def test_an_unknown_operator_is_named_with_its_line() -> None:
    with pytest.raises(UnsupportedError, match=r"aten\.sort in the model itself") as caught:
        capture(Sorted(), input_size=SIZE)
    assert "test_torch_capture.py" in str(caught.value)
    assert "torch.sort(x.mean((2, 3)), 1)[0]" in str(caught.value)


@pytest.mark.parametrize(("kind", "why"), [(Branching, "can't trace"), (TwoOutputs, r"gives \[0\]")])
def test_what_is_no_classifier_is_refused(kind: Any, why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        capture(kind(), input_size=SIZE)


def test_a_branch_of_training_gives_way_to_the_prediction() -> None:
    captured = capture(Different(), input_size=SIZE)
    assert [node.op for node in captured.graph.nodes] == ["global_avg_pool"]
    assert "something else than in prediction" in captured.declared[0].what


class Counting(nn.Module):
    """Counts its passes, and keeps a mean of what it saw; reads the count if it is told to."""

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.reads = reads
        self.register_buffer("passes", torch.tensor(1))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.mean((2, 3))
        self.passes += 1
        self.seen.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return x / self.passes if self.reads else x


def test_a_count_that_is_read_is_refused_and_what_moves_is_said() -> None:
    with pytest.raises(UnsupportedError, match="passes counts, and what follows depends on the count"):
        capture(Counting(True), input_size=SIZE)
    model = Counting(False)
    (declared,) = capture(model, input_size=SIZE).declared
    assert (declared.name, declared.where) == ("state", ("passes", "seen"))
    assert (int(model.passes), model.seen.abs().sum()) == (1, 0)


@pytest.mark.filterwarnings("ignore")
def test_weights_worked_out_by_hooks_are_real_ones_afterwards() -> None:
    model = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 5, 3)), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    captured = capture(model, input_size=SIZE)
    assert {"0.weight_g", "0.weight_v"} <= set(captured.graph.parameters)
    assert type(model[0].weight) is torch.Tensor
    x = inputs().float()
    assert difference(build(captured.graph).module(x).detach(), model(x).detach()) < 1e-6
    live = LiveTorch(model, captured, "float64")
    assert live.logits(x.double().permute(0, 2, 3, 1).numpy()).shape == (3, 5)


class Again(nn.Module):
    """A block that two places hold, and a layer that a list and an attribute hold; one weight of two layers."""

    def __init__(self, outer: bool) -> None:
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 5)
        self.norm, middle = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.blocks = nn.ModuleList([nn.Sequential(middle, self.norm), nn.Sequential(middle, nn.Conv2d(4, 4, 1))])
        self.blocks[1][1].weight = middle.weight
        if outer:
            self.block = self.blocks[1]

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in [*self.blocks, getattr(self, "block", self.norm)]:
            x = F.gelu(block(x))
        return self.head(x.mean((2, 3)))


@pytest.mark.parametrize("outer", [False, True])
def test_a_module_that_several_places_hold_stays_as_it_was(outer: bool) -> None:
    """A pass without numbers puts tensors in the place of its weights, and back."""
    model = made(lambda: Again(outer))
    before = dict([*model.named_parameters(), *model.named_buffers()])
    captured = capture(model, input_size=SIZE)
    after = dict([*model.named_parameters(), *model.named_buffers()])
    assert all(after[name] is tensor for name, tensor in before.items()), "other tensors are in their place"
    assert set(after) == set(before)
    x = inputs()
    with torch.no_grad():
        assert difference(build(captured.graph, "float64").module(x), model.eval()(x)) < CLOSE


def test_only_modules_and_sizes_are_taken() -> None:
    with pytest.raises(UsageError, match=r"expected a torch\.nn\.Module"):
        capture("resnet18")
    with pytest.raises(UsageError, match="height, width"):
        capture(nn.Identity(), input_size=224)


def test_frozen_weights_stay_frozen() -> None:
    model = made(NETS[0])
    model.first.requires_grad_(False)
    graph = capture(model, input_size=SIZE).graph
    assert not graph.parameters["first.weight"].trainable
    assert graph.parameters["second.weight"].trainable


def test_the_modules_own_size_and_preprocessing() -> None:
    model = made(NETS[0])
    assert capture(model, input_size=SIZE).signature is None
    config = {"input_size": (3, *SIZE), "crop_pct": 0.9, "mean": (0.5, 0.4, 0.3), "std": (0.1, 0.2, 0.3)}
    model.pretrained_cfg = config | {"interpolation": "bicubic", "crop_mode": "center"}
    captured = capture(model)
    assert captured.size == SIZE
    found = captured.signature
    assert (found.size, found.fit, found.resize, found.resize_to) == (SIZE, "crop", "bicubic", 20)
    assert (found.mean, found.std) == ((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))


class Folded(nn.Module):
    """Arithmetic on buffers, which is folded."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("variance", torch.rand(3, 1, 1) + 0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.floor(torch.arange(3.0) * torch.tensor(1 / 3) * 3).view(3, 1, 1).to(x)
        return (x / torch.sqrt(self.variance) + steps).mean((2, 3))


def test_constants_are_folded_finely() -> None:
    model = Folded()
    graph = capture(model, input_size=SIZE).graph
    x = inputs()
    expected = model.double()(x)
    assert difference(build(graph.astype("float64"), "float64").module(x), expected) < 1e-14
    single = build(graph).module(x.float())
    assert single.dtype == torch.float32
    assert difference(single, expected) < 1e-5
    assert run(graph, x.float().permute(0, 2, 3, 1).numpy()).dtype == np.float32


class Rotated(nn.Module):
    """Angles worked out in float32, whatever the net is, from a buffer by casts, products, and parts of a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.rand(2, 3))
        self.register_buffer("speed", torch.rand(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = torch.arange(x.shape[3], device=x.device)
        angles = self.speed[:, None].float() @ steps[None].float()
        sine, cosine = torch.cat([angles.sin(), angles.cos()])[:, None].chunk(2)
        chosen = torch.nn.functional.one_hot(steps % 2, 2).to(self.table) @ self.table
        return (x * cosine.to(x.dtype) + x * x * sine.to(x.dtype) + chosen.T[:, None]).mean((2, 3))


def test_angles_in_float32_are_left_out_where_mathematics_is_compared() -> None:
    model = Rotated()
    captured = capture(model, input_size=SIZE)
    images = inputs().permute(0, 2, 3, 1).numpy()
    exact = LiveTorch(model, captured, "float64").logits(images)
    found = build(captured.graph.astype("float64"), "float64").module(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert difference(found, torch.from_numpy(exact)) < 1e-14
    single = LiveTorch(model, captured, "float32").logits(images.astype("float32"))
    assert single.dtype == np.float32
    assert difference(torch.from_numpy(single), torch.from_numpy(exact)) < 1e-5


POSITIONS: dict[str, Callable[[int], torch.Tensor]] = {
    "counted": lambda n: (~torch.zeros(n).to(dtype=torch.bool)).cumsum(0, dtype=torch.float32),
    "a range": lambda n: torch.arange(n, dtype=torch.float32),
    "a line": lambda n: torch.linspace(0.1, 3.3, n),
    "a quotient": lambda n: torch.arange(n) / 7,
    "written down": lambda n: torch.tensor([0.3 * place for place in range(n)]),
    "filled": lambda n: torch.full((n,), 0.7),
    "powers": lambda n: 10000.0 ** (2 * torch.div(torch.arange(n).to(torch.float32), 2, rounding_mode="floor") / n),
}


class Positions(nn.Module):
    """Sines of numbers that the net makes in float32, by itself."""

    def __init__(self, made: str) -> None:
        super().__init__()
        self.made = made

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = POSITIONS[self.made](x.shape[3])
        return (x * (places / (places[-1:] + 1e-6) * 2.3).sin().to(x.dtype)).mean((2, 3))


@pytest.mark.parametrize("made", POSITIONS)
def test_numbers_that_a_net_makes_in_float32_are_no_difference_in_float64(made: str) -> None:
    model = Positions(made)
    captured = capture(model, input_size=SIZE)
    images = inputs().permute(0, 2, 3, 1).numpy()
    exact = LiveTorch(model, captured, "float64").logits(images)
    found = build(captured.graph.astype("float64"), "float64").module(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert difference(found, torch.from_numpy(exact)) < 1e-12


class Signs(nn.Module):
    """Straight-through weights, pooling by a norm, and the share of the first expert."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.cat([torch.ones(1, 3), 0.5 - torch.eye(3)])[:, :, None, None])  # no ties
        self.pool = nn.LPPool2d(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        binary = self.weight + (torch.sign(self.weight) - self.weight).detach()
        x = self.pool(nn.functional.conv2d(x, binary)).mean((2, 3))
        return x * x.softmax(-1).topk(1, dim=-1).values - x.topk(1, largest=False).values


def test_signs_and_the_largest_share() -> None:
    model = Signs().double()
    x = inputs().double()
    found = build(capture(model, input_size=SIZE).graph.astype("float64"), "float64").module
    assert difference(found(x).detach(), model(x).detach()) < 1e-14
    (ours,) = torch.autograd.grad(found(x).square().sum(), list(found.parameters()))
    (theirs,) = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    assert difference(ours.flatten(), theirs.flatten()) < 1e-14
    model.forward = lambda x: x.mean((2, 3)).topk(2).values  # type: ignore[method-assign]
    with pytest.raises(UnsupportedError, match="the first alone"):
        capture(model, input_size=SIZE)


def test_a_image_of_a_trace_may_be_larger_than_memory() -> None:
    import torch

    from bakeoff.frameworks.torch.capture._export import virtual

    images = virtual((10007, 3, 4000, 4000), torch.float32)  # 1.9 TB
    assert images.shape == (10007, 3, 4000, 4000)
    assert images.is_contiguous()
