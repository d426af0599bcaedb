"""MNIST by the recipe of article 002 made fair: 10 epochs, 3 seeds, both frameworks; and how close their losses run.

python bench/mnist_accuracy.py [SEEDS]

Wanted: median test accuracy >= 97.3 %; the first 50 losses of the two frameworks within 4 x
what torch does to itself (start weights changed by 1e-6, sums in another order); later ones
(means of 50 steps) within 3 x the spread that torch shows against itself from start weights changed by 1e-6.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

import _common
import numpy as np


def losses(run: Path) -> np.ndarray:
    """The loss of each step."""
    return np.array([json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()])


def nudged_bundle(run: Path, target: Path) -> Path:
    """The start of a run, its weights changed by 1e-6: a bundle to start from."""
    from dataclasses import replace

    import bakeoff
    from bakeoff import bundle
    from bakeoff.comparison.method import nudged
    from bakeoff.models import build

    found = bakeoff.load(run)
    stored = bundle.read(run)
    start = build("mnist_cnn", found.signature.size, 1, 10, seed=0)
    return bundle.write(target, replace(stored, graph=nudged(start, 0, 1e-6)))


def smoothed(values: np.ndarray, width: int = 50) -> np.ndarray:
    """Means of consecutive stretches."""
    return values[: len(values) // width * width].reshape(-1, width).mean(1)


def main(seeds: int) -> None:
    import bakeoff

    data = _common.data("mnist.npz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        accuracy: dict[str, list[float]] = {"torch": [], "tensorflow": []}
        for seed in range(seeds):
            for framework, found in accuracy.items():
                trained = bakeoff.train(
                    data, "mnist-cnn", framework=framework, seed=seed, run=folder / f"{framework}{seed}"
                )
                found.append(trained.result["test"]["accuracy"])
                print(
                    f"  {framework} seed {seed}: {100 * found[-1]:.2f} %, "
                    f"{trained.result['phases'][0]['wall_s']:.1f} s",
                    flush=True,
                )
        for framework, found in accuracy.items():
            text = f"mnist accuracy, {framework}: median {100 * median(found):.2f} % of {seeds} seeds, wanted >= 97.3 %"
            _common.say(text, median(found) >= 0.973)
        bundle = nudged_bundle(folder / "torch0", folder / "nudged")
        from_it, one_thread = bakeoff.Options(start=bundle), bakeoff.Options(threads=1)
        again = bakeoff.train(data, "mnist-cnn", framework="torch", seed=0, run=folder / "again", options=from_it)
        one = ["phases.0.epochs=1"]
        sums = bakeoff.train(
            data, "mnist-cnn", framework="torch", run=folder / "sums", overrides=one, options=one_thread
        )
        a, b, c = losses(folder / "torch0"), losses(folder / "tensorflow0"), losses(again.path)
        d = losses(sums.path)
    first = np.abs(a - b)[:50] / a[:50]
    floor = np.maximum(np.abs(a - c)[:50], np.abs(a[:50] - d[:50])) / a[:50]  # as bakeoff.comparison.judge has it
    tolerance = max(1e-4, 4 * floor.max())
    _common.say(
        f"first 50 losses: {first.max():.1e} apart, tolerance {tolerance:.1e} (floor {floor.max():.1e})",
        first.max() <= tolerance,
    )
    differences, spread = np.abs(smoothed(a) - smoothed(b))[1:], np.abs(smoothed(a) - smoothed(c))[1:]
    _common.say(
        f"later losses: {differences.mean():.1e} apart on average, {differences.max():.1e} at most; "
        f"the spread {spread.mean():.1e}, {spread.max():.1e}; wanted <= 3 x",
        bool(differences.mean() <= 3 * spread.mean() and differences.max() <= 3 * spread.max()),
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    _common.finish()
