"""What `bakeoff compare` compares instead of frameworks: pretrained nets, or a published comparison's choices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bakeoff.cli import _options as options

SHARED = ("data", "overrides", "run", "threads", "bad_files", "json", "debug")
USED = {
    "backbones": (*SHARED, "recipe", "seed", "margin"),
    "published": (*SHARED, "seeds"),
    "repeated": ("data", "run", "json", "debug"),
}


def check(context: Any, mode: str, option: str) -> None:
    """UsageError where an option was given that this mode doesn't use: nothing that is given goes unused.

    Args:
        context: Typer's, of the command.
        mode: the parameter that chose it.
        option: as it is written.
    """
    from bakeoff.errors import UsageError

    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name != mode and name not in USED[mode]:
            raise UsageError(f"{option} doesn't use {parameter.opts[0]}: leave one of them out.")


def backbones(data: Path, recipe: str, names: str, json: bool, **given: Any) -> None:
    """`--backbones`."""
    from bakeoff.cli._output import give
    from bakeoff.comparison.backbones import compare_backbones
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    with progress() as listen:
        found = compare_backbones(data, options.listed(names, "--backbones"), recipe, listen=listen, **given)
    report(found.path)
    give(found.result, json, _backbones)


def published(data: Path, article: str, json: bool, **given: Any) -> None:
    """`--as-published`."""
    from bakeoff.cli._output import give
    from bakeoff.comparison.ledger import as_published
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    with progress() as listen:
        found = as_published(data, article, listen=listen, **given)
    report(found.path)
    report(found.path, found.path / "report.zh.html", lang="zh")
    give(found.result, json, _published)


def repeated(data: Path, told: Path, json: bool, run: Path | None) -> None:
    """`--repeat`."""
    from bakeoff.cli._output import give
    from bakeoff.comparison.repeat import repeat
    from bakeoff.errors import ParityError
    from bakeoff.reports import report
    from bakeoff.workers.progress import progress

    with progress() as listen:
        found = repeat(data, told, run=run, listen=listen)
    report(found.path)
    give(found.result, json, _repeated)
    if not found.result["same"]:
        apart = [row["need"] for row in found.result["needs"] if not row["same"]]
        raise ParityError(f"it came to other choices: {', '.join(apart)}.")


def _backbones(found: dict[str, Any]) -> None:
    """A row a backbone, the most accurate first; the sentence; what to do next."""
    from bakeoff.cli import _output as out

    table = _table("backbone", ("accuracy", "points behind", "ms an image", "size"))
    rows = sorted(found["backbones"].items(), key=lambda one: -one[1]["accuracy"])
    for name, row in rows:
        table.add_row(
            out.plain(name, "bold green" if name == found["choice"] else ""),
            out.percent(row["accuracy"]),
            _points(row["behind_best"], row["behind_best_interval"], sign=""),
            out.number(row["ms_per_image"]),
            out.megabytes(row["bytes"]),
        )
    out.console().print(table)
    held = f"accuracy on {rows[0][1]['num']:,} held-out images ({found['accuracy_split']})"
    out.words(f"[dim]{held}[/dim]\n\n[bold]Verdict[/bold]  {out.escaped(found['verdict'])}")
    out.next_steps(found["next"], f"open {out.shell(Path(found['run']) / 'report.html')}")


def _published(found: dict[str, Any]) -> None:
    """A row a choice: what it does to accuracy and time."""
    from bakeoff.cli import _output as out

    table = _table("made fair", ("points", "time of a step"))
    rows = [*found["rows"], *([{"key": "all", **found["made_fair"]}] if len(found["rows"]) > 1 else [])]
    choices = found["texts"]["en"]["choices"]
    for row in rows:
        time = f"{row['time_ratio']:.2f} x" if "time_ratio" in row else "-"
        name = choices.get(row["key"], "all of them")
        table.add_row(
            out.plain(name),
            _points(row["effect"], row["effect_interval"]),
            time if row.get("told", True) else f"{time}, none told",
        )
    out.console().print(table)
    out.words(f"\n[bold]Verdict[/bold]  {out.escaped(found['verdict'])}")
    pages = [Path(found["run"]) / name for name in ("report.html", "report.zh.html")]
    out.next_steps(*(f"open {out.shell(one)}" for one in pages))


def _repeated(found: dict[str, Any]) -> None:
    """A row a need: the choice before and now."""
    from bakeoff.cli import _output as out

    table = out.table("need", "before", "now", "")
    for row in found["needs"]:
        table.add_row(
            row["need"], *(out.plain(row[key] or "-") for key in ("before", "now")), "" if row["same"] else "✗"
        )
    out.console().print(table)
    out.words("A choice that one of them could not make (-) contradicts nothing.")


def _table(first: str, numbers: Sequence[str]) -> Any:
    from bakeoff.cli import _output as out

    table = out.table(first, *numbers, numbers=numbers)
    table.columns[0].overflow = "fold"  # a name that is cut can't be given to `train`
    for column in table.columns[1:]:
        column.no_wrap = True
    return table


def _points(share: float, low_high: Sequence[float], sign: str = "+") -> str:
    low, high = (f"{100 * side:{sign}.1f}" for side in low_high)
    return f"{100 * share:{sign}.1f} ({low} to {high})"
