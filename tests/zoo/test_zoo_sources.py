"""What the libraries' files say of images, sizes and names; each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from bakeoff.zoo.sources import torchvision as names

needs_torch = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "timm", "torchvision")), reason="needs timm and torchvision"
)


def said(code: str) -> object:
    done = subprocess.run([sys.executable, "-c", f"import json\n{code}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@needs_torch
def test_preprocessing_sizes_and_classes() -> None:
    code = """
from bakeoff.zoo.sources import timm, torchvision
a, b = timm.describe("resnet50"), torchvision.describe("inception_v3")
c = timm.build("test_vit", tag=None, classes=7)
d = torchvision.build("vit_b_16", tag="IMAGENET1K_SWAG_E2E_V1").image_size
print(json.dumps([a[0].to_json(), len(a[1]), b[0].to_json(), b[1][:1], c.num_classes, d]))
"""
    first, classes, second, tench, count, side = said(code)  # type: ignore[misc]
    assert (first["size"], first["resize"], first["resize_to"], classes) == ([224, 224], "bicubic", 235, 1000)
    assert (second["size"], second["resize"], second["resize_to"]) == ([299, 299], "bilinear", 342)
    assert (tench, count, side) == (["tench"], 7, 384)


@pytest.mark.skipif(find_spec("keras") is None, reason="needs Keras")
def test_every_constructor_of_keras_has_a_size() -> None:
    """MobileNetV3 is made for images of any."""
    from bakeoff.zoo import listing
    from bakeoff.zoo.sources import keras

    sizes = {name: keras.describe(name)[0].size for name in listing.offered("keras")}
    assert all(min(size) > 0 for size in sizes.values())
    assert sizes["MobileNetV3Small"] == (224, 224)


def test_modes_of_keras() -> None:
    from bakeoff.zoo.sources import keras

    modes = {name: keras.mode(name) for name in ("ResNet50", "ResNet50V2", "VGG16", "DenseNet121", "EfficientNetB0")}
    assert modes == {
        "ResNet50": "caffe",
        "ResNet50V2": "tf",
        "VGG16": "caffe",
        "DenseNet121": "torch",
        "EfficientNetB0": None,
    }
    signature, classes = keras.describe("ResNet50")
    assert signature.channel_order == "BGR"
    assert signature.mean[0] == pytest.approx(103.939 / 255)
    assert len(classes or ()) == 1000


def test_old_names_of_densenet() -> None:
    old = "features.denseblock1.denselayer2.norm.1.running_mean"
    assert names.rename(old) == "features.denseblock1.denselayer2.norm1.running_mean"
    assert names.rename("layer1.0.conv1.weight") == "layer1.0.conv1.weight"
