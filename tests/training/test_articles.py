"""The recipes of articles 000, 003 and 004 on other libraries' backbones: without weights they say what to fetch; with
drawn ones they train, in torch and in TensorFlow, and what comes out predicts.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bakeoff
from bakeoff.errors import DataError
from bakeoff.recipe import load, names
from bakeoff.recipe.schema import Recipe
from bakeoff.training.setup import start

FETCHED = {  # what each recipe needs from the network
    "cats-dogs-xception": "xception_weights_tf_dim_ordering_tf_kernels.h5",
    "photos-googlenet": "googlenet-1378be20.pth",
    "photos-mobilenetv2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
    "photos-mobilenetv2-two-steps": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
    "photos-resnet": "resnet50-",
}
SIZES = {"cats-dogs-xception": 71}  # the least that Xception takes; the others are tried at 64

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "torchvision", "tensorflow")),
    reason="needs torch, torchvision and tensorflow",
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of colour images, in the layout of article 003."""
    root, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 6)):
        for number, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = draw.integers(0, 120, (72, 80, 3)) + np.array([130, 60, 0])[:: 1 - 2 * number]
                Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{index:02d}.png")
    return root


def backbone(name: str) -> str:
    found: Recipe = load(name)
    assert found.model.backbone is not None
    return found.model.backbone


def test_every_recipe_on_another_librarys_backbone_is_here() -> None:
    others = {name for name in names() if "/" in (load(name).model.backbone or "")}
    assert others == set(FETCHED)


@pytest.mark.parametrize("name", FETCHED)
def test_without_its_weights_the_error_names_the_file(
    name: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEOFF_OFFLINE", "1")
    for variable in ("HF_HOME", "TORCH_HOME", "KERAS_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(DataError) as caught:
        start(load(name), bakeoff.read_data(images), 0)
    message = str(caught.value)
    assert FETCHED[name] in message
    assert "https://" in message
    assert caught.value.exit_code == 3


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("name", FETCHED)
def test_with_drawn_weights_it_trains_and_predicts(name: str, framework: str, images: Path, tmp_path: Path) -> None:
    probe = load(name).phases[0].strategy == "probe"
    if probe and framework != "torch":
        pytest.skip("a probe runs in ONNX Runtime, whatever framework was asked for")
    side = SIZES.get(name, 64)
    changes = [f"input.size=[{side},{side}]", *([] if probe else ["phases.0.epochs=1", "phases.0.batch_size=8"])]
    changes += ["phases.1.epochs=1", "phases.1.batch_size=8"] if len(load(name).phases) > 1 else []
    trained = bakeoff.train(
        images,
        name,
        framework=framework,
        run=tmp_path / "run",
        backbone=f"{backbone(name)}@random",
        overrides=changes,
        options=bakeoff.Options(threads=1),
    )
    result: dict[str, Any] = trained.result
    assert result["num_train"] == 24
    assert result["validation"]["num"] == 12
    assert result["framework"] == ("onnxruntime" if probe else framework)
    assert [phase["name"] for phase in result["phases"]] == [phase.strategy for phase in load(name).phases]
    run = bakeoff.load(trained.path)
    answers = run.predict(sorted(images.glob("validation/*/*.png"))[:3])
    assert len(answers) == 3
    if name == "cats-dogs-xception":  # one logit for two classes, the normalisation in the net's own signature
        assert run.graph.output_shape[-1] == 1
        assert run.signature.mean == run.signature.std == (0.5, 0.5, 0.5)
    exported = tmp_path / "net.onnx"
    command = [sys.executable, "-m", "bakeoff", "export", str(trained.path), "--to", "onnx", "--output", str(exported)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert exported.is_file()
