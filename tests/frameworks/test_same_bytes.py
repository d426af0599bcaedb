"""What is written depends on the graph alone: not on the process, what it made before, its hashes or the name."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bakeoff.bundle import Bundle
from bakeoff.bundle import write as write_bundle
from bakeoff.graph import Composer
from bakeoff.models import build
from bakeoff.ops._dimension import Dim
from bakeoff.preprocessing import Signature

pytestmark = [
    pytest.mark.torch,
    pytest.mark.tensorflow,
    pytest.mark.jax,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
FORMATS = {"torch": (".pt2", ".pt", ".safetensors", ".onnx", "", "/page"), "tensorflow": (".keras", "/page")}
FORMATS["jax"] = FORMATS["tensorflow"]


def bundles() -> dict[str, Bundle]:
    """Padding by hand, layouts that move, names that clash with those of helpers, dropout, what layers share."""
    net = Composer((Dim("batch"), 16, 16, 3), seed=0)
    x = net.add("conv2d", "pad", net.input, filters=4, kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1))
    x = net.add("batch_norm", "conv_pad", x)
    x = net.add("relu", "add", x)
    x = net.add("add", "relu", x, net.add("hardswish", "transpose", x))
    x = net.add("transpose", "permute", x, axes=(0, 3, 1, 2))
    x = net.add("dropout", "reshape", net.add("flatten", "flatten", x), rate=0.25)
    graphs = {"clashing": net.finish(net.add("dense", "logits", x, units=3))}
    graphs["mnist"] = build("mnist_cnn", input_size=(28, 28), channels=1, classes=3)
    return {
        name: Bundle(graph, Signature(tuple(graph.input_shape[1:3]), graph.input_shape[3]), ("cat", "dog", "owl"))  # type: ignore[arg-type]
        for name, graph in graphs.items()
    }


def written(framework: str, folder: Path, stem: str) -> dict[str, str]:
    """Every net in every format that this framework writes: SHA-256 by what it is."""
    if framework != "torch":
        os.environ["KERAS_BACKEND"] = framework
    found = {}
    for name, bundle in bundles().items():
        for kind in FORMATS[framework]:
            place = folder / f"{stem}-{name}{kind}".replace("/", "-")
            _write(framework, kind, bundle, place)
            files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
            for file in files:
                inner = file.name if place.is_dir() else ""
                found[f"{name}{kind} {inner}"] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def _write(framework: str, kind: str, bundle: Bundle, place: Path) -> None:
    from bakeoff.conversion.output import _rebuilt_state, write_state
    from bakeoff.exports.formats import keras, onnx, torch
    from bakeoff.exports.source import write as write_page

    if kind == "/page":
        place.mkdir()
        write_page(bundle.graph, "torch" if framework == "torch" else "keras", place, "net")
    elif kind in (".pt", ".safetensors"):
        write_state(_rebuilt_state(bundle), place)
    else:
        writers: dict[str, Any] = {".keras": keras.write, ".onnx": onnx.write, ".pt2": torch.write}
        writers.get(kind, lambda bundle, place: write_bundle(place, bundle))(bundle, place)


def test_written_twice(framework: str, tmp_path: Path) -> None:
    """Here, after all that this process has made; and in one with other hashes, under another name."""
    if framework != "torch":
        import keras

        keras.ops.pad(keras.layers.Reshape((4, 4, 1))(keras.Input((16,))), 1)
    here = written(framework, tmp_path, "here")
    if framework == "torch":  # its compiler leaves marks in what is exported after it has run
        import torch

        torch.compile(torch.nn.Linear(3, 3), backend="eager")(torch.zeros(2, 3))
    again = written(framework, tmp_path, "again")
    line = [sys.executable, __file__, framework, str(tmp_path)]
    there = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    assert there.returncode == 0, there.stderr[-2000:]
    assert here == again == json.loads(there.stdout)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files if sys.prefix.encode() in path.read_bytes()] == []


if __name__ == "__main__":
    print(json.dumps(written(sys.argv[1], Path(sys.argv[2]), "there")))
