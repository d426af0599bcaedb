"""The command line: one verb per file, found by listing the folder.

A verb's file holds:

    command      the function behind the verb (Typer reads its signature), or GROUP, a Typer of verbs under one word
    PANEL        where `bakeoff --help` shows it, and PLACE, its order there
    EXAMPLES     pairs of a command line and what it does; they close its `--help`

Nothing heavy is imported until a verb runs: `bakeoff --help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code. The entry point of `bakeoff`."""
    from bakeoff.cli._app import build
    from bakeoff.cli._errors import guarded
    from bakeoff.cli._output import alone_on_stderr, never_fail

    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" not in words:
        alone_on_stderr()
    never_fail()
    return guarded(lambda: build(words)(words, prog_name="bakeoff"), debug="--debug" in words)
