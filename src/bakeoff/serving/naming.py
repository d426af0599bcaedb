"""What the user says of a model: `PATH`, `NAME=PATH`, `NAME=PATH@VERSION`; or variables, as of its image."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bakeoff import bundle
from bakeoff.errors import UsageError
from bakeoff.serving.models import Given

NAME = re.compile(r"[^/:\s]+")
BASE, MODEL = "/models", "model"


def given(text: str) -> Given:
    """A model of the command line.

    Raises:
        UsageError: a name that no request could have.
    """
    name, path = "", text
    head, separator, tail = text.partition("=")
    if separator and not Path(text).exists():
        name, path = head, tail
    at, _, number = path.rpartition("@")
    version = 1
    if at and number.isascii() and number.isdecimal() and not Path(path).exists():
        path, version = at, int(number)
    name = name or called(Path(path))
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r}: no name for a model; expected one without blanks, / and :, as NAME=PATH.")
    return Given(name, Path(path), version)


def called(path: Path) -> str:
    """The name of a model without one: its folder's or file's, without what only says the kind."""
    path = path.resolve()
    if path.name == "bundle" and bundle.folder_of(path) is not None:
        path = path.parent
    return re.sub(r"[/:\s]+", "-", path.stem if path.is_file() else path.name)


def from_environment() -> Given | None:
    """The model that MODEL_NAME and MODEL_BASE_PATH name, as TensorFlow Serving's image has them; None without."""
    if not {"MODEL_NAME", "MODEL_BASE_PATH"} & os.environ.keys():
        return None
    name = os.environ.get("MODEL_NAME") or MODEL
    return Given(name, Path(os.environ.get("MODEL_BASE_PATH") or BASE) / name)
