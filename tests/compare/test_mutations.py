"""Every parity check notices a mistake: one is made on purpose in one framework, and the checks that fail are named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

# what is broken in TensorFlow's process before the comparison's own functions run, and the checks that must notice
MUTATIONS = {
    "padding": (
        "from bakeoff.ops import conv2d\n"
        "true = conv2d.to_keras\n"
        "def wrong(scope, a, x, *rest):\n"
        "    from dataclasses import replace\n"
        "    return true(scope, replace(a, pad=(2, 0, 1, 1)) if any(a.pad) else a, x, *rest)\n"
        "conv2d.to_keras = wrong",
        {"logits.tensorflow", "float64.logits.tensorflow"},
    ),
    "epsilon": (
        "from bakeoff.ops import batch_norm\n"
        "true = batch_norm.to_keras\n"
        "def wrong(scope, a, x, *rest):\n"
        "    from dataclasses import replace\n"
        "    return true(scope, replace(a, epsilon=1e-3), x, *rest)\n"
        "batch_norm.to_keras = wrong",
        {"logits.tensorflow", "float64.gradients.tensorflow"},
    ),
    "momentum": (
        "from bakeoff.ops import batch_norm\n"
        "true = batch_norm.to_keras\n"
        "def wrong(scope, a, x, *rest):\n"
        "    from dataclasses import replace\n"
        "    return true(scope, replace(a, momentum=1 - a.momentum), x, *rest)\n"
        "batch_norm.to_keras = wrong",
        {"statistics.tensorflow", "evaluation.tensorflow", "float64.statistics.tensorflow"},
    ),
    "variance": (
        "from bakeoff.ops import batch_norm\n"
        "true = batch_norm.to_keras\n"
        "def wrong(scope, a, x, *rest):\n"
        "    from dataclasses import replace\n"
        "    return true(scope, replace(a, variance='biased'), x, *rest)\n"
        "batch_norm.to_keras = wrong",
        {"statistics.tensorflow", "float64.statistics.tensorflow"},
    ),
    "layout": (
        "from bakeoff.ops import flatten\nflatten.feature_axes = lambda a, x: (2, 1, 3)",
        {"logits.tensorflow"},
    ),
    "loss reduction": (
        "from bakeoff.frameworks.tensorflow.net import TensorFlowNet\n"
        "true = TensorFlowNet._gradient\n"
        "def wrong(self, images, labels):\n"
        "    loss, gradients = true(self, images, labels)\n"
        "    return loss / 2, [g / 2 for g in gradients]\n"
        "TensorFlowNet._gradient = wrong",
        {"gradients.tensorflow", "losses.tensorflow", "float64.losses.tensorflow"},
    ),
    "decay": (
        "from bakeoff.optimizers import sgd\n"
        "true = sgd.to_keras\n"
        "def wrong(keras, groups, s):\n"
        "    from dataclasses import replace\n"
        "    return true(keras, groups, replace(s, weight_decay=s.weight_decay * 1.5))\n"
        "sgd.to_keras = wrong",
        {"float64.losses.tensorflow", "float64.evaluation.tensorflow"},
    ),
}

DRIVER = """
import json, sys
import bakeoff
from bakeoff.data.sample import write_digits

folder = sys.argv[1]
write_digits(folder + "/digits")
settings = ["epochs=1", "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0.01"]
settings = [f"phases.0.{setting}" for setting in settings]
frameworks = ["torch", "tensorflow"]
compared = bakeoff.compare(folder + "/digits", "mnist-cnn", frameworks, run=folder + "/run", overrides=settings)
print(json.dumps([check["name"] for check in compared.result["parity"]["checks"] if not check["passed"]]))
"""

# Python runs a module of this name at its start, in every process: the way to break a worker from outside
CUSTOMIZE = """
import os, sys, importlib.abc, importlib.util
if os.environ.get("KERAS_BACKEND") == "tensorflow":
    import threading
    class Hook(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name != "bakeoff.compare.method":
                return None
            sys.meta_path.remove(self)
            exec(open(os.environ["MUTATION"]).read(), {})
            return None
    sys.meta_path.insert(0, Hook())
"""


def failed_checks(folder: Path, mutation: str) -> set[str]:
    """The parity checks that fail when TensorFlow's process runs the mutation first."""
    import json

    (folder / "site").mkdir(parents=True)
    (folder / "site" / "sitecustomize.py").write_text(CUSTOMIZE)
    (folder / "mutation.py").write_text(mutation)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(SOURCE)]),
        "MUTATION": str(folder / "mutation.py"),
    }
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", ["variance", "decay"])
def test_a_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    mutation, expected = MUTATIONS[name]
    assert expected <= failed_checks(tmp_path, mutation)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in ("variance", "decay")])
def test_every_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    mutation, expected = MUTATIONS[name]
    assert expected <= failed_checks(tmp_path, mutation)


def test_nothing_fails_where_nothing_is_broken(tmp_path: Path) -> None:
    assert failed_checks(tmp_path, "") == set()
