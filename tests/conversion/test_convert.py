"""Conversions from the command line to the file: names, weights, certificates, verify, and the way back."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bakeoff.checkpoints import read
from bakeoff.conversion.certificate import seal

needs = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "timm", "tensorflow")), reason="needs torch, timm and TensorFlow"
)


def bakeoff(folder: Path, *words: object, code: int = 0) -> dict[str, Any]:
    """Run a command line; the JSON that it prints."""
    line = [sys.executable, "-m", "bakeoff", *map(str, words)]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True)
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return dict(json.loads(done.stdout)) if done.stdout else {"err": done.stderr}


@needs
def test_quick(tmp_path: Path) -> None:
    words = (
        "timm/test_resnet",
        "--random-weights",
        "--to",
        "onnx",
        "--check",
        "quick",
        "--output",
        "net.onnx",
        "--json",
    )
    found = bakeoff(tmp_path, "convert", *words)
    assert found["passed"]
    assert (found["schema"], found["output"], found["source"]) == (1, "net.onnx", "timm/test_resnet")
    assert {"name", "difference", "tolerance", "passed"} <= set(found["checks"][0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "net.onnx.certificate.json"]
    again = json.loads((tmp_path / "net.onnx.certificate.json").read_text())
    assert again["checks"] == found["checks"]
    assert str(tmp_path) not in json.dumps(again)


@needs
def test_offline_without_weights_writes_nothing(tmp_path: Path) -> None:
    said = bakeoff(tmp_path, "convert", "timm/resnet50", "--to", "keras", "--offline", code=3)["err"]
    assert "model.safetensors" in said
    assert "https://huggingface.co/timm/resnet50.a1_in1k" in said
    assert not list(tmp_path.iterdir())


@needs
@pytest.mark.slow
def test_there_verified_and_back(tmp_path: Path) -> None:
    """Random weights to a state dict, that into Keras, verified, and from Keras back: the same bits."""
    convert = ("convert", "timm/test_resnet")
    bakeoff(tmp_path, *convert, "--random-weights", "--seed", 3, "--to", "torch", "--output", "a.safetensors", "--json")
    found = bakeoff(tmp_path, *convert, "--weights", "a.safetensors", "--to", "keras", "--output", "a.keras", "--json")
    names = {check["name"] for check in found["checks"]}
    assert {"gradients.training", "losses.training", "statistics.after", "statistics.stock", "output.logits"} <= names
    assert found["custom_objects"] == []
    assert bakeoff(tmp_path, "verify", "a.keras.certificate.json", "--json")["passed"]
    bakeoff(tmp_path, *convert, "--weights", "a.keras", "--to", "torch", "--output", "b.safetensors", "--json")
    a, b = read(tmp_path / "a.safetensors"), read(tmp_path / "b.safetensors")
    assert set(a) == set(b)
    assert all((a[name] == b[name]).all() for name in a if "num_batches" not in name)
    (tmp_path / "a.keras").write_bytes((tmp_path / "a.keras").read_bytes() + b"x")
    assert "was changed" in bakeoff(tmp_path, "verify", "a.keras.certificate.json", code=8)["err"]


@needs
@pytest.mark.slow
def test_plain_keras_opens_the_file(tmp_path: Path) -> None:
    words = (
        "torchvision/squeezenet1_1",
        "--random-weights",
        "--input-size",
        "64",
        "--to",
        "keras",
        "--output",
        "s.keras",
    )
    bakeoff(tmp_path, "convert", *words, "--check", "quick", "--json")
    code = (
        "import sys, keras; m = keras.saving.load_model('s.keras'); "
        "print(m.output_shape, 'bakeoff' in sys.modules, type(m).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "(None, 1000) False Functional", done.stderr[-500:]


@needs
@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("torch", "keras"), ("keras", "torch")])
def test_live_models_share_a_process(first: str, second: str, tmp_path: Path) -> None:
    """Whichever framework came first; a model of one's own."""
    make = {
        "torch": "import torch; from torch import nn; m = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4),"
        " nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))",
        "keras": "import keras; L = keras.layers; m = keras.Sequential([keras.Input((16, 24, 3)), L.Conv2D(4, 3),"
        " L.BatchNormalization(), L.ReLU(), L.RandomFlip(name='flip'), L.GlobalAveragePooling2D(),"
        " L.Dense(3, activation='softmax')])",
    }
    more = ", input_size=(16, 24)" if first == "torch" else ", accept='augmentation'"
    code = (
        f"{make[first]}\nimport bakeoff, random, sys\nimport numpy as np\n"
        "def states():\n"
        "    torch = sys.modules.get('torch')\n"
        "    return random.getstate(), str(np.random.get_state()), torch and torch.get_rng_state().tolist()\n"
        f"before = states()\nnative, certificate = bakeoff.convert(m, to='{second}'{more})\n"
        "assert before[:2] == states()[:2] and before[2] in (None, states()[2]), 'random states are as before'\n"
        "assert certificate.passed and len(certificate.checks) > 10\n"
        "import torch\n"
        "if isinstance(native, torch.nn.Module):\n"
        "    (lost,) = certificate.declared\n"
        "    assert (lost.name, lost.where, certificate.verdict) == ('augmentation', ('flip',), 'declared')\n"
        "    optimizer = torch.optim.SGD(native.parameters(), 0.1)\n"
        "    native.train()(torch.randn(2, 3, 16, 24)).sum().backward()\n"
        "    optimizer.step()\n"
        "else:\n"
        "    native.compile('sgd', 'mse')\n"
        "    import numpy as np\n"
        "    native.fit(np.zeros((2, 16, 24, 3)), np.zeros((2, 3)), verbose=0)\n"
        "print('trained')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip().endswith("trained"), done.stderr[-1500:]


@needs
@pytest.mark.slow
def test_what_isnt_kept_has_to_be_accepted_and_stands_in_the_certificate(tmp_path: Path) -> None:
    code = (
        "import keras; L = keras.layers; keras.Sequential([keras.Input((16, 24, 3)), L.RandomFlip(name='flip'),"
        " L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(3)]).save('flipped.keras')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    words = ("convert", "flipped.keras", "--to", "bundle", "--check", "quick", "--json")
    refused = bakeoff(tmp_path, *words, code=7)["err"]
    assert "augmentation (flip): in training it changes images (RandomFlip)" in refused
    assert "--accept augmentation" in refused
    assert [path.name for path in tmp_path.iterdir()] == ["flipped.keras"]
    line = [sys.executable, "-m", "bakeoff", *words[:-1], "--accept", "augmentation"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "augmentation (flip)" in " ".join(done.stdout.strip().rpartition("declared  ")[1:])
    path = tmp_path / "flipped.bundle.certificate.json"
    value = json.loads(path.read_text())
    assert value["verdict"] == "declared"
    assert bakeoff(tmp_path, "verify", path.name, "--json")["passed"]
    text = {**{key: one for key, one in value.items() if key != "seal"}, "declared": [], "verdict": "passed"}
    path.write_text(json.dumps({**text, "seal": seal(text)}))
    done = subprocess.run([*line[:3], "verify", path.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 7
    assert "certificate.declared" in done.stderr
