"""What README, tutorial and how-tos show is run, page by page, on small stand-ins for the images that they name.

`claims.toml` says of each line that isn't run as it is written what is run in its place, or why nothing is and which
test has it; and which test holds a claim that has no command. Quick pages are run in every test, the others in
`make test-slow`.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from bakeoff.cli import main
from bakeoff.data import write_digits

ROOT = Path(__file__).parents[2]
CLAIMS = tomllib.loads((Path(__file__).parent / "claims.toml").read_text(encoding="utf-8"))
PAGES = ["README.md", "README.zh-CN.md", "docs/tutorial.md"]
PAGES += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/how-to").glob("*.md"))
QUICK = {f"docs/how-to/{name}.md" for name in ("data-sample", "predict")}
HERE = {"data", "doctor", "evaluate", "models", "predict", "report"}  # verbs that start no process
NEEDS = {"torch", "tensorflow", "timm", "torchvision", "transformers", "optuna", "tensorboard"}


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page where it begins."""

    language: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], text[: found.start()].count("\n") + 1)


def lines(block: Block) -> Iterator[str]:
    """The commands of a block for the shell, without prompt and comment."""
    if block.language not in ("sh", "console"):
        return
    for line in block.text.splitlines():
        if block.language == "sh" or line.startswith("$ "):
            words = re.split(r"\s+#\s", line.removeprefix("$ "))[0].strip()
            if words:
                yield words


EVERY = [(page, line) for page in PAGES for block in blocks(page) for line in lines(block)]
INSTEAD = {row["line"]: row for row in CLAIMS["instead"]}


def in_place_of(line: str) -> str:
    """What is run for a line: itself, or what stands in for it; empty: nothing is."""
    if line in INSTEAD:
        return str(INSTEAD[line].get("run", ""))
    return line if line.startswith("bakeoff ") else ""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("stage")
    write_digits(folder / "digits")
    rng = np.random.default_rng(0)

    def photo(path: Path, colour: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (40, 48, 3), dtype=np.uint8)
        pixels[..., colour] += 120
        Image.fromarray(pixels).save(path, quality=90)

    for place, kinds in {
        **dict.fromkeys(("photos", "clothing-small", "other-photos"), ("cat", "dog", "rabbit")),
        "照片": ("猫", "狗", "兔"),
    }.items():
        for colour, kind in enumerate(kinds):
            for number in range(20):
                photo(folder / place / kind / f"{number:02d}.jpg", colour)
    names = ["cat.jpg", "dog.jpg", "new-photos/1.jpg", "holiday/day/2.jpg", "新照片/1.jpg", "1.jpg", "2.jpg"]
    for number, name in enumerate([*names, "pics/hat.jpg", "pics/shoes.jpg", "pics/t-shirt.jpg"]):
        photo(folder / name, number % 3)
    labels = ["sea", "people", "dog"]
    rows = [[f"many/{number}.jpg", [int(x) for x in rng.integers(0, 2, 3)]] for number in range(40)]
    for number, (name, _) in enumerate(rows):
        photo(folder / str(name), number % 3)
    words: Any = [(name, [label for label, has in zip(labels, given, strict=True) if has]) for name, given in rows]
    (folder / "list.jsonl").write_text("".join(f"{json.dumps({'path': a, 'labels': b})}\n" for a, b in words))
    (folder / "cells.csv").write_text("path,labels\n" + "".join(f"{a},{'|'.join(b)}\n" for a, b in words))
    columns = "".join(f"{name},{','.join(map(str, given))}\n" for name, given in rows)  # type: ignore[arg-type]
    (folder / "list.csv").write_text(f"path,{','.join(labels)}\n{columns}")
    before = Path.cwd()
    os.chdir(folder)
    try:
        for run in ("runs/RUN", "runs/first"):
            assert main(["train", "photos", "--phases", "probe", "--run", run]) == 0
        assert main(["export", "runs/RUN", "--to", "onnx", "--output", "model.onnx"]) == 0
    finally:
        os.chdir(before)
    return folder


def marked(page: str) -> Any:
    return pytest.param(page, marks=() if page in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
@pytest.mark.timeout(1800)
def test_what_a_page_shows_runs(page: str, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(stage, tmp_path / "stage"))  # pages name the same files
    failed = []
    for block in blocks(page):
        for line in lines(block):
            if (asked := in_place_of(line)) and (said := fails(asked)):
                failed.append(f"{page}:{block.line}: {asked}\n{said}")
        if block.language == "python" and (said := python(page, block)):
            failed.append(f"{page}:{block.line}: {block.text}\n{said}")
    assert not failed, "\n\n".join(failed)


def fails(line: str) -> str:
    """What went wrong with a command line; nothing, if all was well, or a library that it asks for isn't there."""
    if any(name in line and lacks(name) for name in NEEDS):
        return ""
    command, _, output = line.partition(" > ")
    words, error = shlex.split(command)[1:], io.StringIO()
    if words[0] == "serve":
        return serves(words)
    with Path(output or os.devnull).open("w") as stream:
        if words[0] in HERE:
            with redirect_stdout(stream), redirect_stderr(error):
                code = main(words)
            return "" if code == 0 else f"exit {code}: {error.getvalue()}"
        called = [sys.executable, "-m", "bakeoff", *words]
        done = subprocess.run(called, stdout=stream, stderr=subprocess.PIPE, text=True, timeout=900)
    return "" if done.returncode == 0 else f"exit {done.returncode}: {done.stderr[-1500:]}"


def serves(words: list[str]) -> str:
    """The same of a server: it says that it is ready, at ports that are free, and ends well when it is asked to."""
    called = [sys.executable, "-m", "bakeoff", *words, "--rest-port", "0", "--grpc-port", "0", "--json"]
    with subprocess.Popen(called, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        late = threading.Timer(300, server.kill)
        late.start()
        ready = server.stdout.readline() if server.stdout else ""
        server.terminate()
        _, error = server.communicate()
        late.cancel()
    return "" if server.returncode == 0 and "rest_port" in ready else f"exit {server.returncode}: {error[-1500:]}"


def lacks(name: str) -> bool:
    return find_spec(name) is None


def python(page: str, block: Block) -> str:
    """What went wrong with a block of Python, behind the lines that `claims.toml` has for its names."""
    given = next((row for row in CLAIMS["python"] if row["page"] == page and row["starts"] in block.text), None)
    if given is not None and given.get("skip"):
        return ""
    code = f"{given['before'] if given else ''}\n{block.text}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    return "" if done.returncode == 0 else done.stderr[-1500:]


def test_lines_that_are_not_run_say_why_and_have_a_test() -> None:
    known = {line for _, line in EVERY}
    for line in known:
        assert in_place_of(line) or line in INSTEAD or installs(line), f"{line}: neither run nor named in claims.toml"
    assert set(INSTEAD) <= known, f"no page has them any more: {set(INSTEAD) - known}"
    for row in CLAIMS["instead"]:
        assert row["why"]
        assert row.get("run") or exists(row["test"]), row


def test_claims_stand_on_their_page_and_their_tests_exist() -> None:
    assert len(CLAIMS["claim"]) >= 20
    for row in CLAIMS["claim"]:
        text = " ".join((ROOT / row["page"]).read_text(encoding="utf-8").split())
        assert row["says"] in text, f"{row['page']} doesn't say any more: {row['says']}"
        for name in row["tests"]:
            assert exists(name), f"{row['says']}: there is no {name}"


def test_a_test_that_is_not_there_is_found() -> None:
    assert exists("tests/docs/test_executed.py::test_claims_stand_on_their_page_and_their_tests_exist")
    assert not exists("tests/docs/test_executed.py::test_nothing")
    assert not exists("tests/docs/test_nowhere.py::test_nothing")


def exists(name: str) -> bool:
    path, _, function = name.partition("::")
    return (ROOT / path).is_file() and f"\ndef {function}(" in (ROOT / path).read_text(encoding="utf-8")


def installs(line: str) -> bool:
    """Lines that install, whose extras are looked at; and those of the shell and of make, which have other tests."""
    return line.startswith(("pip install ", "python3 -m venv", ". .venv", "make ", "tensorboard "))


@pytest.mark.parametrize("page", [*PAGES, "docs/index.md", "CONTRIBUTING.md"])
def test_installation_lines_work_without_an_index_that_knows_us(page: str) -> None:
    """On a bare machine from a clone or a wheel; `bakeoff[EXTRA]` only where Bakeoff is already: never the first."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = re.findall(r"pip install '?([^'`\n]+)'?", (ROOT / page).read_text(encoding="utf-8"))
    for words in asked:
        for name in re.findall(r"(?:bakeoff|\.)\[([\w,]+)\]", words):
            assert set(name.split(",")) <= set(extras), f"{page}: {words}"
    if page in ("README.md", "README.zh-CN.md", "docs/tutorial.md"):
        assert asked[0].startswith(".["), f"{page}: {asked[0]}"
    installed = [page for page in PAGES if "on no package index" in (ROOT / page).read_text(encoding="utf-8")]
    assert installed == ["README.md"], "one place says where it is installed from"


@pytest.mark.slow
def test_a_wheel_installs_with_its_extras_and_says_so(tmp_path: Path) -> None:
    """As README says: a wheel of this clone, then another extra by name, with an index that has no Bakeoff."""
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    made = subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"nothing to build a wheel with here: {made.stderr[-300:]}")
    (wheel,) = tmp_path.glob("bakeoff-*.whl")
    assert wheel.name in (ROOT / "README.md").read_text(encoding="utf-8")
    subprocess.run([*pip, "install", "-q", "--no-deps", wheel], check=True)
    more = subprocess.run([*pip, "install", "--no-index", "--no-deps", "bakeoff[tune]"], capture_output=True, text=True)
    assert "already satisfied: bakeoff[tune]" in more.stdout, more.stderr


# Output that is shown


def shown(page: str, start: str) -> list[str]:
    """The block of a page that has a text, by lines, without what it leaves out."""
    block = next(block for block in blocks(page) if start in block.text)
    return [line.rstrip() for line in block.text.splitlines() if line.strip() not in ("", "...")]


def shape(line: str) -> str:
    """A line without its figures and without the width of its columns."""
    return " ".join(re.sub(r"[-+]?\d[\d,.]*(e[-+]\d+)?", "N", line).split())


def plain(found: list[str]) -> list[str]:
    """Lines without the width of their columns."""
    return [" ".join(line.split()) for line in found]


def said(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "bakeoff", *words], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_models_are_as_they_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    printed = {*plain(capsys.readouterr().out.splitlines())}
    assert not {*plain(shown("docs/how-to/models.md", "mnist_cnn_small"))} - printed


@pytest.mark.slow
@pytest.mark.skipif(any(map(lacks, ("torch", "tensorflow"))), reason="needs PyTorch and TensorFlow")
def test_the_comparison_in_the_readme_is_what_is_printed(stage: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(stage)
    found = said("compare", "digits", "--recipe", "mnist-cnn", "--run", str(tmp_path / "compare")).splitlines()
    expected = shown("README.md", "float64.logits.tensorflow")
    rows = {line.split()[0]: line for line in found if line.strip()}
    for line in expected[: next(place for place, one in enumerate(expected) if one.startswith("Verdict"))]:
        there = rows.get(line.split()[0], "")
        assert shape(there) == shape(line), f"{line!r}, and it printed {there!r}"
        if line.endswith("same"):
            limits = [float(one.split()[2]) for one in (line, there)]
            assert 0.1 <= (limits[0] or 1) / (limits[1] or 1) <= 10, line
    verdict, printed = (" ".join(" ".join(each).split()) for each in (expected, found))
    sentence = "The same network in PyTorch and TensorFlow (22 checks passed); no difference in accuracy is seen"
    assert sentence in verdict
    assert sentence in printed


@pytest.mark.slow
@pytest.mark.data
def test_the_clothes_in_readme_and_tutorial_come_out_as_shown(tmp_path: Path, monkeypatch: Any) -> None:
    """To the digit: a probe has no chance in it. Needs the 3,781 photos (BAKEOFF_CLOTHES, or beside the checkout)."""
    tar = Path(os.environ.get("BAKEOFF_CLOTHES", ROOT.parent / "shared" / "data" / "clothing-small.tar"))
    if not tar.exists():
        pytest.skip("the photos of clothes are not here")
    monkeypatch.chdir(tmp_path)
    found = plain(said("train", str(tar), "--phases", "probe", "--run", "runs/clothes").splitlines())
    for page in ("README.md", "README.zh-CN.md", "docs/tutorial.md"):
        for line in plain(shown(page, "86.0 to 92.2")):
            if line.startswith(("efficientnet", "test", "validation", "trained on")):
                assert line in found, f"{page}: {line!r}, and it printed {found}"
    scored = plain(said("evaluate", "runs/clothes").splitlines())
    assert not {*plain(shown("docs/how-to/evaluate.md", "taken for"))} - {*scored}, scored
