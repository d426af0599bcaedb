"""The probe on 3,781 photos of clothing: accuracy, time cold against the floor, from the cache, against usual loops.

python bench/clothing_probe.py [EPOCHS]      of the usual loops; 10 where it is left out, 0 leaves them out

The floor, measured in the same run (A B B A): bench/usual/probe_plain.py, the least that a process can do. Cold means
an empty cache of Bakeoff's own; the files are in the system's cache on all sides. The usual loops (bench/usual/) have
the same frozen net inside, 10 epochs; of fewer, the last one's seconds stand for those that are missing, and the figure
says so. Each side's seconds are those of its process, start and imports included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _common

PLAIN = str(Path(__file__).parent / "usual" / "probe_plain.py")
EPOCHS = 10  # of the usual loops
FACTORS = {"torch": 15, "keras": 10}  # how much faster the probe is wanted to be


def train(data: Path, run: Path, cache: Path) -> dict[str, object]:
    """`bakeoff train` as a user runs it."""
    command = [
        sys.executable,
        "-m",
        "bakeoff",
        "train",
        str(data),
        "--run",
        str(run),
        "--json",
        "--framework",
        "onnxruntime",
        "--phases",
        "probe",
    ]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - began}


def usual(data: Path, framework: str, epochs: int) -> tuple[float, float]:
    """Seconds of ten epochs of the usual loop, and its accuracy on test after those that were run."""
    script = Path(__file__).parent / "usual" / f"probe_{framework}.py"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, script, data, str(epochs)], capture_output=True, text=True)
    wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    return wall + (EPOCHS - epochs) * found["seconds"][-1], found["accuracy"]


def main(epochs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _common.clothing(folder / "data")
        rows = {"floor": [], "cold": []}
        for number, side in enumerate(("floor", "cold", "cold", "floor")):
            began = time.perf_counter()
            if side == "floor":
                subprocess.run([sys.executable, PLAIN, str(data)], capture_output=True, check=True)
            else:
                cold = train(data, folder / f"cold{number}", folder / f"cache{number}")
            rows[side].append(time.perf_counter() - began)
        again = train(data, folder / "again", folder / "cache1")
        loops = {name: usual(data, name, epochs) for name in FACTORS} if epochs else {}
    accuracy = cold["test"]["accuracy"]  # type: ignore[index]
    _common.say(
        f"clothing, test accuracy: {100 * accuracy:.2f} % of {cold['num_test']}, wanted >= 87.0 %", accuracy >= 0.87
    )
    seconds, floor = min(rows["cold"]), min(rows["floor"])
    both = ", ".join(f"{name} {a:.1f} and {b:.1f} s" for name, (a, b) in rows.items())
    _common.say(
        f"clothing, cold over the floor: {seconds / floor:.2f} ({both}); wanted <= 1.25", seconds <= 1.25 * floor
    )
    second = float(str(again["seconds"]))
    _common.say(f"clothing, from the cache: {second:.1f} s, wanted <= 10 s", second <= 10)
    for name, (loop, theirs) in loops.items():
        whole = f"{EPOCHS} epochs" if epochs == EPOCHS else f"{epochs} epochs measured, {EPOCHS} reckoned from them"
        _common.say(
            f"clothing, the usual loop in {name}: {loop:.0f} s ({whole}; test {100 * theirs:.1f} %), "
            f"{loop / seconds:.1f} x the probe's {seconds:.1f} s; wanted >= {FACTORS[name]} x",
            loop / seconds >= FACTORS[name],
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EPOCHS)
    _common.finish()
