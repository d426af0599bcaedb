"""Fine-tuning one epoch after the probe, in both frameworks: it loses no more than one standard error on validation.

python bench/clothing_finetune.py
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import _common


def main() -> None:
    import bakeoff

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _common.clothing(folder / "data")
        probed = bakeoff.train(data, "photos", framework="onnxruntime", run=folder / "probe").result["validation"]
        error = math.sqrt(probed["accuracy"] * (1 - probed["accuracy"]) / probed["num"])
        for framework in ("torch", "tensorflow"):
            trained = bakeoff.train(
                data,
                "photos",
                framework=framework,
                run=folder / framework,
                phases=["probe", "finetune"],
                overrides=["phases.1.epochs=1"],
            )
            found = trained.result["validation"]["accuracy"]
            seconds = trained.result["phases"][1]["wall_s"]
            test = trained.result["test"]["accuracy"]
            _common.say(
                f"clothing, probe then 1 epoch in {framework}: validation {100 * found:.2f} %, probe alone "
                f"{100 * probed['accuracy']:.2f} %, standard error {100 * error:.2f}; "
                f"test {100 * test:.2f} %; {seconds:.0f} s",
                found >= probed["accuracy"] - error,
            )


if __name__ == "__main__":
    main()
    _common.finish()
