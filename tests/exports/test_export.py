"""Exports compute what the bundle computes, carry what `predict` needs, and hostile files are refused unread.

torch and TensorFlow each run in a process of their own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bakeoff import bundle as bundles
from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.checkpoints.keras import check as keras_check
from bakeoff.errors import CorruptError, DataError, MissingDependencyError, NoSpaceError, UsageError, VersionError
from bakeoff.evaluation.kinds import BINARY, MULTILABEL, SINGLE, Kind
from bakeoff.evaluation.opening import open_model
from bakeoff.exports import export, names
from bakeoff.graph import run
from bakeoff.graph.initialize import torch_uniform
from bakeoff.models import _start
from bakeoff.preprocessing import normalize
from bakeoff.preprocessing.signature import Signature
from bakeoff.runtimes import _metadata, open_file, torch_export

SCRIPT = """
import sys, warnings
from pathlib import Path
import numpy as np
from bakeoff.exports import export
from bakeoff.evaluation.opening import open_model
folder = Path(sys.argv[1])
images = np.load(folder / "images.npy")
for form in sys.argv[2:]:
    path = export(folder / "bundle", form, folder / form)
    opened = open_model(path, threads=1)
    assert opened.classes == ("猫", "b", "c") and opened.signature.mean == (0.5,), opened
    np.savez(folder / f"{form}.npz", logits=opened.runtime.predict(images), one=opened.runtime.predict(images[:1]))
    print(path.relative_to(folder), opened.runtime.name)
"""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    graph = models.build("mnist_cnn", (12, 12), 1, 3)
    rng = np.random.default_rng(0)
    moved = {path: array + 0.1 * rng.random(array.shape, np.float32) for path, array in graph.arrays().items()}
    return Bundle(graph.with_arrays(moved), Signature((12, 12), 1, mean=(0.5,), std=(0.5,)), ("猫", "b", "c"))


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    bundles.write(folder / "bundle", bundle)
    np.save(folder / "images.npy", np.random.default_rng(1).normal(size=(5, 12, 12, 1)).astype(np.float32))
    return folder


def _run(folder: Path, *forms: str, backend: str = "tensorflow", script: str = SCRIPT) -> str:
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), *forms], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _check(folder: Path, bundle: Bundle, form: str, tolerance: float = 1e-5) -> None:
    truth = run(bundle.graph, np.load(folder / "images.npy"))
    found = np.load(folder / f"{form}.npz")
    assert np.abs(found["logits"] - truth).max() <= tolerance * np.abs(truth).max()
    assert np.abs(found["one"] - truth[:1]).max() <= tolerance * np.abs(truth).max()


def _needs(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


def test_every_format_says_what_it_is() -> None:
    from bakeoff import registry

    assert names() == ("bundle", "keras", "litert", "onnx", "openvino", "savedmodel", "torch")
    for name in names():
        assert registry.load("bakeoff.exports.formats", name).HELP


@pytest.mark.parametrize("form", ["onnx", pytest.param("torch", marks=pytest.mark.torch)])
def test_onnx_and_torch(folder: Path, bundle: Bundle, form: str) -> None:
    file, runtime = {"onnx": ("onnx.onnx", "onnxruntime"), "torch": ("torch.pt2", "torch")}[form]
    _needs(runtime)
    assert _run(folder, form).split() == [file, runtime]
    _check(folder, bundle, form)


UNCONVERTED = """
import sys
from pathlib import Path
from bakeoff.bundle import read
from bakeoff.errors import UnsupportedError
from bakeoff.exports.formats import keras
from bakeoff.runtimes import litert
folder = Path(sys.argv[1])
try:
    litert.save(keras.made(read(folder / "bundle")), folder / "x.tflite", (12, 12, 1), "{}")
except UnsupportedError as error:
    print(error)
"""


@pytest.mark.tensorflow
def test_bare_weights_leave_with_the_net(tmp_path: Path, bundle: Bundle) -> None:
    """A token, as transformers have one, and a table: the layer that holds them in Keras had no form in LiteRT."""
    _needs("tensorflow")
    _needs("ai_edge_litert")
    net = _start.composer((12, 12), 1, 0, torch_uniform)
    x = net.add("conv2d", "conv", net.input, filters=4, kernel=(3, 3), stride=(3, 3))
    for op, name, shape in (("parameter", "token", (1, 4, 1)), ("constant", "table", (4, 1, 4))):
        x = net.add("add", f"add_{name}", x, net.add(op, name, shape=shape))
    x = net.add("global_avg_pool", "pool", net.add("relu", "relu", x))
    graph = net.finish(net.add("dense", "linear", x, units=3))
    draw = np.random.default_rng(0)
    graph = graph.with_arrays({k: draw.normal(size=a.shape).astype(a.dtype) for k, a in graph.arrays().items()})
    own = replace(bundle, graph=graph)
    bundles.write(tmp_path / "bundle", own)
    np.save(tmp_path / "images.npy", draw.normal(size=(5, 12, 12, 1)).astype(np.float32))
    _run(tmp_path, "litert", "keras", "savedmodel")
    for form in ("litert", "keras", "savedmodel"):
        _check(tmp_path, own, form)
    said = _run(tmp_path, script=UNCONVERTED)
    assert said.startswith("LiteRT: TensorFlow can't convert this net ('tfl.prelu' op ")
    assert len(said.splitlines()) == 1


FULL = """
import sys
from pathlib import Path
from bakeoff.errors import NoSpaceError
from bakeoff.exports import export
from bakeoff.conversion.output import write_state
folder, full, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
try:
    if form[0] == ".":
        from bakeoff.bundle import read
        from bakeoff.files import room_for
        with room_for(full / ("m" + form)):
            write_state(read(folder / "bundle").graph.arrays(), full / ("m" + form))
    else:
        export(folder / "bundle", form, full)
except NoSpaceError as error:
    print(error)
"""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 KiB that a file fills."""
    mounted = ["mount", "-t", "tmpfs", "-o", "size=12k", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("no disk of a few kilobytes can be made here: it takes the rights of an administrator")
    (tmp_path / "there").write_bytes(bytes(12 << 10))
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


WRITERS = {"onnx": [], "keras": [pytest.mark.tensorflow], "savedmodel": [pytest.mark.tensorflow]}
WRITERS |= {"torch": [pytest.mark.torch], ".pth": [pytest.mark.torch], ".safetensors": [pytest.mark.torch]}


@pytest.mark.parametrize("form", [pytest.param(form, marks=marks) for form, marks in WRITERS.items()])
def test_a_full_disk_is_named_and_nothing_is_left_on_it(folder: Path, full: Path, form: str) -> None:
    """torch's own writer ended the process, TensorFlow's and safetensors' have errors of their own."""
    _needs({"onnx": "onnx", "keras": "keras", "savedmodel": "tensorflow"}.get(form, "torch"))
    said = _run(folder, str(full), form, script=FULL)
    assert "no space left there. Choose another --output, or make room." in said
    assert said.startswith(str(full))
    assert [path.name for path in full.iterdir()] == ["there"]


@pytest.mark.tensorflow
def test_keras_and_savedmodel(folder: Path, bundle: Bundle) -> None:
    _needs("tensorflow")
    assert _run(folder, "keras", "savedmodel") == "keras.keras keras-tensorflow\nsavedmodel/1 tensorflow\n"
    _check(folder, bundle, "keras")
    _check(folder, bundle, "savedmodel")
    with zipfile.ZipFile(folder / "keras.keras") as archive:
        assert b"bakeoff" not in archive.read("config.json")  # stock layers: plain Keras loads it
    assert not list(folder.glob(".*"))


SERVED = """
import json, sys, warnings
from pathlib import Path
import tensorflow as tf
from bakeoff.errors import UsageError
from bakeoff.evaluation.opening import open_model
from bakeoff.evaluation.predict import predict
from bakeoff.exports import export
from bakeoff.exports.formats.savedmodel import placed
folder = Path(sys.argv[1])
made = [export(folder / "bundle", "savedmodel", folder / "served", model_version=n) for n in (None, 7)]
made += [placed(folder / "served", False), placed(folder / "served", True, 7), placed(folder / "new", False)]
print(*(path.relative_to(folder) for path in made))
for asked in ({"output": folder / "served", "model_version": 7}, {"output": made[0]}, {"output": folder / "bundle"},
              {"output": folder / "x", "model_version": 0}):
    if asked["output"].name == "bundle":
        asked["output"] = folder
    try:
        export(folder / "bundle", "savedmodel", **asked)
    except UsageError as error:
        print(str(error).replace(str(folder), ""))
export(folder / "bundle", "onnx", folder / "served.onnx")
files = sorted(folder.glob("*.png"))
contents = [path.read_bytes() for path in files]
signatures = tf.saved_model.load(str(made[0])).signatures
found = {key: value.numpy() for key, value in signatures["serving_default"](bytes=tf.constant(contents)).items()}
feature = lambda content: tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
example = lambda content: tf.train.Example(features=tf.train.Features(feature={"image/encoded": feature(content)}))
ranked = signatures["classify"](inputs=tf.constant([example(one).SerializeToString() for one in contents]))
for form in ("served", "served/7", "served.onnx"):
    for at, row in enumerate(predict(open_model(folder / form), files, top=3)):
        assert row["label"] == found["labels"][at].decode(), (form, row)
        assert abs(row["probability"] - found["probabilities"][at].max()) < 1e-5, (form, row)
        assert [name for name, _ in row["top"]] == [one.decode() for one in ranked["classes"][at].numpy()], (form, row)
print(sorted(signatures))
print(*sorted(path.name for path in (made[0] / "assets.extra").iterdir()))
"""


@pytest.mark.tensorflow
def test_a_saved_model_has_versions_and_takes_bytes(folder: Path) -> None:
    from PIL import Image

    _needs("tensorflow")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + number, 17, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    assert _run(folder, script=SERVED).splitlines() == [
        "served/1 served/7 served/8 served/7 new/1",
        "/served/7: is there already. Leave --model-version out, or replace it: --force",
        "/served/1: one version of a model; expected a folder of versions, or none yet. Choose another --output.",
        "/bundle: in use; expected a folder of versions, or none yet. Choose another --output.",
        "--model-version 0: expected a number from 1 on.",
        "['classify', 'serve_images', 'serve_tensor', 'serving_default']",
        "bakeoff.json card.md golden.npz labels.txt",
    ]
    assert not list((folder / "served").glob(".*"))


def test_an_option_of_another_format_is_named(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"--model-version: the format 'onnx' has no such option. It is of savedmodel."
    ):
        export(bundle, "onnx", tmp_path, model_version=3)


@pytest.mark.parametrize("kind", [SINGLE, BINARY, MULTILABEL], ids=lambda kind: kind.name)
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_onnx_with_its_preprocessing(kind: Kind, order: str, tmp_path: Path) -> None:
    import onnxruntime

    graph = models.build("mnist_cnn", (12, 10), 3, 1 if kind is BINARY else 2)
    signature = Signature((12, 10), 3, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), channel_order=order)  # type: ignore[arg-type]
    made = export(Bundle(graph, signature, ("猫", "b"), loss=kind.loss), "onnx", tmp_path, with_preprocessing=True)
    images = np.random.default_rng(1).integers(0, 256, (5, 12, 10, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    assert [one.shape for one in session.get_inputs()] == [["batch", 12, 10, 3]]
    logits, shares = session.run(["logits", "probabilities"], {"images": images})
    truth = run(graph, normalize(images, signature))
    assert np.abs(logits - truth).max() <= 1e-5 * np.abs(truth).max()
    assert np.abs(shares - kind.probabilities(logits)).max() <= 1e-6  # a few roundings of float32
    opened = open_model(made, threads=1)
    asked = opened.runtime.predict(normalize(images, signature))
    assert np.array_equal(asked, shares if kind is MULTILABEL else logits), "the same bytes came to the net"


STATE = """
import sys
from pathlib import Path
import numpy as np
import torch
from bakeoff.bundle import read
from bakeoff.exports import export
from bakeoff.exports.source import write
folder = Path(sys.argv[1])
graph = read(folder / "bundle").graph
made = export(folder / "bundle", "torch", folder / "net", state_dict=True)
sys.path.insert(0, str(write(graph, "torch", folder / "page").parent))
from model import Net
net = Net().eval()
net.load_state_dict(torch.load(made, weights_only=True))
with torch.no_grad():
    found = net(torch.from_numpy(np.load(folder / "images.npy").transpose(0, 3, 1, 2).copy()))
np.savez(folder / "state.npz", logits=found.numpy(), one=found[:1].numpy())
print(made.name, sorted(path.name for path in folder.glob("net*")))
"""


@pytest.mark.torch
def test_a_state_dict_fits_the_class_of_the_page(folder: Path, bundle: Bundle) -> None:
    _needs("torch")
    assert _run(folder, script=STATE) == "net.pth ['net.pth', 'net.pth.bakeoff.json']\n"
    _check(folder, bundle, "state")


@pytest.mark.tensorflow
def test_the_embedded_backbone_is_stock_keras(tmp_path: Path) -> None:
    _needs("tensorflow")
    graph = models.build("efficientnet_lite0", (32, 32), 3, 3)  # with drop_path, for which Keras has no layer
    bundle = Bundle(graph, Signature((32, 32), 3, mean=(0.5,) * 3, std=(0.5,) * 3), ("猫", "b", "c"))
    bundles.write(tmp_path / "bundle", bundle)
    np.save(tmp_path / "images.npy", np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32))
    script = SCRIPT.replace("(0.5,)", "(0.5, 0.5, 0.5)")
    _run(tmp_path, "keras", script=script)
    _check(tmp_path, bundle, "keras", 1e-4)  # untrained and deep: more rounding
    with zipfile.ZipFile(tmp_path / "keras.keras") as archive:
        assert b"bakeoff" not in archive.read("config.json")


def test_a_bundle_opens_like_its_exports(folder: Path, bundle: Bundle) -> None:
    opened = open_model(folder, threads=1)
    truth = run(bundle.graph, np.load(folder / "images.npy"))
    assert np.abs(opened.runtime.predict(np.load(folder / "images.npy")) - truth).max() <= 1e-5 * np.abs(truth).max()
    assert (opened.classes, opened.loss) == (bundle.classes, "softmax_cross_entropy")


def test_outputs_are_named_by_rule(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert export(bundle, "onnx", tmp_path) == tmp_path / "model.onnx"
    assert export(bundle, "onnx", tmp_path / "new" / "net") == tmp_path / "new" / "net.onnx"
    assert export(bundle, "onnx", tmp_path / "net.v1.onnx").name == "net.v1.onnx"
    monkeypatch.chdir(tmp_path)
    before = Path("model.onnx").read_bytes()
    with pytest.raises(UsageError, match=r"model\.onnx: is there already(.|\n)*--force"):
        export(bundle, "onnx")
    assert Path("model.onnx").read_bytes() == before
    assert export(bundle, "onnx", force=True) == Path("model.onnx")
    with pytest.raises(UsageError, match=r"writes \.onnx files, not \.keras"):
        export(bundle, "onnx", tmp_path / "net.keras")
    with pytest.raises(UsageError, match="unknown format 'onx'; did you mean 'onnx'"):
        export(bundle, "onx", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="Choose another --output"):
        export(bundle, "onnx", tmp_path / "file" / "net.onnx")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_nothing_came_of_goes(
    there: bool, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if there:
        (tmp_path / "new").mkdir()
    monkeypatch.setattr("bakeoff.exports.formats.onnx.write", full)
    with pytest.raises(NoSpaceError, match="no space left there"):
        export(bundle, "onnx", tmp_path / "new" / "net.onnx")
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"] * there


def test_what_is_no_model_is_named(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        open_model(tmp_path / "nothing.onnx")
    with pytest.raises(DataError, match="no model that Bakeoff knows"):
        open_model(tmp_path)
    from bakeoff.runtimes._onnx_build import to_onnx

    (tmp_path / "foreign.onnx").write_bytes(to_onnx(bundle.graph).SerializeToString())
    with pytest.raises(DataError, match="doesn't say how images are prepared"):
        open_file(tmp_path / "foreign.onnx")


def test_metadata_of_another_version_or_damaged() -> None:
    text = _metadata.encode(Signature((8, 8)), ("a", "b"), "softmax_cross_entropy", scores={})
    assert _metadata.decode(text, "it").classes == ("a", "b")
    with pytest.raises(VersionError, match="schema 9"):
        _metadata.decode(json.dumps({**json.loads(text), "schema": 9}), "it")
    for change in ({"loss": "guess"}, {"classes": 3}, {"signature": {"size": 1}}):
        with pytest.raises(CorruptError, match="damaged"):
            _metadata.decode(json.dumps({**json.loads(text), **change}), "it")


def _archive(path: Path, name: str, value: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, json.dumps(value))
    return path


@pytest.mark.parametrize(
    "value",
    [
        {"config": {"w": {"use_pickle": True}}},
        {"nodes": [{"target": "os.system"}]},
        {"nodes": [{"target": "torch.load"}]},
        {"expr_str": "exec(chr(105))"},
        {"expr_str": "Symbol('x').__class__"},
        {"a": [{"expr_str": "__import__('os')"}]},
        {"config": {"c": {"path_name": "opaque_obj_0", "use_pickle": False}}},
        {"graph": {"inputs": [{"as_tensor": {"name": "x=print('hacked')"}}]}},
        {"tensor_values": {"x=print(1)": {}}},
        {
            "in_spec": json.dumps(
                [1, {"type": "builtins.dict", "context": json.dumps([{"__enum__": 1, "fqn": "os:x"}])}]
            )
        },
        {"out_spec": json.dumps([1, {"type": "collections.defaultdict", "context": None}])},
    ],
)
def test_a_hostile_pt2_file_is_refused_unread(value: object, tmp_path: Path) -> None:
    path = _archive(tmp_path / "x.pt2", "x/models/model.json", value)
    with pytest.raises(CorruptError, match="could run code"):
        torch_export._refuse_hostile(path)


@pytest.mark.parametrize("operator", ["from_file", "set_data", "resize_", "no_such"])
def test_a_pt2_file_of_other_operators_is_refused_unread(operator: str, tmp_path: Path) -> None:
    """torch's from_file makes the file that it maps."""
    target = f"torch.ops.aten.{operator}.default"
    path = _archive(tmp_path / "x.pt2", "x/models/model.json", {"nodes": [{"target": target}]})
    with pytest.raises(CorruptError, match=rf"it holds {operator}, which (?s:.*)--trust"):
        torch_export._refuse_hostile(path)
    torch_export._refuse_hostile(path, trust=True)
    code = _archive(tmp_path / "code.pt2", "x/models/model.json", {"nodes": [{"target": "os.system"}]})
    with pytest.raises(CorruptError, match="could run code"):
        torch_export._refuse_hostile(code, trust=True)


@pytest.mark.parametrize("name", ["x.keras", "x.pt2"])
def test_other_files_under_their_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"hello")
    check = keras_check if name.endswith("keras") else torch_export._refuse_hostile
    with pytest.raises(CorruptError, match="damaged"):
        check(tmp_path / name)


def test_a_missing_library_names_its_extra(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.runtimes._missing.find_spec", lambda name: None)
    for form, extra in (("torch", "torch"), ("savedmodel", "tensorflow")):
        with pytest.raises(MissingDependencyError, match=rf"bakeoff\[{extra}\]"):
            export(bundle, form, tmp_path / "x")


def _joined(tmp_path: Path) -> Bundle:
    """Two nets of two sizes and two normalisations under one head, and images for them."""
    from dataclasses import replace

    from bakeoff.graph import passes
    from bakeoff.graph.together import Member, together

    small = Signature((32, 32), 3, mean=(0.5,) * 3, std=(0.5,) * 3)
    large = replace(small, size=(48, 48), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    nets = [
        Member(f"net{n}", models.build(f"efficientnet_lite{n}", s.size, 3, None, seed=n, weights=None), s)
        for n, s in enumerate((small, large))
    ]
    features, signature = together(nets)
    bundle = Bundle(passes.with_head(features, 3), signature, ("猫", "b", "c"))
    bundles.write(tmp_path / "bundle", bundle)
    np.save(tmp_path / "images.npy", np.random.default_rng(1).normal(size=(2, 48, 48, 3)).astype(np.float32))
    return bundle


SCRIPT_JOINED = SCRIPT.replace("opened.signature.mean == (0.5,)", "opened.signature.mean == (0.4, 0.5, 0.6)")


def test_several_backbones_under_one_head_are_one_onnx_file(tmp_path: Path) -> None:
    bundle = _joined(tmp_path)
    _run(tmp_path, "onnx", script=SCRIPT_JOINED)
    _check(tmp_path, bundle, "onnx", 1e-4)  # untrained and deep: more rounding


@pytest.mark.torch
def test_several_backbones_under_one_head_in_torch(tmp_path: Path) -> None:
    _needs("torch")
    bundle = _joined(tmp_path)
    _run(tmp_path, "torch", script=SCRIPT_JOINED)
    _check(tmp_path, bundle, "torch", 1e-4)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_several_backbones_under_one_head_in_keras(tmp_path: Path) -> None:
    _needs("tensorflow")
    bundle = _joined(tmp_path)
    _run(tmp_path, "keras", script=SCRIPT_JOINED)
    _check(tmp_path, bundle, "keras", 1e-4)


def test_keras_gets_few_large_images_a_call() -> None:
    """It keeps all that layers gave: 32 images of lite0 asked for 3.5 GB, which a file of others gets no room for."""
    keras_file = pytest.importorskip("bakeoff.runtimes.keras_file")
    steps = [keras_file.step_of((None, side, side, 3)) for side in (None, 28, 224, 600)]
    assert steps == [4, 32, 4, 1]
