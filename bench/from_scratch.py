"""Small nets from scratch: the articles' and our own on MNIST and CIFAR-10, in both frameworks.

python bench/from_scratch.py [RECIPE,... [FRAMEWORK,... [SEEDS]]]

CIFAR-10 is the lossy copy of the shared data, about a point below the original. Settings were chosen by validation; the
test set is looked at once a run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import _common

WANTED = {  # test accuracy, data
    "mnist-99": (0.992, "mnist"),
    "mnist-cnn": (0.96, "mnist"),
    "mnist-cnn-small": (0.9748, "mnist"),
    "mnist-mlp": (0.97, "mnist"),
    "cifar10-cnn": (0.68, "cifar10"),
    "cifar10": (0.85, "cifar10"),
}


def images(name: str, folder: Path) -> Path:
    """MNIST, or CIFAR-10 unpacked."""
    if name == "mnist":
        return _common.data("mnist.npz")
    path = folder / "cifar10.npz"
    if not path.exists():
        script = _common.data("unpack.py")
        subprocess.run([sys.executable, script, "cifar10-npz", path], check=True, stdout=subprocess.DEVNULL)
    return path


def main(recipes: list[str], frameworks: list[str], seeds: int) -> None:
    import bakeoff

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for recipe in recipes:
            wanted, data = WANTED[recipe]
            path = images(data, folder)
            for framework in frameworks:
                found = []
                for seed in range(seeds):
                    run = folder / f"{recipe}-{framework}-{seed}"
                    found.append(bakeoff.train(path, recipe, framework=framework, seed=seed, run=run).result)
                    row = found[-1]
                    scores = [f"{split} {100 * row[split]['accuracy']:.2f} %" for split in ("test", "validation")]
                    print(
                        f"  {recipe} in {framework}, seed {seed}: {', '.join(scores)}, {row['wall_s']:.0f} s",
                        flush=True,
                    )
                accuracy = median(row["test"]["accuracy"] for row in found)
                _common.say(
                    f"{recipe} in {framework}: median test accuracy {100 * accuracy:.2f} % of {seeds} seeds, wanted >= "
                    f"{100 * wanted:.2f} %; {found[0]['parameters']:,} weights",
                    accuracy >= wanted,
                )


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        words[0].split(",") if words else list(WANTED),
        words[1].split(",") if len(words) > 1 else ["torch", "tensorflow"],
        int(words[2]) if len(words) > 2 else 1,
    )
    _common.finish()
