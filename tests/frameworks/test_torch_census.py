"""One small model of each timm module and torchvision family into Keras, trained there, by bench/census_torch.py."""

from __future__ import annotations

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

CENSUS = Path(__file__).resolve().parents[2] / "bench" / "census_torch.py"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.torch,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not CENSUS.exists(), reason="bench/ is not beside the tests"),
]


def listed() -> list[str]:
    if not CENSUS.exists():
        return []
    sys.path.insert(0, str(CENSUS.parent))
    names: list[str] = runpy.run_path(str(CENSUS), run_name="listed")["listed"]()
    return names


@pytest.mark.parametrize("name", listed())
def test_a_model_becomes_the_same_in_keras(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name.split("/")[0])
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the rebuild needs TensorFlow")
    output = tmp_path / "census.jsonl"
    subprocess.run([sys.executable, str(CENSUS), str(output), name, "--limit", "1800"], check=True)
    line = json.loads(output.read_text())
    assert line["passed"], line
