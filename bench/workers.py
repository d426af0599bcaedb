"""Several workers against one: equal bits, and an epoch's time. `python bench/workers.py DATA [WHAT ...]`

DATA is the folder of mnist.npz, cifar10.npz and clothing-small (class folders). Of WHAT, `equal` trains nets for 50
steps or so, by 1, 2 and 4 workers in every framework; `kills` ends one of two workers at ten random points of a
training; `speed` takes the second epoch of trainings by one and two, in turns: A B B A; `native` the same where the
framework adds; `plan` compares what `bakeoff plan` says with that. Everything goes to a temporary folder. A line of
JSON each.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import bakeoff

FRAMEWORKS = [name for name in ("torch", "tensorflow", "jax") if find_spec(name)]
Case = tuple[str, int, str, list[str]]  # data, training images, recipe, changes
KILLS = 10
WHOLE = ["phases.1.keep=last"]
CASES: dict[str, Case] = {
    "mnist-cnn": ("mnist.npz", 3215, "mnist-cnn", []),
    "mnist-cnn, frozen batch norm": ("mnist.npz", 3215, "mnist-cnn", ["phases.0.batch_norm=frozen"]),
    "cifar10": ("cifar10.npz", 2715, "cifar10", ["phases.0.batch_size=54"]),
    "lite0, whole": ("clothing-small", 305, "photos-whole", [*WHOLE, "phases.1.batch_size=6"]),
}
SPEED: dict[str, Case] = {
    "mnist-cnn": ("mnist.npz", 20_000, "mnist-cnn", ["phases.0.batch_size=256"]),
    "cifar10": ("cifar10.npz", 2560, "cifar10", []),
    "lite0, whole": ("clothing-small", 320, "photos-whole", WHOLE),
}


def few(place: Path, count: int, folder: Path) -> Path:
    """So many training images, and some to judge by."""
    target = folder / f"{place.stem}-{count}{place.suffix}"
    if target.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    if place.suffix:
        with np.load(place) as held:
            ends = {"train": count, "test": 256}
            np.savez(target, **{f"{x}_{name}": held[f"{x}_{name}"][:end] for name, end in ends.items() for x in "xy"})
        return target
    classes = sorted(path.name for path in (place / "train").iterdir())
    for split, each in (("train", -(-count // len(classes))), ("validation", 4), ("test", 4)):
        for name in classes:
            (target / split / name).mkdir(parents=True)
            for path in sorted((place / split / name).iterdir())[:each]:
                shutil.copy(path, target / split / name)
    return target


def run(data: Path, folder: Path, case: Case, epochs: int, workers: int, framework: str, **more: Any) -> Any:
    """A training of so many epochs."""
    where, count, recipe, changes = case
    data = few(data / where, count, folder.parent)
    changes = [*changes, f"phases.{'1' if recipe == 'photos-whole' else '0'}.epochs={epochs}"]
    options = bakeoff.Options(**{"workers": workers, "checkpoint_every": None, **more})
    return bakeoff.train(
        data, recipe, framework=framework, run=folder, overrides=changes, quiet=True, options=options
    ).result


def equal(data: Path, folder: Path) -> None:
    """The weights' digests."""
    for name, case in CASES.items():
        for framework in FRAMEWORKS:
            for precision in ("float32", "float64") if name == "mnist-cnn" else ("float32",):
                kind = f"{name}-{framework}-{precision}"
                found = [
                    run(data, folder / f"{kind}-{workers}", case, 1, workers, framework, precision=precision)
                    for workers in (1, 2, 4)
                ]
                row = {"net": name, "framework": framework, "precision": precision}
                same = len({one["weights_sha256"] for one in found}) == 1
                print(json.dumps({**row, "steps": found[0]["phases"][-1]["steps"], "equal": same}), flush=True)


def kills(data: Path, folder: Path) -> None:
    """How often it began again, and whether the end has the bits of a training in which nobody died."""
    case, often = CASES["mnist-cnn"], {"checkpoint_every": "2"}
    for framework in FRAMEWORKS:
        draw, left = random.Random(framework), [0, KILLS]

        def kill(message: Any, draw: random.Random = draw, left: list[int] = left) -> None:
            steps = message["kind"] == "progress" and message["phase"] == "finetune"
            left[0] -= steps
            if steps and left[1] and left[0] < 0:
                draw.choice(psutil.Process().children()).kill()
                left[:] = [draw.randrange(1, 12), left[1] - 1]  # a tenth of a second each

        whole = run(data, folder / framework, case, 8, 2, framework)
        found = run(data, folder / f"{framework}-killed", case, 8, 2, framework, listen=kill, **often)
        same = whole["weights_sha256"] == found["weights_sha256"]
        row = {"framework": framework, "steps": whole["phases"][-1]["steps"], "equal": same}
        print(json.dumps({**row, "began again at": [one["step"] for one in found["restarts"]]}), flush=True)


def speed(data: Path, folder: Path, reduce: str = "exact") -> dict[str, tuple[float, float]]:
    """Seconds of the second epoch by one worker and by two, of one thread each, in PyTorch."""
    told = {}
    for name, case in SPEED.items():
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for number, workers in enumerate((1, 2, 2, 1)):
            found = run(data, folder / f"{name}-{number}", case, 2, workers, "torch", reduce=reduce)
            seconds[workers].append(found["phases"][-1]["epoch_wall_s"][1])
        one, two = (sum(seconds[workers]) / 2 for workers in (1, 2))
        told[name] = one, two
        print(json.dumps({"net": name, "reduce": reduce, "seconds": seconds, "ratio": one / two}), flush=True)
    return told


def native(data: Path, folder: Path) -> None:
    """The same where the framework adds."""
    speed(data, folder, "native")


def plan(data: Path, folder: Path) -> None:
    """What was forecast of an epoch's steps, and what they took."""
    measured = speed(data, folder)
    for name, (where, count, recipe, changes) in SPEED.items():
        place = few(data / where, count, folder)
        for workers in (1, 2):
            found = bakeoff.plan(place, recipe, framework="torch", overrides=changes, workers=workers, quiet=True)
            steps = found.forecast.step_s * found.forecast.steps / found.units.epochs
            took = measured[name][workers - 1]
            row = {"net": name, "workers": workers, "forecast_s": steps, "took_s": took}
            print(json.dumps({**row, "off": steps / took - 1}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        wanted = sys.argv[2:] or ["equal", "kills", "speed", "native", "plan"]
        for word in wanted:
            globals()[word](Path(sys.argv[1]), Path(temporary) / word)
