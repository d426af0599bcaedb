"""Census: every constructor of keras.applications, and nets as users write them, into torch and back; a JSON line each.

    python bench/census_keras.py OUT.jsonl                        all that OUT.jsonl hasn't passed yet
    python bench/census_keras.py OUT.jsonl MobileNetV2 zoo        one or more; NAME:free has a free input size

Weights are random, statistics of batch norm calibrated on images, so that no layer is the identity and no net ignores
its input. Keras and torch have a process each, which is started anew when a model crashes it. What is asked, and what
counts as passed, is the same as in census_torch.py: see _census.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from _census import Record, loop, measured, options, remaining
from _child import Child

KERAS = {"KERAS_BACKEND": "tensorflow"}
# In float32 alone. Resizing: TensorFlow resizes in float32, whatever it is given, so that there is nothing to compare;
# two copies of the largest in float64 take more memory than most have.
SINGLE = ("resized", "ConvNeXtLarge", "ConvNeXtXLarge")


def all_names() -> list[str]:
    """The constructors of keras.applications, and the nets of keras_nets.py; asked in a process of their own."""
    code = "import _census_keras_nets as n, json; print(json.dumps(n.names()))"
    where, environment = Path(__file__).parent, {**os.environ, **KERAS, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=where, env=environment)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    given = options(__doc__).parse_intermixed_args()

    def ask(name: str, children: dict[str, Child]) -> Record:
        single = name in SINGLE
        question = {"name": name, "steps": "none" if single else given.steps, "single": single}
        others = {"torch": children["torch"]}
        return measured({"model": name}, children["keras"], question, others, given.limit)

    children = {
        "keras": ("_census_keras_source.py", KERAS),
        "torch": ("_census_target.py", {"CENSUS_TARGET": "torch"}),
    }
    loop(given, given.models or remaining(given.out, all_names()), ask, children)


if __name__ == "__main__":
    main()
