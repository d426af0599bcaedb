"""What only a GPU shows. Each test asks a process of its own, so that no framework meets another one.

`BAKEOFF_TEST_DEVICE=cpu` runs them on the CPU instead: a rehearsal, that says nothing of a GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bakeoff
from bakeoff.bundle import read
from bakeoff.rundir.readers import read_lines

DEVICE = os.environ.get("BAKEOFF_TEST_DEVICE", "cuda")
THERE = len(list(Path("/dev").glob("nvidia[0-9]*"))) if DEVICE == "cuda" else 2
pytestmark = pytest.mark.skipif(not THERE, reason="no NVIDIA GPU here")

RECIPE = """
[model]
name = "mnist_cnn"

[input]
mean = [0.1307]
std = [0.3081]

[augment]
preset = "light"

[[phases]]
strategy = "finetune"
epochs = 1
batch_size = 32
optimizer = { name = "sgd", momentum = 0.9 }
schedule.peak = 0.01
"""
LOSS = {"float64": 1e-12, "float32": 2.0**-8}  # TensorFloat-32, which products take there, has 11 bits; so 8 of a loss
WEIGHTS = {"float64": 1e-10, "float32": 2.0**-6}
FED = """
import sys
import numpy as np
from bakeoff import frameworks
from bakeoff.models import mnist_cnn
from bakeoff.preprocessing import Signature
from bakeoff.preprocessing.normalize import normalize
framework, device = sys.argv[1:]
signature = Signature((28, 28), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), channel_order="BGR")
net = frameworks.load(framework).native(mnist_cnn.build(channels=3), device=device)
feed = net.feed(signature)
assert (feed is None) == (device == "cpu"), feed
pixels = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 3), dtype=np.uint8)
for _ in range(20) if feed else ():
    found = np.asarray(feed.normal(feed.put(pixels)).cpu() if framework == "torch" else feed.normal(feed.put(pixels)))
    assert np.array_equal(found, normalize(pixels, signature))
"""
MEMORY = """
import sys
import numpy as np
import torch
from bakeoff import frameworks
from bakeoff.models import mnist_cnn
from bakeoff.preprocessing import Signature
net = frameworks.load("torch").native(mnist_cnn.build(), device=sys.argv[1])
net.compile("adam", {}, "softmax_cross_entropy")
feed = net.feed(Signature((28, 28), channels=1))
pixels, labels = np.zeros((256, 28, 28, 1), np.uint8), np.zeros(256, np.int64)
held = []
for _ in range(4):
    for _ in range(25):
        net.steps([feed.normal(feed.put(pixels)) for _ in range(4)], [labels] * 4, [1e-3] * 4)
    held.append(torch.cuda.memory_allocated())
assert held[-1] <= held[0], held
del net, feed
import gc
gc.collect()
assert torch.cuda.memory_allocated() < held[0] / 4, (torch.cuda.memory_allocated(), held)
"""


@cache
def sees(framework: str) -> bool:
    """Whether the framework sees a GPU."""
    asked = f"from bakeoff import frameworks; print(frameworks.load({framework!r}).found_device())"
    return find_spec(framework) is not None and (DEVICE == "cpu" or "cuda" in script(asked))


def script(text: str, *arguments: str) -> str:
    """What a process of its own prints."""
    found = subprocess.run([sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout


@pytest.fixture(params=["torch", "tensorflow", "jax"])
def framework(request: pytest.FixtureRequest) -> str:
    if not sees(request.param):
        pytest.skip(f"{request.param} sees no GPU here, or isn't installed")
    return str(request.param)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "digits.npz"
    labels = np.arange(360) % 10
    pixels = (20 * labels[:, None, None] + draw.integers(0, 60, (360, 28, 28))).astype(np.uint8)
    np.savez(path, x_train=pixels[:320], y_train=labels[:320], x_test=pixels[320:], y_test=labels[320:])
    return path


def trained(data: Path, run: Path, framework: str, device: str, **more: Any) -> tuple[list[float], dict[str, Any]]:
    """Losses and weights."""
    recipe = run.with_suffix(".toml")
    recipe.write_text(RECIPE + ('batch_norm = "frozen"\n' if "reduce" in more else ""))  # a part's isn't the batch's
    options = bakeoff.Options(threads=None if "workers" in more else 1, checkpoint_every=None, **more)
    bakeoff.train(data, str(recipe), framework=framework, run=run, device=device, quiet=True, options=options)
    rows = [row["loss"] for row in read_lines(run / "metrics.jsonl")]
    return rows, read(run / "bundle").graph.arrays()


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    top = max(float(np.abs(array).max()) for array in other.values())
    return max(float(np.abs(one[name] - array).max()) for name, array in other.items()) / top


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_its_steps_are_the_cpus(framework: str, precision: str, digits: Path, tmp_path: Path) -> None:
    losses, weights = trained(digits, tmp_path / "there", framework, DEVICE, precision=precision)
    expected, others = trained(digits, tmp_path / "here", framework, "cpu", precision=precision)
    assert len(losses) == len(expected) > 4
    assert abs(losses[0] / expected[0] - 1) <= LOSS[precision]
    assert apart(weights, others) <= WEIGHTS[precision]


def test_bytes_become_the_cpus_numbers(framework: str) -> None:
    script(FED, framework, DEVICE)


@pytest.mark.skipif(DEVICE == "cpu", reason="a GPU's memory")
def test_memory_is_returned() -> None:
    if not sees("torch"):
        pytest.skip("PyTorch sees no GPU here")
    script(MEMORY, DEVICE)


@pytest.mark.skipif(THERE < 2, reason="fewer than two NVIDIA GPUs here, and NCCL is between two")
def test_two_of_them_add_natively(framework: str, digits: Path, tmp_path: Path) -> None:
    two, weights = trained(digits, tmp_path / "two", framework, DEVICE, workers=2, reduce="native", precision="float64")
    one, others = trained(digits, tmp_path / "one", framework, DEVICE, workers=1, reduce="native", precision="float64")
    assert abs(two[0] / one[0] - 1) <= LOSS["float64"]
    assert apart(weights, others) <= WEIGHTS["float64"]
