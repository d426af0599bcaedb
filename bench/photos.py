"""The recipes for photos on 3,781 photos of clothing: test accuracy, median of seeds, and time; what was kept, and why.

python bench/photos.py [SEEDS [RECIPE,... [FRAMEWORK,...]]]      3 seeds of all three recipes, `photos` in torch

The test images choose nothing: `photos` keeps its fine-tuning by the validation images alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import _common

WANTED = {"photos-fast": (0.86, 1), "photos": (0.91, 5), "photos-best": (0.92, 40)}  # accuracy; minutes on two cores


def trained(data: Path, recipe: str, framework: str, seed: int, folder: Path) -> dict[str, Any]:
    """What `bakeoff train --json` prints; the caches of each seed start empty."""
    run = folder / f"{recipe}-{framework}-{seed}"
    command = [sys.executable, "-m", "bakeoff", "train", str(data), "-r", recipe, "--framework", framework]
    command += ["--seed", str(seed), "--run", str(run), "--json"]
    environment = {**os.environ, "XDG_CACHE_HOME": f"{run}-cache"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    scores = [f"{split} {100 * found[split]['accuracy']:.2f} %" for split in ("test", "validation")]
    gates = [phase["gate"] for phase in found["phases"] if "gate" in phase]
    print(f"  {recipe} in {framework}, seed {seed}: {', '.join(scores)}, {found['wall_s']:.0f} s", flush=True)
    for gate in gates:
        if "interval" not in gate:
            print("    left out")
            continue
        low, high = gate["interval"]
        print(
            f"    {'kept' if gate['kept'] else 'rejected'}: validation {100 * gate['before']:.2f} % before, "
            f"{100 * gate['after']:.2f} % after, interval {100 * low:+.2f} to {100 * high:+.2f}"
        )
    return found


def main(seeds: int, recipes: list[str], frameworks: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _common.clothing(folder / "data")
        for recipe in recipes:
            for framework in frameworks if recipe == "photos" else ["onnxruntime"]:
                found = [trained(data, recipe, framework, seed, folder) for seed in range(seeds)]
                accuracy = median(one["test"]["accuracy"] for one in found)
                minutes = max(one["wall_s"] for one in found) / 60
                wanted, most = WANTED[recipe]
                _common.say(
                    f"{recipe} in {framework}: median test accuracy {100 * accuracy:.2f} % of {seeds} seeds, wanted >= "
                    f"{100 * wanted:.0f} %; the slowest took {minutes:.1f} minutes, wanted <= {most}",
                    accuracy >= wanted and minutes <= most,
                )


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        int(words[0]) if words else 3,
        words[1].split(",") if len(words) > 1 else list(WANTED),
        words[2].split(",") if len(words) > 2 else ["torch"],
    )
    _common.finish()
