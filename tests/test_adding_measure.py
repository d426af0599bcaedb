"""A measure is one new file: in a copy of the package it then stands wherever figures stand, and nothing is edited."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
MEASURE = "src/bakeoff/evaluation/measures/kappa.py"
LOGGER = '''
"""written: the test's own ear: what loggers are told at the end."""

import json


class Written:
    def __init__(self, path):
        self.path = path

    def __getattr__(self, name):
        return lambda *arguments: None

    def end(self, scores, predictions, classes):
        (self.path / "told.json").write_text(json.dumps(scores))


def start(path, resumed_from):
    return Written(path)
'''


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the new file, images, and a run of them."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests" / "one_new_file" / MEASURE, root / MEASURE)
    (root / "src/bakeoff/training/loggers/written.py").write_text(LOGGER.lstrip(), encoding="utf-8")
    rng = np.random.default_rng(0)
    for shade, name in ((60, "dark"), (110, "grey"), (160, "light")):
        (root / "photos" / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.normal(shade, 60, (16, 16, 3)).clip(0, 255).astype("uint8")
            Image.fromarray(pixels).save(root / "photos" / name / f"{number}.png")
    bakeoff(
        root, "train", "photos", "--phases", "probe", "--framework", "onnxruntime", "--run", "run", "--log", "written"
    )
    return root


def bakeoff(root: Path, *arguments: str) -> str:
    """What a verb prints, of the copy."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *arguments], cwd=root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def kappa(confusion: list[list[int]]) -> float:
    from sklearn.metrics import cohen_kappa_score

    pairs = [(i, j) for i, row in enumerate(confusion) for j, count in enumerate(row) for _ in range(count)]
    truth, said = zip(*pairs, strict=True)
    return float(cohen_kappa_score(truth, said))


def test_evaluate_says_it(copy: Path) -> None:
    found = json.loads(bakeoff(copy, "evaluate", "run", "--json"))
    assert found["kappa"] == pytest.approx(kappa(found["confusion"]))
    assert f"Cohen's kappa {found['kappa']:.4f}" in bakeoff(copy, "evaluate", "run")


def test_the_run_and_its_loggers_have_it(copy: Path) -> None:
    found = json.loads((copy / "run/run.json").read_text(encoding="utf-8"))
    told = json.loads((copy / "run/told.json").read_text(encoding="utf-8"))
    for split in ("validation", "test"):
        assert told[f"{split}/kappa"] == found[split]["kappa"]
    said = json.loads(bakeoff(copy, "evaluate", "run", "--json"))
    assert found["test"]["kappa"] == said["kappa"]


def test_the_report_has_it_in_both_languages(copy: Path) -> None:
    for lang, name in (("en", "Cohen&#39;s kappa"), ("zh", "科恩 κ")):
        bakeoff(copy, "report", "run", "--lang", lang, "--output", f"{lang}.html")
        assert name in (copy / f"{lang}.html").read_text(encoding="utf-8")


def test_it_is_nowhere_without_the_file(copy: Path) -> None:
    """The checks above can fail: the measure that they look for comes from that file alone."""
    (copy / "src/bakeoff/evaluation/measures/kappa.py").rename(copy / "kappa.py")
    try:
        assert "kappa" not in json.loads(bakeoff(copy, "evaluate", "run", "--json"))
        bakeoff(copy, "report", "run", "--output", "without.html")
        assert "kappa" not in (copy / "without.html").read_text(encoding="utf-8")
    finally:
        (copy / "kappa.py").rename(copy / "src/bakeoff/evaluation/measures/kappa.py")
