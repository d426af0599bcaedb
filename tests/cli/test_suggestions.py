"""Commands that messages suggest work when pasted: each is found in the sources, and its words are parsed."""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_line import Command, write_photos
from PIL import Image
from typer.main import get_command

import bakeoff
from bakeoff import recipe as recipes
from bakeoff import registry
from bakeoff.cli import _options
from bakeoff.cli._app import build
from bakeoff.data.recipes import read_for
from bakeoff.errors import UnsupportedError, UsageError
from bakeoff.recipe import with_overrides
from bakeoff.training.setup import start

SOURCES = Path(bakeoff.__file__).parent
VERBS = "|".join(name.replace("_", "-") for name in registry.names("bakeoff.cli"))
COMMAND = re.compile(rf"bakeoff (?:{VERBS})(?: (?:-[-\w]+|'[^']*'|\[[^\]]*\]|[A-Z]+(?:/NAME)?|[\w./=-]*[\w=/]))*")
# What a formatted value may stand for beside a word; the rest stands for one word.
MORE = {"bad": " --bad-files exclude", "more": "", "known": ""}


def suggested() -> Iterator[tuple[str, str]]:
    """(file, command) of every text of the sources."""
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if id(node) in docs or id(node) in inner or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            for command in COMMAND.findall(_text(node)):
                if "..." not in command:
                    yield str(path.relative_to(SOURCES)), command


def _text(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value.replace("{path}", "x") if isinstance(node.value, str) else ""
    return "".join(
        part.value if isinstance(part, ast.Constant) else MORE.get(ast.unparse(part.value), "x")  # type: ignore[misc]
        for part in node.values
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )


FOUND = sorted({command for _, command in suggested()})


def test_suggestions_are_found() -> None:
    assert len(FOUND) > 40
    assert any(command.startswith("bakeoff train --resume") for command in FOUND)


@pytest.mark.parametrize("line", FOUND)
def test_a_suggestion_parses(line: str) -> None:
    words = shlex.split(line)[1:]
    group = get_command(build(words))
    while hasattr(group, "commands"):
        group, words = group.commands[words[0]], words[1:]
    if words or line not in MENTIONED:
        group.make_context("verb", list(words))


VERBS = ("convert", "predict", "tune", "recipes", "models", "evaluate", "train", "compare", "explain")
MENTIONED = {f"bakeoff {verb}" for verb in VERBS}


def test_what_an_audit_suggests_trains(tmp_path: Path, command: Command) -> None:
    """A file that is no image, a folder whose name has a space; an empty class is refused, so nothing is suggested."""
    folder = write_photos(tmp_path / "my photos")
    (folder / "empty").mkdir()
    said = command("data", "audit", folder, "--no-labels").out
    assert "fill or remove the classes without images" in said
    assert "bakeoff train" not in said
    (folder / "empty").rmdir()
    (folder / "猫" / "broken.png").write_bytes(b"not an image")
    said = command("data", "audit", folder, "--no-labels")
    line = next(line.strip() for line in said.out.splitlines() if line.strip().startswith("bakeoff train"))
    words = shlex.split(line)[1:]
    assert command(*words, "--phases", "probe", "--run", tmp_path / "run").code == 0


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_runs_on_the_sample_or_says_on_which(name: str, tmp_path: Path) -> None:
    recipe = recipes.load(name)
    if "/" in (recipe.model.backbone or "") or recipe.model.loss == "binary_cross_entropy":
        pytest.skip("weights of another library, or two classes")
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(5):
            Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(tmp_path / label / f"{number}.png")
    try:
        start(recipe, read_for(recipe, str(tmp_path), 0), 0)
    except UnsupportedError as error:
        (hint,) = re.findall(r"--set (\S+)$", str(error))
        mended = with_overrides(recipe, [hint])
        start(mended, read_for(mended, str(tmp_path), 0), 0)


def test_weights_of_a_backbone_by_option(tmp_path: Path, command: Command, photos: Path) -> None:
    for words in (("--weights", tmp_path / "no.pth"), ("--weights", __file__, "--backbone", "efficientnet_lite0")):
        said = command("train", photos, "--run", tmp_path / "run", *words)
        assert said.code == 2
        assert "--weights" in said.err
    said = command("train", photos, "--run", tmp_path / "run", "--weights", tmp_path / "no.pth", "--backbone", "timm/x")
    assert "no such file" in said.err


def test_network_options_hold_for_the_call(tmp_path: Path) -> None:
    before = dict(os.environ)
    with _options.network(tmp_path, True):
        assert (os.environ["BAKEOFF_MIRROR"], os.environ["BAKEOFF_OFFLINE"]) == (str(tmp_path), "1")
    with pytest.raises(UsageError), _options.network(None, True):
        raise UsageError("x")
    assert dict(os.environ) == before
