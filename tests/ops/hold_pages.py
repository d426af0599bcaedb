"""mypy holds every page of an operator to the contract in `_page.py`: a step of `make lint`.

A module that assigns each page to the protocol that it claims is made where nobody keeps it, and mypy reads that.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from bakeoff import ops
from bakeoff.ops._page import Parts


def claims() -> str:
    """The module: a page is an operator or a loss, and each part that it may leave out is what such a part is."""
    lines = [
        "# mypy: disable-error-code=attr-defined",
        "from collections.abc import *",
        "from typing import *",
        "from bakeoff.ops._page import *",
    ]
    lines += ["from bakeoff.ops._dimension import *", "from bakeoff.schemas import Array"]
    for op in ops.names():
        page = f"bakeoff.ops.{op}"
        has = vars(import_module(page))
        lines += [f"import {page}", f"{op}_page: {'Loss' if 'LOSS' in has else 'Operator'} = {page}"]
        lines += [f"{op}_{part}: {kind} = {page}.{part}" for part, kind in Parts.__annotations__.items() if part in has]
    return "\n".join(lines) + "\n"


def main() -> int:
    """mypy's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held_pages.py"
        held.write_text(claims(), encoding="utf-8")
        return subprocess.run([sys.executable, "-m", "mypy", str(held)]).returncode


if __name__ == "__main__":
    sys.exit(main())
