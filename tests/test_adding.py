"""CONTRIBUTING's promise: what it says is one new file is one new file, and nothing else is edited.

The three walks are taken out of the page, the other files out of `tests/one_new_file`. All of them go into one copy of
the package, where the real verbs are run.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NEW = ROOT / "tests" / "one_new_file"
OLD_RUN = "tests/compatibility/0.1/comparison/torch"
VERBS = """
import json, sys
from bakeoff.cli import main
sys.exit(max(main(line) for line in json.loads(sys.argv[1])))
"""
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")


def walked() -> dict[str, str]:
    """{path: text} of the files that CONTRIBUTING.md walks through."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n# (src/\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return dict(blocks)


def added() -> dict[str, str]:
    """{path: text} of every new file."""
    files = (path for path in NEW.rglob("*") if path.suffix in (".py", ".toml"))
    return walked() | {path.relative_to(NEW).as_posix(): path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's package and tests, with the new files."""
    root = tmp_path_factory.mktemp("copy")
    hidden = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", root / "src", ignore=hidden)
    shutil.copytree(ROOT / "tests", root / "tests", ignore=hidden)
    (root / "bench").mkdir()
    shutil.copy(ROOT / "bench" / "transformers.json", root / "bench")
    shutil.copy(ROOT / "pyproject.toml", root)
    for path, text in added().items():
        assert not (root / path).exists(), f"{path} is there already: choose another example"
        (root / path).write_text(text, encoding="utf-8")
    return root


def child(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in the copy, which comes first on its path."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(root / "src"),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    line = [sys.executable, *arguments]
    return subprocess.run(line, cwd=root, env=environment, capture_output=True, text=True, timeout=300)


def run(root: Path, *arguments: str) -> str:
    """What Python prints; fails with all of it."""
    done = child(root, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verbs(root: Path, *lines: str) -> str:
    """What these command lines of `bakeoff` print, one after the other in one process."""
    return run(root, "-c", VERBS, json.dumps([line.split() for line in lines]))


def refused(root: Path, *lines: str) -> str:
    """What command lines say that don't work."""
    done = child(root, "-c", VERBS.replace("max", "min"), json.dumps([line.split() for line in lines]))
    assert done.returncode > 0, done.stdout + done.stderr
    return done.stderr


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


@pytest.fixture(scope="module")
def torch_checks(copy: Path) -> str:
    """What the checks of operators and optimizers say in PyTorch, which is imported once for both."""
    arguments = ("--framework", "torch", "tests/frameworks", "-k", "hard_shrink or adagrad")
    return run(copy, "-m", "pytest", "-vv", "-p", "no:cacheprovider", *arguments)


@needs_torch
def test_the_operator_is_lowered_to_torch(torch_checks: str) -> None:
    assert len(re.findall(r"hard_shrink.* PASSED", torch_checks)) >= 4, torch_checks


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


def test_the_table_links_every_example() -> None:
    linked = re.findall(r"\(tests/one_new_file/(src/\S+)\)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(added().keys() - walked().keys())


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and light images, 20 each; one of them is black all over, and a hidden file lies beside it."""
    root, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, light in (("dark", 0), ("light", 180)):
        (root / name).mkdir()
        for index in range(20):
            pixels = light + draw.integers(0, 70, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels * (index > 0 or light > 0)).save(root / name / f"{index}.png")
    (root / "dark" / ".DS_Store").touch()
    return root


def test_the_audit_is_in_json_table_and_page(copy: Path, images: Path, tmp_path: Path) -> None:
    line = f"data audit {images} --no-labels --report {tmp_path}"
    out = verbs(copy, f"{line}/en.html --json", f"{line}/zh.html --lang zh")
    said, table = json.JSONDecoder().raw_decode(out)
    assert [finding["kind"] for finding in said["findings"]] == ["blank", "one_colour", "hidden"]
    assert "one_colour 1\n  dark/0.png  one colour: nothing is on it" in out[table:]
    for lang, meaning in (("en", "Images that are one even area."), ("zh", "整张只有一种颜色的图片。")):
        html = (tmp_path / f"{lang}.html").read_text(encoding="utf-8")
        assert f'<td class="detail">{meaning}</td>' in html
        section = html[html.index('<section id="one_colour">') :]
        assert section.index("data:image/png") < section.index("</section>")


def test_the_augmentation_is_applied(copy: Path, images: Path, tmp_path: Path) -> None:
    line = f"data preview {images} --size 8 --pictures 2 --epochs 1 --output {tmp_path}"
    verbs(copy, f"{line}/new.png --recipe all-new", f"{line}/plain.png --augment none")
    new, plain = (np.asarray(Image.open(tmp_path / name).convert("L")) for name in ("new.png", "plain.png"))
    changed = new != plain
    assert changed.mean() > 0.05
    assert (new[changed] == 255 - plain[changed]).all()


def test_the_section_stands_at_its_place_in_the_report(copy: Path, tmp_path: Path) -> None:
    line = f"report {OLD_RUN} --output {tmp_path}"
    verbs(copy, f"{line}/en.html", f"{line}/zh.html --lang zh")
    for lang, title in (("en", "The last step"), ("zh", "最后一步")):
        html = (tmp_path / f"{lang}.html").read_text(encoding="utf-8")
        order = re.findall(r'<section id="(\w+)"', html)
        assert order[order.index("curves") + 1] == "last_step"
        assert f"<h2>{title}</h2>" in html


def test_the_format_is_written_and_the_runtime_reads_it(copy: Path, tmp_path: Path) -> None:
    digits = "tests/compatibility/0.1/digits/3"
    export = f"export {OLD_RUN} --to numpy --output {tmp_path} --json"
    said = verbs(copy, export, *(f"predict {model} {digits} --json" for model in (OLD_RUN, f"{tmp_path}/model.numpy")))
    written, *rows = map(json.loads, said.splitlines())
    assert (written["format"], Path(written["output"]).name) == ("numpy", "model.numpy")
    native, ours = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    assert len(ours) == 24
    assert [(row["path"], row["label"]) for row in ours] == [(row["path"], row["label"]) for row in native]
    assert all(abs(a["probability"] - b["probability"]) < 1e-4 for a, b in zip(ours, native, strict=True))


def test_help_and_refusals_know_what_is_new(copy: Path, images: Path, tmp_path: Path) -> None:
    """None of them starts a training."""
    shown = re.sub(r"[\s│]+", " ", verbs(copy, "--help", "export --help", "train --help", "recipes"))
    for words in (
        "classes Print the names of the classes",
        "bundle, keras, litert, numpy, onnx, openvino, savedmodel or torch.",
        "mlflow, plain_text or tensorboard",
        "all-new",
    ):
        assert words in shown
    train = f"train {images} --recipe all-new --run {tmp_path}/run"
    said = refused(
        copy,
        f"export {OLD_RUN} --to none",
        f"export {OLD_RUN} --to onnx --output {tmp_path}/model.numpy",
        f"predict {images}/dark/0.png x",
        f"{train} --log none",
        f"{train} --set phases.0.schedule.name=none",
        f"{train} --set phases.0.optimizer.name=none",
        f"{train} --set augment.operations=[{{name='none'}}]",
        "train x --recipe none",
    )
    for words in (
        "Known: bundle, keras, litert, numpy, onnx, openvino, savedmodel, torch",
        "writes .onnx files, not .numpy",
        ", a .numpy file, ",
        "Known: mlflow, plain_text, tensorboard",
        "Known: constant, cosine, linear, one_cycle, step",
        "Known: adagrad, adam, adamw",
        "horizontal_flip, inverted, mixup",
        "Known: all-new, ",
    ):
        assert words in said


def test_the_verb_is_run(copy: Path, images: Path) -> None:
    out = verbs(copy, f"classes {images}", f"classes {images} --json")
    assert out.splitlines()[:2] == ["dark", "light"]
    assert json.loads(out.splitlines()[-1])["classes"] == ["dark", "light"]


@pytest.fixture(scope="module")
def trained(copy: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the new recipe, which names the new augmentation, optimizer and schedule, told to the new logger."""
    run_folder = tmp_path_factory.mktemp("trained") / "run"
    verbs(copy, f"train {images} --recipe all-new --framework torch --log plain-text --run {run_folder} --threads 1")
    return run_folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@needs_torch
def test_the_recipe_is_trained_with_its_schedule(trained: Path) -> None:
    rates = [row["rate"] for row in lines(trained / "metrics.jsonl")]
    np.testing.assert_allclose(rates, 0.1 - 0.08 * np.arange(10) / 10)
    recipe = (trained / "recipe.toml").read_text(encoding="utf-8")
    assert 'title = "All that is new"' in recipe
    assert all(f'name = "{name}"' in recipe for name in ("inverted", "adagrad", "linear"))


@needs_torch
def test_the_logger_is_told_everything(trained: Path) -> None:
    said = (trained / "log.txt").read_text(encoding="utf-8").splitlines()
    assert said[0] == "begin 270 (25, 8, 8, 1)"
    assert [line for line in said if line.startswith("epoch")] == ["epoch 5 4 4", "epoch 10 4 4"]
    assert sum(line.startswith("row metrics.jsonl") for line in said) == 10
    assert sum(line.startswith("row epochs.jsonl") for line in said) == 2
    assert (
        said[-1]
        == "end test/accuracy test/kappa test/loss validation/accuracy validation/kappa validation/loss dark light"
    )


@needs_torch
def test_the_optimizer_takes_its_steps_in_torch(torch_checks: str) -> None:
    assert len(re.findall(r"adagrad.* PASSED", torch_checks)) >= 5, torch_checks


def test_the_optimizer_passes_the_checks_without_a_framework(copy: Path) -> None:
    assert passed(run(copy, "-m", "pytest", "-p", "no:cacheprovider", "tests/optimizers", "-k", "adagrad")) == 3


def test_a_contestant_an_article_and_a_cause_are_found(copy: Path) -> None:
    out = run(
        copy,
        "-c",
        """
from bakeoff.comparison import articles, contestants
from bakeoff.difference.account import Account
from bakeoff.difference.causes import Cause
assert "torch-in-turns" in contestants.names()
assert contestants.load("torch-in-turns").FRAMEWORK == "torch"
assert "100" in articles.names()
cause = Cause("shuffle_buffer")
a, b = (Account("x", "script", given={"train.shuffle_buffer": size}) for size in (100, 60000))
print(cause.suspect(a, b))
print(cause.suspect(a, a))
""",
    )
    assert out.splitlines() == ["{'train.shuffle_buffer': 60000}", "None"]
