"""`export --compare` writes each format in a process of its own: some libraries crash beside each other."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from bakeoff import models
from bakeoff.bundle import Bundle
from bakeoff.exports import export, measured
from bakeoff.preprocessing import Signature


@pytest.mark.skipif(not (find_spec("torch") and find_spec("tensorflow")), reason="needs both")
def test_torch_is_measured_beside_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = models.build("mnist_mlp", (8, 8), 1, 2)
    draw = np.random.default_rng(0)
    moved = {path: one + 0.2 * draw.normal(size=one.shape).astype(np.float32) for path, one in graph.arrays().items()}
    signature = Signature((8, 8), channels=1, mean=(0.5,), std=(0.5,))
    bundle = export(Bundle(graph.with_arrays(moved), signature, ("ash", "oak")), "bundle", tmp_path / "net")
    monkeypatch.setattr(measured, "names", lambda: ("keras", "torch"))
    monkeypatch.setattr(measured, "ROUNDS", 1)
    found = measured.measure(bundle)
    assert [(row["format"], row["error"]) for row in found["rows"]] == [("keras", ""), ("torch", "")]
    assert all(row["bytes"] > 0 and row["p50_ms"] > 0 and row["difference"] < 1e-5 for row in found["rows"])


def test_what_export_would_refuse_is_not_the_best() -> None:
    def row(difference: float) -> str:
        checks = [{"name": "logits", "difference": 0.1}]
        checks.append({"name": "accuracy.validation", "difference": difference, "detail": "so it was"})
        made = {"bytes": 1, "gate": {"splits": {}, "runtime": "x", "checks": checks}}
        return str(measured._row(made, [1.0], [1.0], 2.0)["refused"])

    assert row(0.0201) == "export refuses it: so it was; --max-loss 3 would not"
    assert row(0.02) == ""
