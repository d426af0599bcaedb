"""Exports that answer otherwise than their golden pictures say don't go live; a SavedModel is served as it answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from served import Client, b64, image

from bakeoff.errors import BakeoffError
from bakeoff.exports import export
from bakeoff.files import read_arrays
from bakeoff.serving import golden, serve
from bakeoff.serving.watcher import loaded

QUICK = {"rest_port": 0, "grpc_port": None, "grace_s": 0.0}


@pytest.mark.parametrize("name", ["net", "tags", "two"])
def test_an_export_goes_live_only_as_its_golden_pictures_say(name: str, bundles: Path, tmp_path: Path) -> None:
    export(bundles / name, to="onnx", output=tmp_path / "1" / "a.onnx")
    served = loaded(name, 1, tmp_path / "1", 16, False)
    assert golden.hold(tmp_path / "1" / "a.onnx", served) > 5
    beside = tmp_path / "1" / "a.onnx.golden.npz"
    arrays = read_arrays(beside)
    changes = {"probabilities": arrays["probabilities"] + 1e-3, "labels": np.roll(arrays["labels"], 1)}
    changes |= {"classes": arrays["classes"][::-1], "content": arrays["content"][:-9]}
    for key, value in changes.items():
        np.savez(beside, **{**arrays, key: value})
        if key == "labels" and len(set(arrays["labels"])) == 1:
            continue
        with pytest.raises(BakeoffError, match="golden"):
            loaded(name, 1, tmp_path / "1", 16, False)
    beside.write_bytes(b"junk")
    with pytest.raises(BakeoffError, match="golden"), serve({name: tmp_path / "1" / "a.onnx"}, **QUICK):
        pass


ASK = """
import json, sys, tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
if "serve_images" not in loaded.signatures:
    sys.exit(77)
files = [open(name, "rb").read() for name in sys.argv[2:]]
found = {key: one.numpy() for key, one in loaded.signatures["serving_default"](bytes=tf.constant(files)).items()}
example = tf.train.Example()
example.features.feature["image/encoded"].bytes_list.value.append(files[0])
ranked = loaded.signatures["classify"](inputs=tf.constant([example.SerializeToString()]))
told = {key: one.tolist() for key, one in found.items() if key != "labels"}
text = lambda value: value.decode() if isinstance(value, bytes) else [one.decode() for one in value]
told["labels"] = [text(each) for each in found["labels"].tolist()]
told["classes"] = [one.decode() for one in ranked["classes"].numpy()[0].tolist()]
told["signatures"] = {name: sorted(one.structured_outputs) for name, one in loaded.signatures.items()}
print(json.dumps(told))
"""


@pytest.mark.skipif(not find_spec("tensorflow"), reason="TensorFlow is not installed")
@pytest.mark.parametrize("name", ["net", "tags", "two"])
@pytest.mark.slow
def test_the_server_answers_as_the_signatures_of_the_exported_savedmodel(
    name: str, client: Client, bundles: Path, tmp_path: Path
) -> None:
    export(bundles / name, to="savedmodel", output=tmp_path / "saved")
    files = [image(seed=seed, size=(60 + 9 * seed, 40 + 5 * seed)) for seed in range(4)]
    files.append(image("PNG", (9, 70), "RGBA"))
    paths = [tmp_path / str(place) for place in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    (version,) = (path.parent for path in (tmp_path / "saved").rglob("saved_model.pb"))
    done = subprocess.run([sys.executable, "-c", ASK, version, *paths], capture_output=True, text=True, timeout=300)
    if done.returncode == 77:
        pytest.skip("the exported SavedModel takes no bytes")
    assert done.returncode == 0, done.stderr[-2000:]
    there = json.loads(done.stdout.splitlines()[-1])
    here = client.json(f"/v1/models/{name}:predict", {"inputs": [b64(one) for one in files]})["outputs"]
    assert here["labels"] == there["labels"]
    assert np.allclose(here["probabilities"], there["probabilities"], atol=1e-5)
    assert np.allclose(here["logits"], there["logits"], atol=1e-4)
    examples = {"signature_name": "classify", "examples": [{"image/encoded": b64(files[0])}]}
    (pairs,) = client.json(f"/v1/models/{name}:classify", examples)["results"]
    assert [label for label, _ in pairs] == there["classes"]
    told = client.json(f"/v1/models/{name}/metadata")["metadata"]["signature_def"]["signature_def"]
    assert {key: sorted(one["outputs"]) for key, one in told.items()} == there["signatures"]
    shutil.rmtree(tmp_path / "saved")
