"""From recipe and images to signature and graph."""

from __future__ import annotations

from pathlib import Path

import pytest
from rooms import small, write_images

from bakeoff.data import Data, read_data
from bakeoff.errors import BakeoffError, UsageError
from bakeoff.recipe import load, loads, with_overrides
from bakeoff.recipe.schema import Recipe
from bakeoff.training.setup import outputs_of, start

LITE = '[model]\nbackbone = "efficientnet_lite0"\n'
PROBE = '\n[[phases]]\nstrategy = "probe"\n'
FINETUNE = '\n[[phases]]\nstrategy = "finetune"\n'


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("three"), a=5, b=5, c=5)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return small(tmp_path_factory.mktemp("two"), a=5, b=5)


def mlp(*overrides: str) -> Recipe:
    return with_overrides(load("mnist-mlp"), overrides) if overrides else load("mnist-mlp")


def test_what_the_recipe_leaves_open_comes_from_the_data(three: Data) -> None:
    found = start(mlp(), three, seed=0)
    signature = found.signature
    assert (signature.size, signature.channels, signature.fit, signature.resize) == ((4, 4), 1, "stretch", "bilinear")
    assert (signature.mean, signature.std) == ((0.0,), (1.0,))
    assert found.graph.output_shape[-1] == 3
    assert found.graph.input_shape[1:] == (4, 4, 1)
    assert found.features is None


def test_what_the_recipe_says_goes_before_the_data(three: Data) -> None:
    asked = ["input.size=[6,8]", "input.channels=3", "input.mean=[0.5]", "input.std=[0.25]", "input.resize=bicubic"]
    signature = start(mlp(*asked), three, seed=0).signature
    assert (signature.size, signature.channels, signature.resize) == ((6, 8), 3, "bicubic")
    assert (signature.mean, signature.std) == ((0.5,) * 3, (0.25,) * 3)


def test_a_number_of_means_that_fits_no_channels_is_refused(three: Data) -> None:
    with pytest.raises(UsageError, match="mean"):
        start(mlp("input.mean=[0.5,0.5]"), three, seed=0)


def test_the_seed_draws_the_start_weights(three: Data) -> None:
    first, again, other = (start(mlp(), three, seed=seed).graph.arrays() for seed in (0, 0, 1))
    assert all((first[path] == again[path]).all() for path in first)
    assert any((first[path] != other[path]).any() for path in first)


def test_images_of_many_sizes_need_a_size(tmp_path: Path) -> None:
    write_images(tmp_path / "x", {"a": 4})
    write_images(tmp_path / "x", {"b": 4}, size=(5, 4))
    data = read_data(tmp_path / "x")
    with pytest.raises(UsageError, match=r"--set input\.size=") as caught:
        start(mlp(), data, seed=0)
    assert "different sizes" in str(caught.value)
    assert start(mlp("input.size=[4,4]"), data, seed=0).signature.size == (4, 4)


def test_a_binary_loss_has_one_logit_and_two_classes(two: Data, three: Data) -> None:
    binary = mlp("model.loss=binary_cross_entropy")
    assert outputs_of(binary, two) == 1
    assert outputs_of(mlp(), two) == 2
    assert start(binary, two, seed=0).graph.output_shape[-1] == 1
    with pytest.raises(UsageError, match="has 3") as caught:
        outputs_of(binary, three)
    assert "softmax_cross_entropy" in str(caught.value)


def test_a_backbone_brings_its_own_signature_and_features(three: Data) -> None:
    found = start(loads(LITE + PROBE), three, seed=0)
    assert (found.signature.size, found.signature.fit, found.signature.resize_to) == ((224, 224), "crop", 256)
    assert found.signature.resize == "bicubic"
    assert found.features is not None
    assert found.features.output_shape[1:] == (1280,)
    assert found.graph.output_shape[-1] == 3
    assert found.licence
    head = {path for path in found.graph.parameters if path not in found.features.parameters}
    assert head == {"head.kernel", "head.bias"}


def test_what_isnt_kept_of_a_backbones_training_is_known(three: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.training import backbone

    own = start(loads(LITE + PROBE), three, seed=0)
    assert own.declared == ()
    given = (own.features, own.signature, None, ("outputs (Net): in training it gives 2 outputs",))
    monkeypatch.setattr(backbone, "features", lambda *_, **__: given)
    found = start(loads(LITE.replace("efficientnet_lite0", "torchvision/googlenet") + PROBE), three, seed=0)
    assert found.declared == ("torchvision/googlenet: outputs (Net): in training it gives 2 outputs",)


def test_a_backbone_of_another_size_forgets_what_it_was_cut_from(three: Data) -> None:
    found = start(loads(LITE + "\n[input]\nsize = [96, 96]\n" + PROBE), three, seed=0)
    assert (found.signature.size, found.signature.resize_to) == ((96, 96), None)
    stretched = start(loads(LITE + '\n[input]\nfit = "stretch"\n' + PROBE), three, seed=0)
    assert (stretched.signature.fit, stretched.signature.resize_to) == ("stretch", None)


def test_a_backbone_is_cut_at_a_stage(three: Data) -> None:
    from bakeoff.models import efficientnet_lite0

    whole = start(loads(LITE + PROBE), three, seed=0)
    stage = next(iter(efficientnet_lite0.STAGES))
    cut = start(loads(LITE + f'until = "{stage}"\n' + PROBE), three, seed=0)
    assert len(cut.graph.nodes) < len(whole.graph.nodes)
    assert cut.graph.output_shape[-1] == 3


def test_an_unknown_stage_is_answered_with_the_stages(three: Data) -> None:
    with pytest.raises(UsageError, match="--until nowhere") as caught:
        start(loads(LITE + 'until = "nowhere"\n' + PROBE), three, seed=0)
    from bakeoff.models import efficientnet_lite0

    assert all(stage in str(caught.value) for stage in efficientnet_lite0.STAGES)


def test_a_net_without_weights_is_no_backbone(three: Data) -> None:
    with pytest.raises(UsageError, match=r"--set model\.name=mnist_mlp"):
        start(loads('[model]\nbackbone = "mnist_mlp"\n' + PROBE), three, seed=0)


@pytest.mark.parametrize("key", ["name", "backbone"])
def test_an_unknown_model_is_named(three: Data, key: str) -> None:
    with pytest.raises(BakeoffError, match="mnist_cmm"):
        start(loads(f'[model]\n{key} = "mnist_cmm"\n' + (FINETUNE if key == "name" else PROBE)), three, seed=0)
