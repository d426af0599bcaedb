"""Every constructor of keras.applications, and nets as users write them, from Keras into torch and back.

    python bench/census_keras.py --output /tmp/census.jsonl [--models MobileNetV2 ResNet50] [--steps MobileNetV2 ...]

Three processes a model: Keras in float32 (captures, and gives logits), Keras in float64 (the same numbers, and four
training steps where asked), torch (reads the graph and the arrays, and compares); --together: for five models at once,
which is faster, but one that crashes takes the others along. Weights are random, statistics of batch norm calibrated
on pictures, and the head is scaled so that the largest logit is 5: a net that ignores its input, or saturates, would
prove nothing.

A line of the output is a model: differences relative to the largest logit, and the source's own noise floor (Keras
in float32 against Keras in float64, the same numbers).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SINGLE = {"resized": "TensorFlow resizes in float32, whatever it is given"}  # no float64 to compare with
RATE, MOMENTUM = 2**-7, 0.875  # exact in float32: Keras takes Python floats through it even in float64
PICTURES, TRAINING = 4, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*")
    parser.add_argument("--steps", nargs="*", default=[], help="models that are trained for four steps in float64")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--skip64", action="store_true", help="leave float64 out (the largest models)")
    parser.add_argument("--together", action="store_true", help="one process for all models")
    parser.add_argument("--timeout", type=float, default=900)
    parser.add_argument("--role", choices=("float32", "float64", "torch"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        for name in options.models:
            run_role(options.role, name, options.folder / name.replace(":", "_"), name in options.steps)
        return
    names = options.models or all_names()
    for line in together(names, options) if options.together else (census([name], options)[0] for name in names):
        with options.output.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(summary(line), flush=True)


def all_names() -> list[str]:
    """The constructors of keras.applications, and the nets of census_keras_nets.py; asked in a process of their own."""
    code = "import census_keras_nets as n, json; print(json.dumps(n.names()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, env=environment()
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment() -> dict[str, str]:
    quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return {**os.environ, **quiet}


def together(names: list[str], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Five models a process: their arrays lie on disk until torch has read them."""
    for first in range(0, len(names), 5):
        yield from census(names[first : first + 5], options)


def census(names: list[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Models through their processes."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for role in ("float32", "float64", "torch"):
            chosen = [name for name in names if role != "float64" or name not in SINGLE]
            if not chosen or (role == "float64" and options.skip64):
                continue
            command = [sys.executable, __file__, "--role", role, "--folder", folder, "--models", *chosen]
            steps = [name for name in chosen if name in options.steps and not options.skip64]
            command += ["--output", os.devnull, "--steps", *steps]
            limit = options.timeout * len(names)
            try:
                done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=limit)
                error = f"{role}: {done.stderr[-1500:]}" if done.returncode else ""
            except subprocess.TimeoutExpired:
                error = f"{role}: longer than {limit:.0f} s"
            if error:
                return [{"model": name, "passed": False, "error": error} for name in names]
        seconds = round((time.perf_counter() - started) / len(names), 1)
        return [report_of(name, Path(folder) / name.replace(":", "_"), seconds) for name in names]


def report_of(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    line: dict[str, Any] = {"model": name}
    for path in sorted(folder.glob("report_*.json")):
        line |= json.loads(path.read_text())
    line["seconds"] = seconds
    line["passed"] = "error" not in line and judged(line)
    return line


def judged(line: dict[str, Any]) -> bool:
    """Logits within 1e-4 or four times the noise floor, float64 within 1e-9, counts and bits the same."""
    allowed = max(1e-4, 4 * line.get("noise", 0.0))
    checks = [
        line["logits"] <= allowed or "noise" not in line,
        line["difference"] <= max(1e-4, 4 * line.get("noise_difference", 0.0)) or "noise" not in line,
        line["weights_back"],
        line["counts"],
        line["sensitivity"] > 1e-6,
        line.get("logits64", 0.0) <= 1e-9,
        line.get("difference64", 0.0) <= 1e-8,
        line.get("loss64", 0.0) <= 1e-6,
        line.get("gradient64", 0.0) <= 1e-5,
        line.get("steps64", 0.0) <= 1e-5,
        line.get("state64", 0.0) <= 1e-5,
    ]
    return all(checks)


def summary(line: dict[str, Any]) -> str:
    if "error" in line:
        return f"FAILED {line['model']}: {line['error'].strip().splitlines()[-1][:300]}"
    shown = {k: f"{v:.1e}" if isinstance(v, float) and k != "seconds" else v for k, v in line.items() if k != "model"}
    return f"{'passed' if line['passed'] else 'FAILED'} {line['model']}: {shown}"


def run_role(role: str, name: str, folder: Path, steps: bool) -> None:
    folder.mkdir(exist_ok=True)
    if (folder / "report_error.json").exists():
        return
    try:
        if role == "torch":
            import census_keras_torch

            census_keras_torch.run(folder)
        else:
            import census_keras_source

            census_keras_source.run(name, role, folder, steps)
    except Exception as error:  # the others go on
        (folder / "report_error.json").write_text(json.dumps({"error": f"{role}: {type(error).__name__}: {error}"}))


def images(rng: np.random.Generator, count: int, shape: tuple[int, ...], low: float, high: float) -> Any:
    """Coarse blocks of colour with noise: pictures that differ more than noise alone would."""
    if len(shape) < 3:
        return rng.uniform(low, high, (count, *shape))
    height, width, channels = shape
    blocks = rng.uniform(low, high, (count, 4, 4, channels))
    coarse = np.repeat(np.repeat(blocks, -(-height // 4), 1), -(-width // 4), 2)[:, :height, :width]
    return 0.6 * coarse + 0.4 * rng.uniform(low, high, (count, *shape))


def relative(found: Any, expected: Any) -> float:
    """The largest difference, relative to the largest expected value."""
    difference = np.abs(np.asarray(found, "float64") - np.asarray(expected, "float64"))
    return float(difference.max() / max(np.abs(expected).max(), 1e-300))


if __name__ == "__main__":
    main()
