"""Pages of plain code: they run where Bakeoff can't be imported, give the graph's logits, and fold what repeats."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TORCH_CASE = """
import sys
from pathlib import Path
import numpy as np
import torch
from torch import nn
from bakeoff.exports.source import write
from bakeoff.frameworks.torch.build import build
from bakeoff.frameworks.torch.capture import capture


class Block(nn.Module):
    def __init__(self, inside, outside, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside, eps=1e-3, momentum=0.2)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1)
        same = stride == 1 and inside == outside
        self.downsample = None if same else nn.Sequential(nn.Conv2d(inside, outside, 1, stride), nn.Dropout(0.1))

    def forward(self, x):
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(self.conv2(torch.relu(self.bn1(self.conv1(x)))) + shortcut)


class Made(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.5]))
        self.layer1 = nn.Sequential(Block(3, 8, 1), Block(8, 8, 1), Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.twice = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        a, b = self.layer2(self.layer1(x)).mean((2, 3)).chunk(2, 1)
        y = self.twice(torch.cat([b, a], 1)) * self.scale
        return self.head(self.twice(y))


torch.manual_seed(0)
net = Made()
net.layer1[0].conv1.requires_grad_(False)
graph = capture(net, input_size=(16, 16)).graph
folder = Path(sys.argv[1])
write(graph, "torch", folder, "made")
built = build(graph).module
images = torch.randn(3, 3, 16, 16)
given = {"images": images, "logits": built(images)}
torch.manual_seed(1)
built.train()
given["trained"] = built(images)
state = [value for name, value in built.state_dict().items() if name.endswith("running_var")]
given["variances"] = torch.cat(state)
given["learned"] = torch.tensor(sum(one.numel() for one in built.parameters() if one.requires_grad))
np.savez(folder / "given.npz", **{name: value.detach().numpy() for name, value in given.items()})
"""
TORCH_TRIAL = """
import sys
sys.modules["bakeoff"] = None
import numpy as np
import torch
sys.path.insert(0, sys.argv[1])
import model
given = {name: torch.from_numpy(array) for name, array in np.load(sys.argv[1] + "/given.npz").items()}
net = model.load()
torch.testing.assert_close(net(given["images"]), given["logits"], rtol=1e-5, atol=1e-5)
torch.manual_seed(1)
net.train()
torch.testing.assert_close(net(given["images"]), given["trained"], rtol=1e-5, atol=1e-5)
state = torch.cat([value for name, value in net.state_dict().items() if name.endswith("running_var")])
torch.testing.assert_close(state, given["variances"])
assert sum(one.numel() for one in net.parameters() if one.requires_grad) == int(given["learned"])
"""
KERAS_CASE = """
import sys
from pathlib import Path
import keras
import numpy as np
from keras import layers
from bakeoff.exports.source import write
from bakeoff.frameworks._keras.build import build
from bakeoff.frameworks._keras.capture import capture


def block(x, filters, strides, name):
    y = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    y = layers.BatchNormalization(epsilon=1e-4, momentum=0.8, name=f"{name}_bn")(y)
    if x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, strides=strides, name=f"{name}_shortcut")(x)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))


keras.utils.set_random_seed(0)
inputs = x = keras.Input((16, 16, 3))
for number, filters in enumerate((8, 8, 8, 16, 16)):
    x = block(x, filters, 2 if number == 3 else 1, f"stage_block{number}")
x = layers.Dropout(0.3, name="drop")(layers.GlobalAveragePooling2D(name="pool")(x))
net = keras.Model(inputs, layers.Dense(5, name="head")(x))
net.get_layer("stage_block0_conv").trainable = False
graph = capture(net).graph
folder = Path(sys.argv[1])
write(graph, "keras", folder, "made")
built = build(graph, batch_norm="stock").model
images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype("float32")
given = {"images": images, "logits": built(images, training=False)}
built(images, training=True)
given["variances"] = np.concatenate([np.asarray(v) for v in built.non_trainable_variables if "variance" in v.path])
given["learned"] = sum(int(np.prod(v.shape)) for v in built.trainable_variables)
np.savez(folder / "given.npz", **{name: np.asarray(value) for name, value in given.items()})
"""
KERAS_TRIAL = """
import sys
sys.modules["bakeoff"] = None
import numpy as np
sys.path.insert(0, sys.argv[1])
import model
given = np.load(sys.argv[1] + "/given.npz")
net = model.load()
np.testing.assert_allclose(np.asarray(net(given["images"], training=False)), given["logits"], rtol=1e-5, atol=1e-5)
net(given["images"], training=True)
found = np.concatenate([np.asarray(v) for v in net.non_trainable_variables if "variance" in v.path])
np.testing.assert_allclose(found, given["variances"], rtol=1e-5, atol=1e-6)
assert sum(int(np.prod(v.shape)) for v in net.trainable_variables) == int(given["learned"])
"""


def run(code: str, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def written(folder: Path, *cases: str) -> str:
    """The source that these cases wrote, and held to their nets."""
    for case in cases:
        run(case, folder)
    text = (folder / "model.py").read_text()
    assert "bakeoff" not in text
    assert max(map(len, text.splitlines())) <= 88
    return text


@pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")
def test_a_torch_file(tmp_path: Path) -> None:
    text = written(tmp_path, TORCH_CASE, TORCH_TRIAL)
    assert text.count("(nn.Module)") == 2  # one class for all five blocks, and the net
    assert "for _ in range(2)" in text or text.count("BasicBlock(8, 8") == 2
    assert "else nn.Identity()" in text


@pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow")
def test_a_keras_file(tmp_path: Path) -> None:
    text = written(tmp_path, KERAS_CASE, KERAS_TRIAL)
    assert text.count("def ") == 3  # the block, the net, load
    assert "for i in range(" in text


@pytest.mark.skipif(find_spec("timm") is None, reason="needs timm")
def test_the_command(tmp_path: Path) -> None:
    words = ["timm/test_vit", "--random-weights", "--to", "torch", "--source", "--check", "quick", "--json", "--output"]
    line = [sys.executable, "-m", "bakeoff", "convert", *words, str(tmp_path / "vit")]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    names = {check["name"] for check in json.loads(done.stdout)["checks"] if check["passed"]}
    assert {"page.logits", "page.trainable"} <= names
    names = {path.name for path in (tmp_path / "vit").iterdir()}
    assert names == {"model.py.certificate.json", "model.py", "weights.pt"}
    refused = subprocess.run([*line[:-1], str(tmp_path), "--to", "onnx"], capture_output=True, text=True)
    assert refused.returncode != 0
    assert "torch and keras" in refused.stderr
    assert "Traceback" not in refused.stderr
