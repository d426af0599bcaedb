"""What goes to stdout (results) and to stderr (everything else)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from bakeoff.shown import shell as shell
from bakeoff.shown import to_json, visible
from bakeoff.workers.progress import console as console
from bakeoff.workers.progress import seconds as seconds

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


_MARKS = re.compile(r"\[/?[a-z ]*\]")


def print_json(value: dict[str, Any]) -> None:
    """One object, with its schema number, on one line of stdout; NaN and infinity become null.

    Text stays as it is where stdout takes it; file names that are no text, what moves a terminal's cursor, and what
    stdout can't encode, are escaped.
    """
    from bakeoff.schemas import SCHEMA  # brings NumPy, which help does without

    value = _finite({"schema": SCHEMA, **value})
    sys.stdout.write(to_json(value, sys.stdout.encoding) + "\n")
    sys.stdout.flush()


def give(value: dict[str, Any], json: bool, show: Callable[[dict[str, Any]], None]) -> None:
    """A result, for programs or for a person."""
    if json:
        print_json(value)
    else:
        show(value)


def never_fail() -> None:
    """Let both streams write what their encoding lacks as escapes: a name must not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def alone_on_stderr() -> None:
    """Keep what C libraries write there by themselves from the user, as TensorFlow does; --debug shows it."""
    import os

    if sys.stderr is not sys.__stderr__ or sys.stderr is None:  # a test's, or a program's own
        return
    shown = os.dup(sys.stderr.fileno())
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stderr.fileno())
    os.close(nothing)
    sys.stderr = os.fdopen(shown, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def percent(share: float | None) -> str:
    """`81.8 %`, or a dash."""
    return "-" if share is None else f"{100 * share:.1f} %"


def interval(low_high: Any) -> str:
    """`95 % interval 75.2 to 87.0`."""
    low, high = low_high
    return f"95 % interval {100 * low:.1f} to {100 * high:.1f}"


def count(value: float) -> str:
    """`16,879`; below 10 with one digit behind the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def words(text: str) -> None:
    """Markup that breaks in a terminal, and nowhere else: between figures, two blanks apart or more, else words."""
    target = console()
    if target.is_terminal:
        text = "\n".join(_filled(line, target.width) for line in text.split("\n"))
    target.print(text, soft_wrap=not target.is_terminal)


def _filled(line: str, width: int) -> str:
    from rich.cells import cell_len

    found, *rest = re.split(r"(?<=\S)( {2,})", line)
    used = cell_len(_MARKS.sub("", found))
    for blanks, figure in zip(rest[::2], rest[1::2], strict=True):
        size = cell_len(_MARKS.sub("", figure))
        fits = used + len(blanks) + size <= width
        found += blanks + figure if fits else f"\n{figure}"
        used = used + len(blanks) + size if fits else size
    return found


def next_steps(*lines: str) -> None:
    """Commands that go on from here; brackets in names are no markup."""
    console().print("\n[dim]Next[/dim]")
    for line in lines:
        console().print(f"  {line}", markup=False)


def number(value: float | None) -> str:
    """`12.3` below 100, `16,879` above, or a dash."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def megabytes(value: float | None) -> str:
    """`512 MB`, or a dash."""
    return "-" if value is None else f"{value / 1e6:,.0f} MB"


def plain(text: str, style: str = "") -> Text:
    """A text that Rich takes as it is: brackets in names are no markup."""
    from rich.text import Text

    return Text(visible(text, lines=False), style=style)


def escaped(text: str) -> str:
    """A text for the middle of markup."""
    from rich.markup import escape

    return escape(visible(text, lines=False))


def table(*columns: str, numbers: Collection[str] = ()) -> Table:
    """A table without lines; the columns in `numbers` end on the right."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left")
    return made


def checks(question: str, rows: list[dict[str, Any]]) -> Table:
    """A row a check of parity."""
    made = table(question, "difference", "tolerance", "", numbers=("difference", "tolerance"))
    for row in rows:
        verdict = "[green]same[/green]" if row["passed"] else "[bold red]differs[/bold red]"
        difference = "-" if row["difference"] is None else f"{row['difference']:.1e}"
        made.add_row(row["name"], difference, f"{row['tolerance']:.1e}", verdict)
    return made
