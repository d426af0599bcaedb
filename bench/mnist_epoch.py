"""Time of an epoch of MNIST: Bakeoff against the loops of article 002, same net, same batch, interleaved.

python bench/mnist_epoch.py [ROUNDS]

Each round starts every side anew, in turn, so that a change of the machine's speed meets all; the second epoch counts
(the first one has imports and compilation behind it). Images per epoch are made equal: Bakeoff trains on 54,000 and
keeps 6,000 for validation, the articles train on 60,000. Keras's loop validates on the test set in each epoch, so
Bakeoff's time has its validation in it there too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import _common
import numpy as np

HERE = Path(__file__).parent
LIMITS = {"torch": 0.2, "tensorflow": 0.4}


def ours(framework: str, recipe: str, data: Path, folder: Path) -> float:
    """Seconds of the second epoch, scaled to 60,000 images (and 10,000 for TensorFlow's validation)."""
    import bakeoff

    trained = bakeoff.train(data, recipe, framework=framework, run=folder, overrides=["phases.0.epochs=2"])
    rows = [json.loads(line) for line in (trained.path / "epochs.jsonl").read_text().splitlines()]
    seconds = rows[1]["wall_s"] * 60_000 / trained.result["num_train"]
    if framework == "tensorflow":
        seconds += rows[1]["validation_wall_s"] * 10_000 / trained.result["num_validation"]
    return float(seconds)


def article(script: str, where: Path) -> float:
    """Seconds of the second epoch of the article's loop."""
    done = subprocess.run(
        [sys.executable, str(HERE / "articles" / script), str(where), "2"], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"][1])


def raw_files(data: Path, folder: Path) -> Path:
    """MNIST in torchvision's layout."""
    import struct

    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    with np.load(data) as arrays:
        for stem, split in (("train", "train"), ("t10k", "test")):
            x, y = arrays[f"x_{split}"], arrays[f"y_{split}"]
            (raw / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, *x.shape) + x.tobytes())
            (raw / f"{stem}-labels-idx1-ubyte").write_bytes(
                struct.pack(">II", 2049, len(y)) + y.astype("uint8").tobytes()
            )
    return folder


def main(rounds: int) -> None:
    data = _common.data("mnist.npz")
    times: dict[str, list[float]] = {"torch": [], "torch article": [], "tensorflow": [], "tensorflow article": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = raw_files(data, folder / "raw")
        for number in range(rounds):
            times["torch"].append(ours("torch", "mnist-cnn", data, folder / f"torch{number}"))
            times["torch article"].append(article("mnist_torch.py", raw))
            times["tensorflow"].append(ours("tensorflow", "mnist-cnn-small", data, folder / f"tensorflow{number}"))
            times["tensorflow article"].append(article("mnist_keras.py", data))
    for framework, limit in LIMITS.items():
        ratios = sorted(a / b for a, b in zip(times[framework], times[f"{framework} article"], strict=True))
        _common.say(
            f"mnist epoch, {framework}: {median(times[framework]):.2f} s "
            f"against {median(times[f'{framework} article']):.2f} s, "
            f"ratio {median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}, {rounds} rounds), wanted <= {limit}",
            median(ratios) <= limit,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    _common.finish()
