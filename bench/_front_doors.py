"""Differences as their owners hold them: files that libraries wrote, runs, exports, a server, dumps, scripts; and what
must be said of each. `made` writes the sides into a folder; nothing of Bakeoff's own is built here by hand.

    PLANTED, SAME   {name: Pair}; PLANTED's causes must be named, the first one first; SAME's none
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import bakeoff

DOORS = Path(__file__).parent / "doors"
sys.path.insert(0, str(DOORS))
import scripts  # noqa: E402

NORM = "mean=0.485/0.456/0.406,std=0.229/0.224/0.225,orient=no"
R, F, TIMM = f"size=64,{NORM}", f"size=48x60,{NORM}", f"size=160,{NORM}"
TRAINING = ("-r", "cifar10-cnn", "--framework", "torch", "--set", "input.size=[40,40]", "--set", "phases.0.epochs=2")
RUNS = {
    "run": (),
    "run-seed": ("--seed", "5"),
    "run-rate": ("--set", "phases.0.schedule.peak=0.02"),
    "run-smooth": ("--set", "phases.0.label_smoothing=0.3"),
}
EXPORTS = {
    "run.onnx": ("onnx",),
    "run.tflite": ("litert",),
    "run.xml": ("openvino",),
    "run-saved": ("savedmodel",),
    "run-int8.onnx": ("onnx", "--precision", "int8", "--max-loss", "100"),
}


@dataclass(frozen=True)
class Pair:
    """Two sides.

    Attributes:
        kind: scripts, models, exports, dumps, server or runs, as the issue counts them.
        a, b: as they are given; SERVER stands for the URL of what is served.
        causes: that must be named.
        options: of `explain`.
        edits: of a pair of scripts.
    """

    kind: str
    a: str
    b: str | None
    causes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    edits: tuple[scripts.Edit, ...] = ()


SERVER, ROTATED = "http://SERVER/v1/models/run", "http://SERVER/v1/models/rotated"


def both(how: str, **more: Any) -> dict[str, Any]:
    return {"a_input": how, "b_input": how, **more}


def pre(a: str | None, b: str) -> dict[str, Any]:
    """Functions of prepare.py on both sides, or on B's alone."""
    one = {"a_input": R} if a is None else {"a_pre": f"{DOORS / 'prepare.py'}:{a}"}
    return {**one, "b_pre": f"{DOORS / 'prepare.py'}:{b}"}


def dump(name: str, how: str, **more: Any) -> dict[str, Any]:
    return {"b_dump": name, "a_input": how, **more}


HALF = "size=64,mean=0.5/0.5/0.5,std=0.5/0.5/0.5"
ONE = "size=64,mean=0/0/0,std=1/1/1"
PLANTED: dict[str, Pair] = {
    # two models
    "epsilon of Keras's own": Pair("models", "resid.pt2", "resid-epsilon.keras", ("epsilon",), both(R)),
    "same padding at stride 2": Pair("models", "resid.pt2", "resid-same.keras", ("padding",), both(R)),
    "padding and epsilon": Pair("models", "resid.pt2", "resid-both.keras", ("padding", "epsilon"), both(R)),
    "buffers not copied": Pair("models", "resid.pt2", "resid-statistics.keras", ("batch_norm_statistics",), both(R)),
    "kernels transposed": Pair("models", "resid.pt2", "resid-turned.keras", ("weights",), both(R)),
    "scaled outside and inside": Pair(
        "models", "resid.pt2", "resid-scaling.keras", ("scaled_twice",), {"a_input": HALF, "b_input": ONE}
    ),
    "another size": Pair(
        "models", "resid.pt2", "resid-large.keras", ("input_size",), {"a_input": R, "b_input": R.replace("64", "96")}
    ),
    "slope of Keras's LeakyReLU": Pair("models", "flat.pt2", "flat-slope.keras", ("leaky_slope",), both(F)),
    "GELU with tanh": Pair("models", "flat.pt2", "flat-tanh.keras", ("gelu_form",), both(F)),
    "flatten's order": Pair("models", "flat.pt2", "flat-order.keras", ("flatten_order",), both(F)),
    "a relu forgotten": Pair("models", "flat.pt2", "flat-linear.keras", ("architecture",), both(F)),
    "padding not counted": Pair("models", "flat.pt2", "flat-uncounted.pt2", ("pooling_divisor",), both(F)),
    "a module and its state dict": Pair(
        "models",
        f"{DOORS / 'torch_nets.py'}:resid",
        "resid-same.keras",
        ("padding",),
        both(R, a_weights="resid.pth"),
    ),
    "timm, weights without buffers": Pair(
        "models",
        "timm/test_resnet",
        "timm/test_resnet",
        ("batch_norm_statistics",),
        both(TIMM, a_weights="timm.pth", b_weights="timm-lost.pth"),
    ),
    "normalised otherwise": Pair("models", "resid.pt2", "resid.keras", ("mean_and_std",), pre(None, "from_minus_one")),
    "tf.image.resize": Pair(
        "models", "resid.pt2", "resid.keras", ("antialias",), pre("tensorflow_antialiased", "tensorflow")
    ),
    "tf.io.decode_jpeg": Pair(
        "models", "resid.pt2", "resid.keras", ("decoder",), pre("plain", "tensorflow_antialiased")
    ),
    "decoder and antialias": Pair(
        "models", "resid.pt2", "resid.keras", ("antialias", "decoder"), pre("plain", "tensorflow")
    ),
    "torchvision's crop": Pair("models", "resid.pt2", "resid.keras", ("crop_or_stretch",), pre("plain", "torchvision")),
    "cut before the resize": Pair(
        "models", "resid.pt2", "resid.keras", ("resize_and_crop_order",), pre("torchvision", "keras_crop")
    ),
    "ToTensor and / 255": Pair("models", "resid.pt2", "resid.keras", ("scaled_twice",), pre("plain", "twice")),
    # exports
    "a SavedModel with same padding": Pair("exports", "resid.pt2", "resid-same-savedmodel", ("padding",), both(R)),
    "blue first into a SavedModel": Pair(
        "exports", "resid.pt2", "resid-savedmodel", ("channel_order",), pre("plain", "opencv")
    ),
    "other pixels into a SavedModel": Pair(
        "exports", "resid.pt2", "resid-savedmodel", ("scale",), pre("zero_to_one", "from_minus_one")
    ),
    "an int8 export": Pair("exports", "run", "run-int8.onnx", ("precision",)),
    "another filter before LiteRT": Pair(
        "exports", "run", "run.tflite", ("resize_filter",), {"a_input": "filter=nearest"}
    ),
    "blue first before OpenVINO": Pair("exports", "run", "run.xml", ("channel_order",), {"a_input": "order=BGR"}),
    # dumps
    "logits in bfloat16": Pair("dumps", "resid.pt2", None, ("precision",), dump("resid-half.npy", R)),
    "eval() forgotten": Pair("dumps", "resid.pt2", None, ("train_mode",), dump("resid-train-mode.npy", R)),
    "softmax twice": Pair("dumps", "resid.keras", None, ("softmax_twice",), dump("resid-twice.npy", R)),
    "lanczos before a dump": Pair(
        "dumps",
        "resid.pt2",
        None,
        ("resize_filter",),
        {"a_pre": f"{DOORS / 'prepare.py'}:lanczos", "b_dump": "resid-input.npy,resid-logits.npy"},
    ),
    "EXIF before a dump": Pair(
        "dumps",
        "resid.keras",
        None,
        ("exif",),
        {"a_pre": f"{DOORS / 'prepare.py'}:turned", "b_dump": "resid-input.npy,resid-logits.npy"},
    ),
    "reshape for transpose": Pair("dumps", "resid.keras", None, ("float_as_bytes",), dump("reshaped-logits.npy", R)),
    # a server
    "blue first before a server": Pair("server", "run", SERVER, ("channel_order",), {"a_input": "order=BGR"}),
    "a server's list of classes, off by one": Pair("server", "run", ROTATED, ("class_order",)),
    "three before a server": Pair(
        "server",
        "run",
        SERVER,
        ("channel_order", "exif", "scale"),
        {"a_input": "order=BGR,orient=no,mean=0.5/0.5/0.5,std=0.5/0.5/0.5"},
    ),
    # runs
    "a rate twenty times as large": Pair("runs", "run", "run-rate", ("learning_rate",)),
    "label smoothing": Pair("runs", "run", "run-smooth", ("label_smoothing",)),
    # scripts whose start weights aren't excluded
    "001 with its start weights": Pair("scripts", "cnn_torch.py", "cnn_keras.py", ("start_weights",), {"start": True}),
} | {
    name: Pair("scripts", f"{pair}_torch.py", f"{pair}_keras.py", tuple(causes), {}, tuple(edits))
    for name, (pair, edits, causes) in scripts.PLANTED.items()
}
SAME: dict[str, Pair] = {
    "resid in both": Pair("models", "resid.pt2", "resid.keras", (), both(R)),
    "flat in both": Pair("models", "flat.pt2", "flat.keras", (), both(F)),
    "a module and .pt2": Pair(
        "models", f"{DOORS / 'torch_nets.py'}:resid", "resid.pt2", (), both(R, a_weights="resid.pth")
    ),
    "by word and by function": Pair("models", "resid.pt2", "resid.keras", (), pre(None, "plain")),
    "a SavedModel": Pair("exports", "resid.pt2", "resid-savedmodel", (), both(R)),
    "logits of torch": Pair("dumps", "resid.keras", None, (), dump("resid-logits.npy", R)),
    "logits of Keras": Pair("dumps", "flat.pt2", None, (), dump("flat-keras-logits.npy", F)),
    "input and logits": Pair("dumps", "resid.pt2", None, (), dump("resid-input.npy,resid-logits.npy", R)),
    "ONNX of a run": Pair("exports", "run", "run.onnx"),
    "LiteRT of a run": Pair("exports", "run", "run.tflite"),
    "OpenVINO of a run": Pair("exports", "run", "run.xml"),
    "SavedModel of a run": Pair("exports", "run", "run-saved"),
    "two exports": Pair("exports", "run.onnx", "run.tflite"),
    "a run and its server": Pair("server", "run", SERVER),
    "an export and a server": Pair("server", "run.xml", SERVER),
    "another seed of a run": Pair("runs", "run", "run-seed"),
} | {
    name: Pair("scripts", f"{pair}_torch.py", f"{pair}_keras.py", (), {}, tuple(edits))
    for name, (pair, edits) in scripts.SAME.items()
}


def made(folder: Path, photos: Path) -> None:
    """All sides, written into a folder by the libraries and by Bakeoff's own verbs.

    Args:
        folder: a new one.
        photos: class folders; four of each class are copied, every third one turned by EXIF.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pixels, labels = [], []
    kinds = sorted(one for one in photos.iterdir() if one.is_dir())
    for number, file in enumerate(file for kind in kinds for file in sorted(kind.iterdir())[:4]):
        image, exif = Image.open(file).convert("RGB"), Image.Exif()
        if number % 3 == 2:
            exif[0x0112] = 6
        to = folder / "photos" / file.parent.name / f"{file.stem}.jpg"
        to.parent.mkdir(parents=True, exist_ok=True)
        image.save(to, quality=92, exif=exif)
        for part in range(6):
            box = (4 * part, 3 * part, image.width - 20 + 4 * part, image.height - 20 + 3 * part)
            pixels.append(np.asarray(image.crop(box).resize((32, 32))))
            labels.append([kind.name for kind in kinds].index(file.parent.name))
    order = np.random.default_rng(0).permutation(len(pixels))
    np.savez(folder / "photos.npz", x=np.stack(pixels)[order], y=np.array(labels)[order])
    for script in ("torch_nets.py", "keras_nets.py"):
        _run(sys.executable, str(DOORS / script), str(folder))
    verb = (sys.executable, "-m", "bakeoff")
    for name, options in RUNS.items():
        _run(*verb, "train", str(folder / "photos"), *TRAINING, *options, "--run", str(folder / name))
    for name, (to, *options) in EXPORTS.items():
        _run(*verb, "export", str(folder / "run"), "--to", to, *options, "-o", str(folder / name))
    _rotated(folder / "run", folder / "rotated")


def _run(*line: str) -> None:
    found = subprocess.run(line, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    if found.returncode:
        raise RuntimeError(f"{' '.join(line)}\n{found.stderr[-2000:]}")


def _rotated(run: Path, to: Path) -> None:
    """The same net under a list of classes that is off by one."""
    from dataclasses import replace

    from bakeoff import bundle

    found = bundle.read(run)
    bundle.write(to, replace(found, classes=(*found.classes[1:], found.classes[0])))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """HOST:PORT of a server of the run, and of the other list of classes."""
    names = [f"--name={name}={folder / name}" for name in ("run", "rotated")]
    line = [sys.executable, "-m", "bakeoff", "serve", *names, "--rest-port", "0", "--grpc-port", "0", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield f"127.0.0.1:{told['rest_port']}"
        finally:
            process.terminate()


def explained(pair: Pair, folder: Path, host: str = "", place: Path | None = None) -> Any:
    """What `bakeoff.explain` says of a pair.

    Args:
        folder: of `made`.
        host: of `served`.
        place: a fresh folder for the scripts of a pair.
    """
    if pair.kind == "scripts":
        assert place is not None
        place.mkdir(parents=True)
        shutil.copy(folder / "photos.npz", place)
        for name in (pair.a, str(pair.b)):
            whose = name.removesuffix(".py").partition("_")
            (place / name).write_text(scripts.text(whose[0], whose[2], list(pair.edits)), encoding="utf-8")
    before = Path.cwd()
    os.chdir(place if pair.kind == "scripts" and place else folder)
    try:
        b = pair.b if pair.b is None else pair.b.replace("SERVER", host)
        images = None if pair.kind == "scripts" else "photos"
        return bakeoff.explain(pair.a, b, images, quiet=True, **pair.options)
    finally:
        os.chdir(before)


def right(pair: Pair, found: Any) -> bool:
    """Whether one that was planted comes first and all are named; of a pair that is the same: that none is."""
    named = [one["cause"] for one in found.causes]
    return set(named[:1]) <= set(pair.causes) <= set(named)
