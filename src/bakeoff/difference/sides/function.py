"""A function of the user's own that gives a net: `FILE.py:FUNCTION`, with `--a-weights` for a state dict."""

from __future__ import annotations

import re
from pathlib import Path

from bakeoff import bundle as bundles
from bakeoff.difference import inputs
from bakeoff.difference.account import Account
from bakeoff.difference.sides import Given
from bakeoff.difference.sides.script import framework_of
from bakeoff.difference.sides.source import of_bundle
from bakeoff.files import workspace
from bakeoff.workers.launch import Worker

READS, PLACE = "FILE.py:FUNCTION, which gives a net", 4


def accepts(text: str) -> bool:
    """Whether it is a function's name behind a Python file."""
    file, _, function = text.rpartition(":")
    return bool(re.fullmatch(r"\w+", function)) and file.endswith(".py") and Path(file).is_file()


def opened(text: str, given: Given) -> Account:
    """The graph of the net that the function gives, with the weights of a file where one is given."""
    file, _, function = text.rpartition(":")
    framework = framework_of(Path(file).read_text(encoding="utf-8", errors="replace"), text)
    told = inputs.declared(given.input, f"--{given.side}-input") if given.input else {}
    with workspace("explain") as folder, Worker(framework) as worker:
        call = {"file": str(Path(file).resolve()), "function": function, "framework": framework}
        size = list(told.get("input.size", ()))
        worker.call("bakeoff.difference.user:net", **call, weights=given.weights, size=size, folder=str(folder))
        return of_bundle(text, "model", bundles.read(folder / "net"), False)
