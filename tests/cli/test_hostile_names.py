"""Names of files and classes that hold escape codes, markup, formulas and newlines: harmless in every output."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff import bundle, models
from bakeoff import recipe as recipes
from bakeoff.bundle import Bundle
from bakeoff.cli import _errors, _output, main
from bakeoff.preprocessing import Signature
from bakeoff.shown import cell, html, to_json, visible
from bakeoff.workers.progress import _Plain

NAMES = (
    "\x1b[31mred\x1b]0;title\x07", "=cmd|'/c calc'!A0", "+1", "-2", "@SUM(A1)", "two\nlines", "[bold]x[/bold]",
    "<b>x</b>", "\u202egnp", "\x9b2J", "tab\there", "back\x08space",
)  # fmt: skip
pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such names there")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    graph = models.build("mnist_cnn", (12, 12), 3, len(NAMES), seed=5)
    bundle.write(folder / "model", Bundle(graph, Signature((12, 12)), NAMES))
    for number, name in enumerate(NAMES):
        (folder / "images").mkdir(exist_ok=True)
        pixels = np.full((12, 12, 3), 20 * number, np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{name.replace('/', '_')}.png")
    return folder


def test_the_terminal_gets_no_control_codes(
    stage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage)
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["predict", "model", "images", "--top", "12"]) == 0
    table = capsys.readouterr().out
    assert main(["predict", "model", "images/\x1b[31mnone.png"]) == 3
    assert main(["evaluate", "\x1b[2J"]) != 0
    more = "".join(capsys.readouterr())
    for text in (table, more):
        assert text.isprintable() or not {each for each in text if not each.isprintable()} - set("\n\u00a0")
    assert "\\x1b[31mred" in table
    assert "[bold]x[/bold]" in table
    assert "two\\nlines" in table


def test_errors_logs_and_markup_are_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    _errors.say("\x1b[31mred")
    _Plain()({"kind": "log", "text": "\x1b[31mred"})
    _output.console(stderr=True).print(f"[bold]{_output.escaped(NAMES[0])}[/bold]", _output.plain(NAMES[5]))
    said = capsys.readouterr().err
    assert said.count("\\x1b[31mred") == 3
    assert "\x1b" not in said
    assert "two\\nlines" in said
    assert visible("a\tb\nc é 猫") == "a\tb\nc é 猫"
    assert visible("a\tb\nc", lines=False) == "a\\tb\\nc"


def test_cells_are_no_formulas_and_rows_stay_rows(
    stage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage / "images")
    assert main(["predict", "../model", "--csv", "--top", "12", "."]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 1 + len(NAMES)
    assert all(len(row) == len(rows[0]) for row in rows)
    texts = [cell for row in rows[1:] for cell in row]
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
    assert {"'=cmd|'/c calc'!A0", "'+1", "'-2", "'@SUM(A1)", "two\nlines"} <= set(texts)


def test_no_call_site_can_forget(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is handed to a console, nothing but its own styles moves the cursor."""
    from rich.panel import Panel
    from rich.text import Text

    console, table = _output.console(), _output.table("\x1b[2J")
    table.add_row(Text(NAMES[0]))
    for what in (NAMES[9], Text(NAMES[8]), Panel(Text(NAMES[0]), title=NAMES[0]), table, {"name": NAMES[0]}):
        console.print(what, markup=False)
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\x9b\u202e")
    assert r"\x9b2J" in said


def test_pages_and_cards_show_names(tmp_path: Path) -> None:
    from bakeoff.drawing.card import Card
    from bakeoff.reports.page import templates

    hostile = "\x1b[31m<b>\u202e\x9b\udcff"
    made = templates().from_string("{{ name }} {{ number }}").render(name=hostile, number=3)
    for page in (made, Card(hostile, {hostile: hostile}).html(), str(html(hostile))):
        assert r"\x1b[31m&lt;b&gt;\u202e\x9b\udcff" in page
    assert made.endswith(" 3")


def test_json_and_cells_are_harmless_and_the_same() -> None:
    for name in (*NAMES, "\x7f\udcff", "猫 é"):
        for text in (to_json({"name": name}), to_json({"name": name}, indent=1)):
            assert json.loads(text) == {"name": name}
            assert not set(text) & set("\x1b\x07\x9b\u202e\x7f\udcff")
    recipe = recipes.loads(
        'title = "x\\u009b2J\\u202e\\u007f"\n[model]\nname = "mnist_cnn"\n[[phases]]\nstrategy = "finetune"\n'
    )
    assert 'title = "x\\u009b2J\\u202e\\u007f"' in recipes.to_toml(recipe)
    assert recipes.loads(recipes.to_toml(recipe)) == recipe
    assert to_json({"name": "猫"}) == '{"name": "猫"}'
    assert cell("\x1b[31m") == "\x1b[31m"
    assert cell("\x1b[31m", seen=True) == r"\x1b[31m"


def test_a_path_of_any_length_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["predict", "a" * 31_000, "x"], ["data", "audit", "a" * 31_000], ["runs", "a/" * 15_500]):
        assert main(words) != 0
        said = capsys.readouterr().err
        assert "unexpected" not in said
        assert 100 < len(said) < 2_000


def test_what_is_printed_goes_through_the_console() -> None:
    """Or through `visible`: see `bakeoff.shown`."""
    root = Path(_output.__file__).parents[1]
    own = {
        "cli/_errors.py",
        "workers/channel.py",
        "workers/progress.py",
        "data/sources/_hub.py",
        "cli/recipes.py",
        "cli/_app.py",
        "serving/server.py",
    }
    own |= {f"zoo/{name}.py" for name in ("census", "sources/keras", "sources/timm", "sources/transformers")}
    raw = re.compile(r"(?<![.\w])print\(|echo\(|Console\(|std(out|err)\.write\(", re.ASCII)
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if raw.search(path.read_text())}
    assert found - own == {"cli/_output.py", "exports/source/_torch_file.py"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_what_is_suggested_can_be_pasted(capsys: pytest.CaptureFixture[str]) -> None:
    names = [b"caf\xe9", b"a\nb", b"\x1b[31mred", b"\xe2\x80\xae", b"it's \\x41 \xff0", b"[bold] x[/bold]", b"-r $HOME"]
    for name in names:
        _output.next_steps(f"printf %s {_output.shell(os.fsdecode(name))}")
        line = capsys.readouterr().out.splitlines()[-1].strip()
        assert visible(line) == line
        assert subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout == name
    files = Path(_output.__file__).parents[1].rglob("*.py")
    assert [path.name for path in files if "shlex" in path.read_text(encoding="utf-8")] == ["shown.py"]
