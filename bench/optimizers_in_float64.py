"""Every optimizer, 20 steps in float64 and float32, in PyTorch, TensorFlow and JAX: digits, the CNN with batch norm.

python bench/optimizers_in_float64.py [RECIPE]

Wanted: losses, logits, parameters and statistics within 1e-9 in float64, the float32 checks of `compare` passed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import _common

OPTIMIZERS = {
    "sgd": ('name = "sgd"', 0.05),
    "momentum": ('name = "sgd", momentum = 0.9', 0.02),
    "nesterov": ('name = "sgd", momentum = 0.9, nesterov = true', 0.02),
    "adam": ('name = "adam"', 0.01),
    "adamw": ('name = "adamw", weight_decay = 0.05', 0.01),
    "rmsprop": ('name = "rmsprop", momentum = 0.9', 0.001),
    "lion": ('name = "lion"', 0.001),
}
FRAMEWORKS = ("torch", "tensorflow", "jax")


def main() -> None:
    import bakeoff
    from bakeoff.data.sample import write_digits

    recipe = sys.argv[1] if len(sys.argv) > 1 else "mnist-cnn"
    with tempfile.TemporaryDirectory() as folder:
        write_digits(Path(folder) / "digits")
        for name, (settings, rate) in OPTIMIZERS.items():
            changes = [
                f"phases.0.optimizer={{ {settings} }}",
                f"phases.0.schedule.peak={rate}",
                "phases.0.epochs=1",
            ]
            found = bakeoff.compare(
                Path(folder) / "digits", recipe, FRAMEWORKS, run=Path(folder) / name, overrides=changes
            )
            checks = found.result["parity"]["checks"]
            exact = [row for row in checks if row["name"].startswith("float64.")]
            failed = [row["name"] for row in checks if not row["passed"]]
            largest = max(exact, key=lambda row: row["difference"])
            figure = f"{name}: float64 at most {largest['difference']:.1e} ({largest['name']}); wanted 1e-9; "
            _common.say(f"{figure}{len(checks) - len(failed)} of {len(checks)} checks", not failed)
    _common.finish()


if __name__ == "__main__":
    main()
