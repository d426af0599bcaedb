"""Folders of transformers through the command line: into Keras, trained there, back; a run on one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from test_convert import bakeoff

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(find_spec(name) is None for name in ("torch", "transformers", "tensorflow")), reason="needs transformers"
    ),
]
MAKE = """
import json, sys, torch
from pathlib import Path
from bakeoff.preprocessing import Signature
from bakeoff.zoo.sources import transformers as source
torch.manual_seed(0)
row = json.loads(Path(sys.argv[1]).read_text())["vit"]
names = {0: "cat", 1: "dog", 2: "newt"}
net = source.made({**row["config"], "id2label": names, "label2id": {v: k for k, v in names.items()}})
source.save(net, Path("vit"), Signature((32, 32), mean=(0.5,), std=(0.5,)), None)
"""
TRAIN = """
import keras, numpy as np
model = keras.saving.load_model("vit.keras")
model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
draw = np.random.default_rng(0)
model.fit(draw.normal(size=(8, 32, 32, 3)), np.arange(8) % 3, verbose=0)
model.save("trained.keras")
np.save("images.npy", images := draw.normal(size=(2, 32, 32, 3)).astype("float32"))
np.save("logits.npy", model.predict(images, verbose=0))
"""
ASK = """
import json, sys, numpy as np, torch, transformers
net, info = transformers.AutoModelForImageClassification.from_pretrained(sys.argv[1], output_loading_info=True)
processor = transformers.AutoImageProcessor.from_pretrained(sys.argv[1])
apart = None
if len(sys.argv) > 2:
    images = torch.from_numpy(np.load("images.npy").transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        apart = float(np.abs(net(images).logits.numpy() - np.load("logits.npy")).max())
bad = sum(len(value) for value in info.values())
print(json.dumps([bad, list(net.config.id2label.values()), dict(processor.size), apart]))
"""


def python(folder: Path, code: str, *words: object) -> str:
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    python(tmp_path, MAKE, Path(__file__).parents[2] / "bench" / "transformers.json")
    return tmp_path


def test_a_folder_and_its_certificate(place: Path) -> None:
    words = ("convert", "vit", "--to", "torch", "--check", "quick", "--output", "again", "--json")
    found = bakeoff(place, *words)
    assert found["checks"][-1]["name"] == "output.bits"
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        assert (place / "again" / name).read_bytes() == (place / "vit" / name).read_bytes()
    (place / "vit" / "notes.txt").write_text("what else lies in a folder is nobody's business")
    assert bakeoff(place, "verify", "again.certificate.json", "--json")["passed"]
    value = json.loads((place / "vit" / "config.json").read_text())
    (place / "vit" / "config.json").write_text(json.dumps({**value, "hidden_act": "relu"}))
    assert "was changed" in bakeoff(place, "verify", "again.certificate.json", code=8)["err"]


def test_into_keras_trained_there_and_back(place: Path) -> None:
    bakeoff(place, "convert", "vit", "--to", "keras", "--output", "vit.keras", "--json")
    python(place, TRAIN)
    bakeoff(place, "convert", "vit", "--weights", "trained.keras", "--to", "torch", "--output", "trained", "--json")
    bad, names, size, apart = json.loads(python(place, ASK, "trained", "images"))
    assert (bad, names) == (0, ["cat", "dog", "newt"])
    assert (size["height"], size["width"]) == (32, 32)
    assert apart < 1e-5
    quick = ("--check", "quick", "--json")
    bakeoff(place, "convert", "trained", "--to", "bundle", "--output", "held", *quick)
    bakeoff(place, "convert", "held", "--to", "torch", "--output", "back", *quick)
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        assert (place / "back" / name).read_bytes() == (place / "trained" / name).read_bytes()


def test_a_run_becomes_a_folder_with_its_classes(place: Path) -> None:
    bakeoff(place, "data", "sample", "digits", "digits", "--json")
    words = ("--backbone", "vit", "--framework", "torch", "--phases", "probe", "--run", "run", "--json")
    bakeoff(place, "train", "digits", *words)
    bakeoff(place, "convert", "run", "--to", "torch", "--output", "digits-vit", "--check", "quick", "--json")
    bad, names, _, _ = json.loads(python(place, ASK, "digits-vit"))
    assert (bad, names) == (0, [str(number) for number in range(10)])
