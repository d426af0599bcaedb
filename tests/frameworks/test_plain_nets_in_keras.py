"""Nets in plain torch, captured in a process of torch's, as Keras models: logits, gradients, statistics in float64."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import native, relative

from bakeoff.graph import run

HERE = Path(__file__).parent
NAMES = re.findall(r"\w+", re.search(r"^NETS = \((.*?)\)", (HERE / "plain_nets.py").read_text(), re.M | re.S)[1])  # type: ignore[index]
pytestmark = [pytest.mark.tensorflow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("torch")
    file = tmp_path_factory.mktemp("plain") / "traces.pickle"
    subprocess.run([sys.executable, str(HERE / "plain_traces.py"), str(file)], check=True, env={**os.environ})
    found: dict[str, Any] = pickle.loads(file.read_bytes())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_net_in_plain_torch_becomes_the_same_in_keras(framework: str, traces: dict[str, Any], name: str) -> None:
    one = traces[name]
    graph = one["graph"]
    net = native(framework, graph, "float64")
    assert relative(run(graph, one["x"]), one["logits"]) < 1e-11
    assert relative(net.run([one["x"]]).output, one["logits"]) < 1e-11
    learned = {v.path for v in net.built.model.trainable_variables}
    done = net.run([one["x"]], True, one["cotangent"])
    most = max(float(np.abs(gradient).max()) for gradient in one["gradients"].values())
    for path, gradient in one["gradients"].items():  # a bias before batch norm has none but for rounding
        assert np.abs(done.parameters[path] - gradient).max() < 1e-9 * max(np.abs(gradient).max(), 1e-3 * most), path
    for path, array in one["state"].items():
        assert relative(done.after[path], array) < 1e-11, path
    for path, binding in net.built.bindings.items():  # what torch doesn't train, Keras doesn't either
        weight = graph.parameters[path].role == "weight" and graph.parameters[path].trainable
        assert (net.built.variable(binding).path in learned) == weight, path
    assert np.isfinite(one["logits"]).all()
