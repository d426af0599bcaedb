"""Fine-tuning the top blocks: from cached activations of the frozen ones, against computing them in every epoch.

python bench/frozen_layers.py [tensorflow]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

import _common

FREEZE = ["_conv_stem*", "_bn0*", *(f"_blocks.{number}.*" for number in range(15))]
WANTED = 2.5


def main(framework: str) -> None:
    import bakeoff

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _common.clothing(folder / "data")
        seconds, accuracy = {}, {}
        for cache in ("auto", "off"):
            trained = bakeoff.train(
                data,
                "photos",
                framework=framework,
                run=folder / cache,
                phases=["finetune"],
                overrides=[
                    f"phases.0.freeze={FREEZE!r}".replace("'", '"'),
                    "phases.0.epochs=2",
                    "phases.0.keep=last",
                    "augment.operations=[]",
                    f"phases.0.cache={cache}",
                ],
            )
            (phase,) = trained.result["phases"]
            assert phase["cached_activations"] == (cache == "auto")
            seconds[cache] = median(phase["epoch_wall_s"])
            accuracy[cache] = trained.result["validation"]["accuracy"]
        ratio = seconds["off"] / seconds["auto"]
        _common.say(
            f"{framework}: an epoch of the top blocks takes {seconds['auto']:.1f} s from cached activations, "
            f"{seconds['off']:.1f} s without: {ratio:.1f} x (wanted >= {WANTED}); validation "
            f"{100 * accuracy['auto']:.1f} and {100 * accuracy['off']:.1f} %",
            ratio >= WANTED,
        )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "torch")
    _common.finish()
