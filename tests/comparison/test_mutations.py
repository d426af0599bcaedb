"""Every parity check notices a mistake: one is made on purpose in one framework, and the checks that fail are named."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
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

DROPOUT = ("model.name=cnn_224", "input.size=[16,16]", "phases.0.batch_size=8")
OUTSIDE = {
    "the last, smaller batch": (
        "from bakeoff.frameworks.tensorflow.net import TensorFlowNet\n"
        "true = TensorFlowNet._gradient\n"
        "def wrong(self, images, labels):\n"
        "    loss, gradients = true(self, images, labels)\n"
        "    share = (images.shape[0] or 64) / 64\n"
        "    return loss, [g * share for g in gradients]\n"
        "TensorFlowNet._gradient = wrong",
        (),
        {"float64.parameters.tensorflow", "float64.evaluation.tensorflow"},
    ),
    "dropout left on": (
        "from bakeoff.frameworks.tensorflow.net import TensorFlowNet\n"
        "TensorFlowNet.logits = lambda self, images, train=False: self._batch_logits(images).numpy()",
        DROPOUT,
        {"logits.tensorflow", "float64.logits.tensorflow"},
    ),
    "dropout at another rate": (
        "from bakeoff.ops import dropout\n"
        "from dataclasses import replace\n"
        "true = dropout.to_keras\n"
        "dropout.to_keras = lambda scope, a, x, *rest: true(scope, replace(a, rate=0.9 * a.rate), x, *rest)",
        DROPOUT,
        {"float64.draws.rates.tensorflow", "float64.gradients.tensorflow", "gradients.tensorflow"},
    ),
    "augmentation in another order": (
        "import bakeoff.training.context as context\n"
        "from dataclasses import replace\n"
        "true = context.augmentation\n"
        "def wrong(*given):\n"
        "    found = true(*given)\n"
        "    return replace(found, operations=found.operations[::-1])\n"
        "context.augmentation = wrong",
        ("augment.preset=strong",),
        {"batches.tensorflow"},
    ),
    "another filter": (
        "import bakeoff.training.setup as setup\n"
        "true = setup.Signature\n"
        "setup.Signature = lambda **given: true(**{**given, 'resize': 'nearest'})",
        ("input.size=[14,14]",),
        {"batches.tensorflow"},
    ),
    "a running mean that stands still": (
        "from bakeoff.training.loop.average import Average\nAverage.see = lambda self, step, arrays: None",
        ("phases.0.average=0.9",),
        {"float64.average.tensorflow"},
    ),
    "class names in another order": (
        "import bakeoff.training.work as work\n"
        "true = work.read\n"
        "class Turned:\n"
        "    def __init__(self, data): self.data, self.classes = data, data.classes[::-1]\n"
        "    def __getattr__(self, name): return getattr(self.data, name)\n"
        "work.read = lambda *given: Turned(true(*given))",
        (),
        {"batches.tensorflow"},
    ),
}

IN_JAX = {
    "variance": (MUTATIONS["variance"][0], {"statistics.jax", "float64.statistics.jax"}),
    "padding": (MUTATIONS["padding"][0], {"logits.jax", "float64.logits.jax"}),
    "decay": (MUTATIONS["decay"][0], {"float64.losses.jax", "float64.evaluation.jax"}),
    "loss reduction": (
        "from bakeoff.frameworks.jax.net import JaxNet\n"
        "true = JaxNet._loss\n"
        "def wrong(self, *given):\n"
        "    loss, others = true(self, *given)\n"
        "    return loss / 2, others\n"
        "JaxNet._loss = wrong",
        {"gradients.jax", "losses.jax", "float64.losses.jax"},
    ),
    "momentum of the optimizer": (
        "from bakeoff.optimizers import sgd\n"
        "from dataclasses import replace\n"
        "true = sgd.to_keras\n"
        "sgd.to_keras = lambda keras, groups, s: true(keras, groups, replace(s, momentum=0.899))",
        {"float64.losses.jax", "float64.parameters.jax"},
    ),
}

DRIVER = """
import json, sys
import bakeoff
from bakeoff.comparison import api
from bakeoff.data.sample import write_digits

folder, framework, *more = sys.argv[1:]
write_digits(folder + "/digits")
settings = ["epochs=1", "optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0.01"]
settings = [*(f"phases.0.{setting}" for setting in settings), *more]
frameworks = ["torch", framework]
class Enough(Exception):
    pass
def training(self, *given):
    raise Enough
def proved(self, *given, true=api.Comparison._parity):
    self.found = true(self, *given)
    failed.extend(check.name for check in self.found if not check.passed)
    return self.found
failed = []
api.Comparison._parity, api.Comparison._train = proved, training
try:
    bakeoff.compare(folder + "/digits", "mnist-cnn", frameworks, run=folder + "/run", overrides=settings)
except Enough:
    print(json.dumps(failed))
"""

# Python runs a module of this name at its start, in every process: the way to break a worker from outside
CUSTOMIZE = """
import os, sys, importlib.abc, importlib.util
if os.environ.get("KERAS_BACKEND") in ("tensorflow", "jax"):
    import threading
    class Hook(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name != "bakeoff.comparison.method":
                return None
            sys.meta_path.remove(self)
            exec(open(os.environ["MUTATION"]).read(), {})
            return None
    sys.meta_path.insert(0, Hook())
"""


def failed_checks(folder: Path, mutation: str, framework: str = "tensorflow", settings: Sequence[str] = ()) -> set[str]:
    """The parity checks that fail when the framework's process runs the mutation first."""
    import json

    (folder / "site").mkdir(parents=True)
    (folder / "site" / "sitecustomize.py").write_text(CUSTOMIZE)
    (folder / "mutation.py").write_text(mutation)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(SOURCE)]),
        "MUTATION": str(folder / "mutation.py"),
    }
    line = [sys.executable, "-c", DRIVER, str(folder), framework, *settings]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


QUICK = ("variance", "decay")


@pytest.mark.parametrize("name", QUICK)
def test_a_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    mutation, expected = MUTATIONS[name]
    assert expected <= failed_checks(tmp_path, mutation)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MUTATIONS if name not in QUICK])
def test_every_mutation_is_noticed(tmp_path: Path, name: str) -> None:
    mutation, expected = MUTATIONS[name]
    assert expected <= failed_checks(tmp_path, mutation)


@pytest.mark.slow
@pytest.mark.parametrize("name", OUTSIDE)
def test_what_stands_around_the_step_is_seen(tmp_path: Path, name: str) -> None:
    mutation, settings, expected = OUTSIDE[name]
    assert expected <= failed_checks(tmp_path, mutation, settings=settings)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
@pytest.mark.parametrize("name", [*IN_JAX, "nothing"])
def test_in_jax(tmp_path: Path, name: str) -> None:
    mutation, expected = IN_JAX.get(name, ("", set()))
    found = failed_checks(tmp_path, mutation, "jax")
    assert expected <= found
    assert bool(found) == bool(expected)


def test_nothing_fails_where_nothing_is_broken(tmp_path: Path) -> None:
    assert failed_checks(tmp_path, "") == set()
