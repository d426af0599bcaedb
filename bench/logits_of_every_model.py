"""Same weights, float32: the logits of every model in every framework and in ONNX Runtime, against NumPy in float64.

python bench/logits_of_every_model.py

Wanted: at most 1e-5 of the largest logit. Each framework runs in a worker of its own, as in a comparison.
"""

from __future__ import annotations

from typing import Any

import _common
import numpy as np

MODELS = {
    "mnist_cnn": ((28, 28), 1),
    "mnist_cnn_small": ((28, 28), 1),
    "mnist_mlp": ((28, 28), 1),
    "dense_64": ((28, 28), 1),
    "cifar10_cnn": ((32, 32), 3),
    "cnn_224": ((224, 224), 3),
    "efficientnet_lite0": ((224, 224), 3),
}


def images(size: tuple[int, int], channels: int) -> np.ndarray:
    """Two images of noise, float32."""
    return np.random.default_rng(0).normal(size=(2, *size, channels)).astype("float32")


def main() -> None:
    from bakeoff import frameworks, models
    from bakeoff.graph.interpreter import run
    from bakeoff.runtimes import onnxruntime

    worst: dict[str, tuple[float, str]] = {}
    for name, (size, channels) in MODELS.items():
        graph = models.build(name, size, channels, 10)
        x = images(size, channels)
        truth = run(graph.astype("float64"), x.astype("float64"))
        found: dict[str, Any] = {"onnxruntime": onnxruntime.from_graph(graph).predict(x), "numpy": run(graph, x)}
        for framework in frameworks.installed():
            found[framework] = _in_a_process(framework, name, size, channels)
        for where, logits in found.items():
            difference = float(np.abs(logits - truth).max() / np.abs(truth).max())
            worst[where] = max(worst.get(where, (0.0, "")), (difference, name))
    for where, (difference, name) in worst.items():
        text = (
            f"logits, {where}: at most {difference:.1e} of the largest ({name}), {len(MODELS)} models; wanted <= 1e-5"
        )
        _common.say(text, difference <= 1e-5)


def _in_a_process(framework: str, name: str, size: tuple[int, int], channels: int) -> np.ndarray:
    """The logits of a model, computed in a process that holds one framework."""
    import os
    import subprocess
    import sys
    import tempfile

    from bakeoff.workers.launch import environment

    code = (
        "import sys, numpy as np\n"
        f"from bakeoff import frameworks, models\ngraph = models.build({name!r}, {size!r}, {channels}, 10)\n"
        f"x = np.random.default_rng(0).normal(size=(2, *{size!r}, {channels})).astype('float32')\n"
        f"np.save(sys.argv[1], frameworks.load({framework!r}).native(graph).logits(x))\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "logits.npy")
        command = [sys.executable, "-c", code, target]
        subprocess.run(command, env=environment(framework, "cpu", None, "float32"), check=True, capture_output=True)
        found: np.ndarray = np.load(target)
        return found


if __name__ == "__main__":
    main()
    _common.finish()
