"""`verify` accepts what `convert` wrote, and what is written twice is the same: models of all kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tampering import bundle

from bakeoff.bundle import write as write_bundle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(any(find_spec(name) is None for name in ("timm", "tensorflow")), reason="needs the frameworks"),
]
OWN = {
    "own.keras": """
import os; os.environ["KERAS_BACKEND"] = "tensorflow"
import keras; L = keras.layers
x = keras.Input((24, 16, 3)); y = L.RandomFlip()(L.Rescaling(1 / 127.5, offset=-1)(x))
y = L.BatchNormalization(momentum=0.8)(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(y))
y = L.SeparableConv2D(8, 3, padding="same")(L.Activation("gelu")(y))
inner = keras.Sequential([keras.Input((12, 8, 8)), L.Conv2D(8, 1, activation="swish"), L.Dropout(0.5)])
y = L.AveragePooling2D(3, 2, padding="same")(L.Add()([y, inner(y)]) * 2 + 1)
keras.Model(x, L.Dense(5, activation="softmax")(L.GlobalAveragePooling2D()(y))).save("own.keras")
""",
    "own.h5": """
import os; os.environ["KERAS_BACKEND"] = "tensorflow"
import keras; L = keras.layers
keras.Sequential([keras.Input((16, 16, 3)), L.Conv2D(4, 3), L.ReLU(), L.Flatten(), L.Dense(3)]).save("own.h5")
""",
    "own.pt2": """
import torch; from torch import nn
net = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.SiLU(),
                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()
batch = {0: torch.export.Dim("batch")}
torch.export.save(torch.export.export(net, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=(batch,)), "own.pt2")
""",
}
NAMED = "--random-weights --check quick"
SMALL = f"{NAMED} --input-size 64"
MODELS = [
    ("timm/test_resnet", "keras", "a.keras", "--random-weights"),
    ("timm/test_resnet", "torch", "a.pth", NAMED),
    ("timm/test_resnet", "torch", "a.safetensors", NAMED),
    ("timm/test_resnet", "torch", "a.pt2", NAMED),
    ("timm/test_resnet", "onnx", "a.onnx", NAMED),
    ("timm/test_resnet", "bundle", "a", NAMED),
    ("timm/test_resnet", "torch", "page", f"{NAMED} --source"),
    ("timm/test_vit", "keras", "vit.keras", NAMED),
    ("timm/test_vit", "keras", "vit", f"{NAMED} --source"),
    ("timm/test_convnext", "keras", "convnext.keras", NAMED),
    ("timm/test_efficientnet", "keras", "efficientnet.keras", NAMED),
    ("torchvision/resnet18", "keras", "resnet18.keras", SMALL),
    ("torchvision/googlenet", "keras", "googlenet.keras", f"{SMALL} --accept outputs"),
    ("keras/MobileNetV2", "keras", "mobilenet.keras", SMALL),
    ("keras/MobileNetV2", "torch", "mobilenet.pt2", SMALL),
    ("own.keras", "torch", "k.pt2", "--accept augmentation"),
    ("own.keras", "torch", "k.pt", "--check quick --accept augmentation"),
    ("own.keras", "keras", "k.keras", "--check quick"),
    ("own.keras", "onnx", "k.onnx", "--check quick"),
    ("own.keras", "keras", "k", "--check quick --source --accept augmentation"),
    ("own.h5", "torch", "h.pt2", "--check quick"),
    ("own.h5", "keras", "h.keras", "--check quick"),
    ("own.pt2", "keras", "p.keras", "--check quick"),
    ("own.pt2", "bundle", "p", "--check quick"),
    ("net", "keras", "b.keras", "--check quick"),
    ("net", "torch", "b.safetensors", "--check quick"),
    ("net", "bundle", "b", "--check quick"),
]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sources of one's own."""
    folder = tmp_path_factory.mktemp("sources")
    for code in OWN.values():
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    write_bundle(folder / "net", bundle())
    return folder


def bakeoff(folder: Path, *words: str, seed: int) -> None:
    line = [sys.executable, "-m", "bakeoff", *words, "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(("source", "to", "output", "options"), MODELS, ids=[f"{m[0]} {m[2]}" for m in MODELS])
def test_verified_and_written_again(
    source: str, to: str, output: str, options: str, sources: Path, tmp_path: Path
) -> None:
    written = []
    for seed in (1, 2):
        place = tmp_path / str(seed) / output
        place.parent.mkdir()
        words = ["convert", str(sources / source) if (sources / source).exists() else source]
        bakeoff(sources, *words, "--to", to, "--output", str(place), *options.split(), seed=seed)
        files = [path for path in place.parent.rglob("*") if path.is_file() and "certificate" not in path.name]
        written.append({path.relative_to(place.parent): path.read_bytes() for path in files})
    assert written[0] == written[1]
    (certificate,) = (tmp_path / "2").rglob("*.certificate.json")
    bakeoff(tmp_path, "verify", str(certificate), seed=3)


def test_after_another_net_in_one_process(sources: Path, tmp_path: Path) -> None:
    code = """
import sys
from bakeoff.conversion.api import convert_source
if __name__ == "__main__":
    for source, output in zip(sys.argv[1::2], sys.argv[2::2]):
        convert_source(source, "keras", output, check="quick")
"""
    (tmp_path / "convert.py").write_text(code)
    pairs = [
        [str(sources / source), str(tmp_path / name)] for source, name in (("own.pt2", "a.keras"), ("net", "b.keras"))
    ]
    for names in ([*pairs[0], *pairs[1]], [pairs[1][0], str(tmp_path / "alone.keras")]):
        subprocess.run([sys.executable, str(tmp_path / "convert.py"), *names], check=True, capture_output=True)
    assert (tmp_path / "b.keras").read_bytes() == (tmp_path / "alone.keras").read_bytes()
