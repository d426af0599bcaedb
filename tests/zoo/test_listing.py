"""The catalogue of other libraries' models: listed and searched without importing a framework."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bakeoff import zoo
from bakeoff.errors import MissingDependencyError, UsageError
from bakeoff.zoo import listing

SAFE = ("apache-2.0", "mit", "cc-by-4.0", "BSD-3-Clause")
CAREFUL = (
    "cc-by-nc-4.0",
    "CC-BY-NC-4.0 (SWAG)",
    "fair-noncommercial-research-license",
    "other",
    "dinov3-license",
    None,
)


def test_searching_imports_no_framework() -> None:
    code = (
        "import sys; from bakeoff import zoo; zoo.search('resnet'); zoo.entry('timm/resnet50');"
        "print([m for m in ('torch', 'keras', 'timm', 'torchvision', 'tensorflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "parameters", "size", "file"),
    [
        ("torchvision/resnet18", 11_689_512, (224, 224, 3), "resnet18-f37072fd.pth"),
        ("torchvision/inception_v3", 27_161_264, (299, 299, 3), "inception_v3_google-0cc3c7bd.pth"),
        ("keras/Xception", 22_855_952, (299, 299, 3), "xception_weights_tf_dim_ordering_tf_kernels.h5"),
        ("keras/MobileNetV2", 3_504_872, (224, 224, 3), "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"),
    ],
)
def test_known_models(name: str, parameters: int, size: tuple[int, ...], file: str) -> None:
    entry = zoo.entry(name)
    assert (entry.parameters, entry.input_size, entry.classes) == (parameters, size, 1000)
    assert entry.weights[0].file == file
    assert entry.weights[0].address.endswith(f"/{file}")


def test_the_default_weights_come_first() -> None:
    assert zoo.entry("torchvision/resnet50").weights[0].name == "IMAGENET1K_V2"
    assert zoo.entry("torchvision/resnet50").weights_named("IMAGENET1K_V1").file == "resnet50-0676ba61.pth"


def test_every_word_must_be_there() -> None:
    found = {entry.name for entry in zoo.search("resnet 50", "torchvision")}
    assert {"torchvision/resnet50", "torchvision/wide_resnet50_2"} <= found
    assert all("resnet" in name and "50" in name for name in found)
    assert {entry.source for entry in zoo.search("mobilenet")} == set(zoo.libraries())


def test_what_is_unknown_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no model 'resnet1'; did you mean 'resnet18'\?"):
        zoo.entry("torchvision/resnet1")
    with pytest.raises(UsageError, match=r"--source torchvison: no such source; did you mean 'torchvision'"):
        zoo.search("x", "torchvison")
    with pytest.raises(UsageError, match="has no weights 'IMAGENET1K_V3'; did you mean"):
        zoo.entry("torchvision/resnet18").weights_named("IMAGENET1K_V3")


def test_a_missing_library_is_named_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing.importlib.util, "find_spec", lambda name: None)
    assert zoo.entry("torchvision/resnet18").parameters
    with pytest.raises(MissingDependencyError, match=r"bakeoff\[zoo\]"):
        listing.require("torchvision")
    with pytest.raises(MissingDependencyError, match=r"bakeoff\[zoo\]"):
        zoo.entry("torchvision/resnet2050")


@pytest.mark.parametrize("licence", SAFE)
def test_free_licences_need_no_warning(licence: str) -> None:
    assert listing.WeightsFile("a", "f", "http://x", licence).caution is None


@pytest.mark.parametrize("licence", CAREFUL)
def test_other_licences_do(licence: str | None) -> None:
    assert listing.WeightsFile("a", "f", "http://x", licence).caution


def test_what_is_a_name_and_what_a_path() -> None:
    assert zoo.is_name("timm/resnet50")
    assert not any(map(zoo.is_name, ("runs/resnet50", "timm/", "model.keras", "./timm/x")))
    assert listing.split("timm/resnet50.a1_in1k") == ("timm", "resnet50", "a1_in1k")
    assert listing.split("torchvision/resnet50@IMAGENET1K_V1") == ("torchvision", "resnet50", "IMAGENET1K_V1")


def test_catalogues_are_whole() -> None:
    for name in zoo.libraries():
        value = json.loads((listing.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert value["models"]
        for model, entry in zoo.offered(name).items():
            assert entry.model == model
            assert all(weights.address.startswith("https://") for weights in entry.weights), model
    assert len(listing.imagenet()) == 1000
