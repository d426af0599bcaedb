"""The support matrix: what passes, fails and was not measured is told apart, and the page is up to date."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "support_matrix.py"
FINE = {
    "model": "timm/fine",
    "size": 96,
    "bits": True,
    "count": 10,
    "same_count": True,
    "spread": 0.3,
    "floor": 1e-6,
    "centred_floor": 1e-6,
    "passed": True,
}
for side in ("torch", "keras", "jax"):
    FINE |= {f"{side}_float32": 1e-5, f"{side}_float32_centred": 1e-5, f"{side}_bits": True, f"{side}_count": 10}
    FINE |= {f"{side}_float64": 1e-14, f"{side}_float64_centred": 1e-14}
for name in ("losses", "gradients", "statistics", "weights"):
    FINE |= {f"{name}{end}": 1e-12 for end in ("64", "64_jax")} | {f"adamw_{name}64": 1e-12}
    FINE |= {f"{name}32": 1e-6, f"{name}_floor": 1e-6}


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("support_matrix", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "support_matrix", module)
    spec.loader.exec_module(module)
    return module


def test_what_was_measured_and_small_passes(matrix: Any) -> None:
    assert matrix.verdict(FINE) == "passes"


def test_what_was_not_measured_is_said(matrix: Any) -> None:
    some = {key: value for key, value in FINE.items() if not key.startswith("keras") and not key.endswith("64")}
    assert matrix.verdict(some).startswith("passes; not measured: torch, float64, Keras, float32")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"keras_float32": 2e-4}, "Keras, float32 (2e-04)"),
        ({"keras_float64": 2e-9}, "Keras, float64 (2e-09)"),
        ({"keras_float64_centred": 2e-8}, "Keras, float64 (1e-14 / keras_float64_centred 2e-08)"),
        ({"gradients64": float("nan")}, "steps, float64 (1e-12 / nan / 1e-12)"),
        ({"losses64": 2e-6}, "steps, float64 (2e-06 / 1e-12 / 1e-12)"),
        ({"weights64": 2e-5}, "steps, float64 (1e-12 / 1e-12 / 1e-12 / weights64 2e-05)"),
        ({"gradients32": 2e-4}, "steps, float32 (1e-06 (1e-06) / 2e-04 (1e-06) / 1e-06 (1e-06))"),
        ({"adamw_losses64": 2e-6}, "AdamW, float64 (2e-06 / 1e-12 / 1e-12)"),
        ({"statistics64_jax": 2e-5}, "JAX steps (1e-12 / 1e-12 / 2e-05)"),
        ({"bits": False}, "weights (no)"),
        ({"keras_bits": False}, "weights (no)"),
        ({"keras_count": 7}, "counts (7 of 10)"),
        ({"same_count": False}, "counts (no)"),
    ],
)
def test_a_failure_has_its_reason(matrix: Any, change: dict[str, Any], said: str) -> None:
    assert matrix.verdict({**FINE, **change}) == f"**fails**: {said}"


def test_a_net_that_ignores_its_input_proves_nothing(matrix: Any) -> None:
    assert "spread 1e-07" in matrix.verdict({**FINE, "spread": 1e-7})


def test_a_noisy_source_may_differ_by_four_times_its_noise(matrix: Any) -> None:
    assert matrix.verdict({**FINE, "floor": 1e-4, "keras_float32": 3e-4}) == "passes"
    assert matrix.verdict({**FINE, "gradients_floor": 1e-3, "gradients32": 3e-3}) == "passes"
    assert matrix.verdict({**FINE, "gradients_floor": 1e-1, "gradients32": 0.45}).startswith("**fails**")
    assert matrix.verdict({**FINE, "gradients_floor": 2e-1, "gradients32": 0.45}) == "passes"  # noise alone: not judged


def test_an_error_is_told_without_folders(matrix: Any) -> None:
    lines = [
        "Traceback",
        '  File "/somewhere/x.py", line 3',
        "bakeoff.errors.UnsupportedError: aten.x | in a: unknown",
        '  File "/y/z.py"',
    ]
    error = "\n".join(lines)
    found = matrix.verdict({"model": "timm/x", "error": error, "passed": False})
    assert found == "**fails**: UnsupportedError: aten.x / in a: unknown"


def test_later_lines_win_and_half_written_ones_are_left_out(
    matrix: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(matrix, "LINES", tmp_path / "lines.jsonl")
    census = tmp_path / "census.jsonl"
    census.write_text(json.dumps({**FINE, "bits": False}) + "\n" + json.dumps(FINE) + '\n{"model": "timm/ha')
    monkeypatch.setattr(sys, "argv", ["support_matrix.py", str(census)])
    assert matrix.main() == 0
    assert (
        "1 of 1 models pass every check that was made, 1 trained, 1 trained on JAX, 1 with AdamW"
        in (tmp_path / "page.md").read_text()
    )
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 1


def test_the_page_is_up_to_date(matrix: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["support_matrix.py", "--check"])
    assert matrix.main() == 0, "make docs"
