"""Images of two classes with Chinese names, and a classifier that was trained on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command, Output, write_photos

import bakeoff
from bakeoff.cli import main


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command line in this process."""
    monkeypatch.delenv("BAKEOFF_DEBUG", raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: object) -> Output:
        capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return Output(code, out, err)

    return run


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders."""
    return write_photos(tmp_path_factory.mktemp("photos") / "cats")


@pytest.fixture(scope="session")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder: the probe, which needs no training framework."""
    found = bakeoff.train(photos, framework="onnxruntime", run=tmp_path_factory.mktemp("runs") / "run")
    return found.path
