"""Names of files and classes that hold escape codes, markup, formulas and newlines: harmless in every output."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakeoff import bundle, models
from bakeoff.bundle import Bundle
from bakeoff.cli import _errors, _output, main
from bakeoff.preprocessing import Signature
from bakeoff.texts.catalogue import visible
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
