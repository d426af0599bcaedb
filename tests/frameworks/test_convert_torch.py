"""A conversion with both sides in this process: the live module is the reference, and a wrong rebuild is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bakeoff.bundle import read
from bakeoff.conversion.api import failed
from bakeoff.conversion.delivery import Delivery
from bakeoff.conversion.request import Request
from bakeoff.conversion.session import Here, Session
from bakeoff.errors import DeclaredError, UnsupportedError
from bakeoff.graph.graph import Graph
from bakeoff.schemas import Certificate

pytestmark = pytest.mark.torch


def net() -> Any:
    """A small classifier with what conversions get wrong: strides, padding, batch norm, dropout, tied modules."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(8, momentum=0.2)
            self.act = nn.GELU()
            self.pool = nn.AvgPool2d(3, 2, 1)
            self.mix = nn.Conv2d(8, 8, 1)
            self.drop = nn.Dropout(0.5)
            self.head = nn.Linear(8, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.pool(self.act(self.norm(self.stem(x))))
            x = self.mix(x) + self.mix(x)
            return self.head(self.drop(x.mean((2, 3))))  # type: ignore[no-any-return]

    return Net()


class InProcess(Session):
    """Source and target are here."""

    def __init__(self, request: Request, module: Any, size: tuple[int, int] = (24, 16)) -> None:
        from bakeoff.zoo.opening import from_torch

        super().__init__(request, None, None, from_torch(module, size), Here())


def request(output: Path, **more: Any) -> Request:
    return Request("net", "bundle", output, kind="live", framework="torch", **more)


def checked(tmp_path: Path, module: Any = None, **more: Any) -> Certificate:
    with InProcess(request(tmp_path / "net", **more), module or net()) as work:
        return work.check()


def test_the_rebuilt_net_is_the_live_one(tmp_path: Path) -> None:
    certificate = checked(tmp_path)
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    names = {check.name for check in certificate.checks}
    assert {"logits.given", "between_images.telling", "logits.batch_1", "logits.size_56x32"} <= names
    assert {
        "gradients.training",
        "losses.training",
        "statistics.after",
        "weights.after",
        "parameters",
        "trainable",
    } <= names


def test_quick_leaves_training_out(tmp_path: Path) -> None:
    names = {check.name for check in checked(tmp_path, check="quick").checks}
    assert "gradients.training" not in names
    assert {"logits.given", "parameters"} <= names


def mutated(graph: Graph, op: str, **attributes: Any) -> Graph:
    changed = [
        replace(node, attributes=replace(node.attributes, **attributes)) if node.op == op else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(changed))


@pytest.mark.parametrize(
    ("op", "attributes", "noticed"),
    [
        ("batch_norm", {"epsilon": 1e-3}, "logits.telling"),
        ("batch_norm", {"momentum": 0.1}, "statistics.after"),
        ("batch_norm", {"variance": "biased"}, "statistics.after"),
        ("batch_norm", {"statistics": "frozen"}, "gradients.training"),
        ("gelu", {"form": "tanh"}, "logits.given"),
        ("avg_pool2d", {"count_include_pad": False}, "logits.given"),
    ],
)
def test_a_wrong_rebuild_is_refused_and_its_first_layer_named(
    op: str, attributes: dict[str, Any], noticed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bakeoff.frameworks.torch import net as torch_net

    build = torch_net.build

    def wrongly(graph: Any, dtype: str, **more: Any) -> Any:
        return build(mutated(graph, op, **attributes), dtype, **more)

    monkeypatch.setattr(torch_net, "build", wrongly)
    with InProcess(request(tmp_path / "out" / "net"), net()) as work:
        certificate = work.check()
        assert not certificate.passed
        assert noticed in {check.name for check in certificate.checks if not check.passed}
        error = failed(work, certificate)
    assert "Nothing was written but the report" in str(error)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["net.report.json"]
    said = json.loads((tmp_path / "out" / "net.report.json").read_text())
    first = said["first_layer_that_differs"]
    where = {"batch_norm": "norm", "gelu": "act", "avg_pool2d": "pool"}[op]
    assert first is None if noticed in ("statistics.after", "gradients.training") else first["path"] == where


def test_the_users_module_stays_as_it_is(tmp_path: Path) -> None:
    module = net()
    module.train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    checked(tmp_path, module)
    assert module.training
    assert module.drop.p == 0.5
    assert all((tensor == before[name]).all() for name, tensor in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())


def test_the_bundle_gives_a_trainable_module(tmp_path: Path) -> None:
    import torch

    import bakeoff

    module = net().eval()
    with InProcess(request(tmp_path / "net", check="quick"), module) as work:
        certificate = work.check()
        with Delivery(work) as delivery:
            written = delivery.write()
            done = delivery.finish(replace(certificate, checks=(*certificate.checks, *written)))
    assert done.passed
    native = bakeoff.load(done.output).to_torch()
    x = torch.randn(2, 3, 24, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(native(x).numpy(), module(x).numpy(), atol=1e-6)
    native.train()
    native(x).sum().backward()
    assert native.stem.weight.grad is not None
    assert json.loads(done.path.read_text())["passed"]


def test_a_program_is_a_source(tmp_path: Path) -> None:
    """A `.pt2` file that torch.export wrote, without anything of Bakeoff in it."""
    import torch

    from bakeoff.zoo.opening import Source, opened

    batch = torch.export.Dim("batch")
    program = torch.export.export(net().eval(), (torch.zeros(2, 3, 24, 16),), dynamic_shapes=({0: batch},))
    torch.export.save(program, str(tmp_path / "net.pt2"))
    found = opened(Source(str(tmp_path / "net.pt2"), "pt2", "torch"))
    assert found.size == (24, 16)
    assert any("as it predicts" in note for note in found.notes)

    with Session(request(tmp_path / "out"), None, None, found, Here()) as work:
        certificate = work.check()
    assert certificate.passed, [check for check in certificate.checks if not check.passed]


def test_weights_of_each_file_format_and_what_is_not_this_net(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from bakeoff.errors import DataError
    from bakeoff.zoo.opening import fill_torch

    trained, fresh = net(), net()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter))
    state = trained.state_dict()
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "a.pth"
    )
    torch.save(state, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "c.safetensors")
    for name in ("a.pth", "b.pth", "c.safetensors"):
        module = net()
        fill_torch(module, tmp_path / name)
        assert all(torch.equal(tensor, state[key]) for key, tensor in module.state_dict().items()), name
    torch.save({**state, "head.weight": torch.zeros(7, 8)}, tmp_path / "d.pth")
    with pytest.raises(DataError, match=r"head.weight has shape \[7, 8\], the net expects \[5, 8\]"):
        fill_torch(fresh, tmp_path / "d.pth")
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), net().parameters(), strict=True))


def one(forward: Any, channels: int = 3, classes: int = 5) -> Any:
    """A user's own net: a convolution, a function of the user's, a head."""
    import torch
    from torch import nn

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(channels, 6, 3, stride=2)
            self.head = nn.Linear(6, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return forward(self, x)  # type: ignore[no-any-return]

    torch.manual_seed(0)
    return Own()


def plain(self: Any, x: Any) -> Any:
    return self.head(self.stem(x).relu().mean((2, 3)))


def test_dropout_by_function_is_silenced_while_training_is_checked(tmp_path: Path) -> None:
    from torch.nn import functional as F

    def forward(self: Any, x: Any) -> Any:
        return self.head(F.dropout(self.stem(x).mean((2, 3)), 0.3, self.training))

    assert checked(tmp_path, one(forward)).passed


def test_dropout_in_prediction_is_refused(tmp_path: Path) -> None:
    from torch.nn import functional as F

    def forward(self: Any, x: Any) -> Any:
        return self.head(F.dropout(self.stem(x), 0.3).mean((2, 3)))

    with pytest.raises(UnsupportedError, match="noise in prediction"):
        checked(tmp_path, one(forward))


@pytest.mark.parametrize("name", ["Auxiliary", "Filters", "Recurrent"])
def test_what_is_counted_with_passengers_buffers_and_two_biases(tmp_path: Path, name: str) -> None:
    """An auxiliary head, buffers as kernels, LSTMs: every check passes, the counts among them."""
    import plain_nets
    import torch

    torch.manual_seed(0)
    module = getattr(plain_nets, name)()

    accept = ("outputs",) if name == "Auxiliary" else ()
    with InProcess(request(tmp_path / "net", accept=accept), module, plain_nets.SIZE) as work:
        certificate = work.check()
    assert certificate.passed, [check for check in certificate.checks if not check.passed]
    detail = next(check.detail for check in certificate.checks if check.name == "trainable")
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert detail.startswith(f"{trained:,} of {trained:,}")


def test_what_a_net_does_in_training_alone_has_to_be_accepted(tmp_path: Path) -> None:
    """Spectral norm iterates while it trains; all else is checked as ever, and the certificate says what it isn't."""
    from torch.nn.utils.parametrizations import spectral_norm

    module = net()
    spectral_norm(module.mix)
    with pytest.raises(DeclaredError, match=r"state \(mix.*\): in training it changes its _u, _v"):
        checked(tmp_path, module)
    with InProcess(request(tmp_path / "net", accept=("state",)), module) as work, Delivery(work) as delivery:
        certificate = work.check()
        assert not list(tmp_path.iterdir())
        certificate = replace(certificate, checks=(*certificate.checks, *delivery.write()))
        done = delivery.finish(certificate)
    assert (certificate.passed, certificate.verdict) == (True, "declared")
    (row,) = json.loads(done.path.read_text())["declared"]
    assert (row["name"], row["where"]) == ("state", ["mix.parametrizations.weight.0"])
    assert 0 < row["effect"] < 1
    assert done.result["summary"].endswith("; declared: state")
    assert read(tmp_path / "net").extra["declared"][0].startswith("state (mix")


def test_casts_inside_the_source_are_left_out_where_float64_is_compared(tmp_path: Path) -> None:
    def forward(self: Any, x: Any) -> Any:
        x = self.stem(x).flatten(2)
        weights = (x.float() @ x.float().transpose(1, 2)).softmax(-1, dtype=x.float().dtype)
        return self.head((weights.type_as(x) @ x).relu().mean(2))

    with InProcess(request(tmp_path / "net"), one(forward)) as work:
        assert work.check().passed
        assert any("casts to fewer bits" in note for note in work.described.notes)


def test_a_rounding_to_16_bits_is_another_function(tmp_path: Path) -> None:
    def forward(self: Any, x: Any) -> Any:
        return self.head(self.stem(x).half().float().relu().mean((2, 3)))

    with pytest.raises(UnsupportedError, match=r"rounds to float16(.|\n)*test_convert_torch.py"):
        checked(tmp_path, one(forward))


def test_grey_images(tmp_path: Path) -> None:
    with InProcess(request(tmp_path / "net"), one(plain, channels=1)) as work:
        assert work.check().passed
        assert work.described.channels == 1


def test_a_single_logit_has_gradients(tmp_path: Path) -> None:
    with InProcess(request(tmp_path / "net"), one(plain, classes=1)) as work:
        assert work.check().passed
        assert all(map(np.any, work.trace("source").of("training").values()))


def test_logits_without_classes_cant_be_checked_in_training(tmp_path: Path) -> None:
    net = one(lambda self, x: plain(self, x).squeeze(1), classes=1)
    with pytest.raises(UnsupportedError, match="quick"):
        checked(tmp_path, net)
    assert checked(tmp_path, net, check="quick").passed


def test_a_net_that_its_target_builds_for_one_size_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.conversion import work as works

    ask_target = works.ask_target

    def fixed_alone(session: Any, reporter: Any, *, folder: str, **call: Any) -> Any:
        if not all(isinstance(side, int) for side in read(Path(folder) / "captured").graph.input_shape[1:3]):
            raise UnsupportedError("it needs a fixed size")
        return ask_target(session, reporter, folder=folder, **call)

    monkeypatch.setattr(works, "ask_target", fixed_alone)
    with InProcess(request(tmp_path / "net"), one(plain)) as work:
        certificate = work.check()
        assert certificate.passed
        assert work.described.fixed
        assert any("24 x 16" in note for note in work.described.notes)
    assert not [check.name for check in certificate.checks if check.name.startswith("logits.size_")]


def test_a_hook_on_a_gradient_is_refused(tmp_path: Path) -> None:
    """The copy that is asked would train without it, and the certificate be wrong."""
    hooked = net()
    handle = hooked.head.weight.register_hook(lambda gradient: 10 * gradient)
    with pytest.raises(UnsupportedError, match=r"head.weight has a hook on its gradient"):
        checked(tmp_path, hooked)
    handle.remove()
    assert checked(tmp_path, hooked).passed


def test_what_cannot_be_asked_says_so(tmp_path: Path) -> None:
    """A net without anything to train has no training to check; NumPy has no bfloat16, which is widened."""
    assert checked(tmp_path, net().bfloat16()).passed
    certificate = checked(tmp_path, net().requires_grad_(False))
    assert certificate.passed
    assert "gradients.training" not in {one.name for one in certificate.checks}
