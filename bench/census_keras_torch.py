"""The torch side of census_keras.py: reads a graph and its arrays, and compares."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from census_keras import MOMENTUM, RATE, TRAINING, relative

from bakeoff.frameworks.torch.build import build
from bakeoff.frameworks.torch.net import TorchNet
from bakeoff.graph.passes import without_noise
from bakeoff.graph.serialize import from_json


def run(folder: Path) -> None:
    report: dict[str, Any] = {}
    graph = read(folder, "float32")
    start = time.perf_counter()
    built = build(graph)
    report["build_s"] = round(time.perf_counter() - start, 3)
    saved = np.load(folder / "logits32.npz")
    found = logits(built.module, saved["pictures"])
    report["logits"] = relative(found, saved["logits"])
    report["difference"] = relative(found[0] - found[1], saved["logits"][0] - saved["logits"][1])
    report["labels"] = bool((flat(found).argmax(1) == flat(saved["logits"]).argmax(1)).all())
    back = built.arrays()
    arrays = graph.arrays()
    same = all(np.array_equal(arrays[p], back[p]) and arrays[p].dtype == back[p].dtype for p in back)
    keras = json.loads((folder / "report_float32.json").read_text())
    report["weights_back"] = keras["weights_back"] and same and set(back) >= learned(graph)
    trainable = sum(p.numel() for p in built.module.parameters() if p.requires_grad)
    report["counts"] = keras["trainable"] and trainable == graph.count(trainable=True)
    report["transposes"] = sum(
        "permute" in str(n.target) or "transpose" in str(n.target) for n in built.module.graph.nodes
    )
    if (folder / "logits64.npz").exists():
        report |= double(folder)
    (folder / "report_torch.json").write_text(json.dumps(report))


def double(folder: Path) -> dict[str, Any]:
    graph = read(folder, "float64")
    saved = np.load(folder / "logits64.npz")
    found = logits(build(graph, "float64").module, saved["pictures"])
    report: dict[str, Any] = {
        "logits64": relative(found, saved["logits"]),
        "difference64": relative(found[0] - found[1], saved["logits"][0] - saved["logits"][1]),
    }
    if (folder / "steps64.npz").exists():
        report |= steps(folder, graph)
    return report


def steps(folder: Path, graph: Any) -> dict[str, Any]:
    """Four steps; errors of weights and statistics relative to the way they went."""
    saved, expected = np.load(folder / "steps64.npz"), np.load(folder / "after64.npz")
    net = TorchNet(without_noise(graph), "cpu", "float64")
    loss = "binary_cross_entropy" if graph.output_shape[-1] == 1 else "softmax_cross_entropy"
    net.compile("sgd", {"momentum": MOMENTUM}, loss)
    losses, worst = [], 0.0
    for step in range(4):
        part = slice(step * TRAINING, (step + 1) * TRAINING)
        result = net.gradients(saved["pictures"][part], saved["labels"][part])
        losses.append(result.loss / result.count)
        if step == 0:
            worst = worst_gradient(net.gradient_arrays(), np.load(folder / "gradients64.npz"))
        net.apply(RATE)
    after = net.arrays()
    roles = {path: parameter.role for path, parameter in graph.parameters.items()}

    def moved(role: str) -> float:
        paths = [p for p in expected if roles[p] == role and p in after]
        error = sum(float(np.square(after[p] - expected[p]).sum()) for p in paths)
        way = sum(float(np.square(expected[p] - graph.parameters[p].array).sum()) for p in paths)
        return float((error / way) ** 0.5) if way else 0.0

    return {
        "loss64": float(np.abs(np.array(losses) / saved["losses"] - 1).max()),
        "gradient64": worst,
        "steps64": moved("weight"),
        "state64": moved("state"),
    }


def worst_gradient(found: Any, expected: Any) -> float:
    """Each gradient's error relative to its largest; those that are zero but for rounding are left out."""
    whole = max(float(np.abs(expected[path]).max()) for path in expected)
    errors = [relative(found[p], expected[p]) for p in expected if np.abs(expected[p]).max() > 1e-9 * whole]
    return max(errors, default=0.0)


def learned(graph: Any) -> set[str]:
    return {path for path, users in graph.users.items() if users and graph.parameters[path].role != "constant"}


def read(folder: Path, precision: str) -> Any:
    arrays = dict(np.load(folder / f"arrays_{precision}.npz"))
    return from_json(json.loads((folder / f"graph_{precision}.json").read_text()), arrays)


def flat(x: Any) -> Any:
    return x.reshape(len(x), -1)


def logits(module: Any, pictures: Any) -> Any:
    x = torch.from_numpy(pictures)
    with torch.no_grad():
        y = module(x.permute(0, 3, 1, 2) if x.dim() == 4 else x)
    return y.numpy()
