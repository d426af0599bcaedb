"""CONTRIBUTING's promise: an operator, a model and a data source are one new file each, and nothing else is edited."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def walked() -> dict[str, str]:
    """{path: text} of the files that CONTRIBUTING.md walks through."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n# (src/\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(blocks)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's package and tests, with the three new files."""
    root = tmp_path_factory.mktemp("copy")
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", root / "src", ignore=hidden)
    shutil.copytree(ROOT / "tests", root / "tests", ignore=hidden)
    shutil.copy(ROOT / "pyproject.toml", root)
    for path, text in walked().items():
        assert not (root / path).exists(), f"{path} is there already: choose another example"
        (root / path).write_text(text, encoding="utf-8")
    return root


def run(root: Path, *arguments: str) -> str:
    """What Python prints in the copy, which comes first on its path; fails with all of it."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passed(output: str) -> int:
    """How many tests passed."""
    found = re.search(r"(\d+) passed", output)
    return int(found[1]) if found else 0


def test_each_walk_is_one_file() -> None:
    assert sorted(Path(path).parent.as_posix() for path in walked()) == [
        "src/bakeoff/data/sources",
        "src/bakeoff/models",
        "src/bakeoff/ops",
    ]


def test_the_operator_passes_the_conformance_checks(copy: Path) -> None:
    out = run(copy, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/ops", "tests/runtimes", "-k", "hard_shrink")
    assert passed(out) >= 3, out


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_operator_is_lowered_to_torch(copy: Path) -> None:
    arguments = ("--framework", "torch", "tests/frameworks", "-k", "hard_shrink")
    out = run(copy, "-m", "pytest", "-v", "-p", "no:cacheprovider", *arguments)
    assert passed(out) >= 4, out


def test_a_wrong_operator_does_not_pass(copy: Path, tmp_path: Path) -> None:
    """The checks above can fail: with soft shrinking in the ONNX lowering they do."""
    wrong = tmp_path / "wrong"
    shutil.copytree(copy, wrong)
    page = wrong / "src/bakeoff/ops/hard_shrink.py"
    page.write_text(page.read_text(encoding="utf-8").replace("bias=0.0", "bias=a.threshold"), encoding="utf-8")
    with pytest.raises(AssertionError, match="failed"):
        run(wrong, "-m", "pytest", "-p", "no:cacheprovider", "tests/ops", "tests/runtimes", "-k", "hard_shrink")


def test_the_model_is_listed_built_and_run(copy: Path) -> None:
    out = run(
        copy,
        "-c",
        """
import numpy as np
from bakeoff import models
from bakeoff.graph.interpreter import run
assert "tiny_cnn" in models.names()
graph = models.build("tiny_cnn", (9, 7), 3, 4, filters=2)
print(graph.count())
        """,
    )
    assert int(out) == 3 * 3 * 3 * 2 + 2 + 2 * 4 + 4


def test_the_source_is_read(copy: Path, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from PIL import Image
import bakeoff
root = Path({str(tmp_path)!r})
lines = []
for number in range(40):
    Image.new("L", (8, 8), 6 * number).save(root / f"{{number}}.png")
    lines.append(f"{{number}}\\t{{'even' if number % 2 == 0 else 'odd'}}\\t{{number}}.png")
(root / "all.lst").write_text("\\n".join(lines))
data = bakeoff.read_data(root / "all.lst")
batch = next(iter(data.train.batches(size=(8, 8), batch_size=4)))
print(data.classes, len(data), batch.images.shape, Path(bakeoff.__file__).is_relative_to({str(copy)!r}))
"""
    assert run(copy, "-c", code).strip() == "('even', 'odd') 40 (4, 8, 8, 1) True"
