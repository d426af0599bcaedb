"""`bakeoff evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Use", 1
SAID_FIRST = ("accuracy", "loss")
SHARES = ("recall", "precision", "f1")
EXAMPLES = (
    ("bakeoff evaluate runs/RUN photos", "accuracy on the test set, per class"),
    ("bakeoff evaluate runs/RUN photos --split validation", "on another split"),
    ("bakeoff evaluate runs/RUN other-photos --split all", "on every image of a folder that was held out"),
    ("bakeoff evaluate runs/RUN photos --abstain 0.8", "and how it would fare if it kept quiet when unsure"),
    ("bakeoff evaluate runs/RUN photos --tta flip", "and what averaging with mirror images would gain"),
    ("bakeoff evaluate runs/RUN", "without images: from the predictions that the run kept"),
)


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a bundle.")],
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="The images; without, what the run kept is scored.")
    ] = None,
    split: Annotated[str, typer.Option(metavar="NAME", help="train, validation, test, or all.")] = "test",
    abstain: Annotated[
        float | None, typer.Option(metavar="P", help="Say what is gained by not answering below this probability.")
    ] = None,
    tta: options.Tta = "none",
    separator: options.Separator = None,
    columns: options.LabelColumns = None,
    bad_files: options.BadFiles = None,
    follow_links: options.FollowLinks = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Score a model on labelled images, split as it was in training."""
    from bakeoff import runtimes
    from bakeoff.cli._errors import end, say, say_unfinished
    from bakeoff.cli._output import print_json
    from bakeoff.model import evaluate
    from bakeoff.workers.progress import counter, progress

    say_unfinished(run)
    runtimes.end_by(end)
    with progress() as listen:
        found = evaluate(
            run,
            data,
            split=split,
            abstain=abstain,
            labels=options.label_rule(separator, columns),
            bad_files=bad_files,
            follow_links=follow_links or None,
            tta=tta,
            progress=counter(listen, f"evaluate {split}"),
        )
    if json:
        print_json(found)
        return
    for line in found["unused"]:
        say(f"note: {line}")
    if "threshold" in found:
        _show_multilabel(found)
    else:
        _show(found)
        _show_details(found, abstain)
    if "tta" in found:
        _show_tta(found)


def _show(found: dict[str, Any]) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    headline = (
        f"{out.percent(found['accuracy'])} of {found['num']:,} images, {out.interval(found['accuracy_interval'])}"
    )
    out.words(f"[bold]{found['split']}[/bold]  {headline}  [dim]loss {found['loss']:.4f}[/dim]\n")
    mistakes = [_mistakes(found, index) for index in range(len(found["per_class"]))]
    console.print(_per_class(found, (), {"taken for": mistakes}))


def _show_multilabel(found: dict[str, Any]) -> None:
    """Images with several labels: what needs no threshold first, then what is given at it."""
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures
    from bakeoff.evaluation.kinds import choice_of

    console = out.console()
    choice = choice_of(found)
    others = [name for name in measures.names("multilabel", recorded=True) if name not in (*SAID_FIRST, choice)]
    at = ", ".join(_worded(found, name) for name in others if measures.decided(name))
    free = "".join(_worded(found, name) + ", " for name in others if not measures.decided(name))
    out.words(
        f"[bold]{found['split']}[/bold]  {_worded(found, choice)} "
        f"of {found['num']:,} images  [dim]{free}loss {found['loss']:.4f}[/dim]\n"
        f"at {found['threshold']:.2f}  {at}; "
        f"every label right: {out.percent(found['accuracy'])}, {out.interval(found['accuracy_interval'])}\n"
    )
    console.print(_per_class(found, ("average_precision", "roc_auc"), {}))
    out.words("\n" + _calibration(found["calibration"]))


def _per_class(found: dict[str, Any], ranks: tuple[str, ...], more: dict[str, list[Any]]) -> Any:
    """A row a class; `more` are further columns."""
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures

    numbers = ("images", *map(measures.title, ranks), "recall", "precision", "F1")
    table = out.table("class", *numbers, *more, numbers=numbers)
    for index, row in enumerate(found["per_class"]):
        cells = [(_figure if key == "roc_auc" else out.percent)(row[key]) for key in (*ranks, *SHARES)]
        table.add_row(out.plain(row["name"]), f"{row['num']:,}", *cells, *(column[index] for column in more.values()))
    return table


def _show_tta(found: dict[str, Any]) -> None:
    """The mean over the views beside the plain accuracy."""
    from bakeoff.cli import _output as out
    from bakeoff.evaluation.kinds import choice_of

    averaged = found["tta"]
    low, high = averaged["interval"]
    choice = choice_of(averaged)
    mean = f"{_worded(averaged, choice)}; every label right: " if choice != "accuracy" else ""
    out.console().print(
        f"[dim]averaged over {' and '.join(averaged['views'])} views[/dim] {mean}{out.percent(averaged['accuracy'])}, "
        f"{100 * averaged['difference']:+z.1f} points (95 % interval {100 * low:+z.1f} to {100 * high:+z.1f})"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _worded(found: dict[str, Any], name: str, style: str = "{}") -> str:
    """A measure's name and figure."""
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures

    text = (out.percent if measures.is_share(name) else _figure)(found[name])
    return f"{style.format(measures.title(name))} {text}"


def _calibration(calibration: dict[str, Any]) -> str:
    from bakeoff.cli import _output as out

    after = ""
    if calibration["temperature"] is not None:
        after = f", {out.percent(calibration['error_after'])} at temperature {calibration['temperature']:.2f}"
    return f"[dim]calibration error[/dim] {out.percent(calibration['error'])}{after}"


def _show_details(found: dict[str, Any], abstain: float | None) -> None:
    """Balance and ranking on one line, calibration on the next, then what abstaining gains."""
    from bakeoff.cli import _output as out
    from bakeoff.evaluation import measures

    console = out.console()
    shown = [name for name in measures.among(found) if name not in SAID_FIRST and found[name] is not None]
    out.words("\n" + "   ".join(_worded(found, name, "[dim]{}[/dim]") for name in shown))
    out.words(_calibration(found["calibration"]))
    row = next((row for row in found["coverage"] if row["threshold"] == abstain), None)
    if row is not None:
        right = "none answered" if row["accuracy"] is None else f"{out.percent(row['accuracy'])} of those right"
        console.print(f"[dim]answering from {abstain:g} on[/dim] {out.percent(row['coverage'])} answered, {right}")
    if (none := found.get("unknown")) is not None:
        right = "" if none["accuracy"] is None else f", {out.percent(none['accuracy'])} of those right"
        console.print(
            f"[dim]answering what isn't unknown[/dim] {out.percent(none['coverage'])} answered{right}; "
            f"of the {none['num']:,} unknown {none['right']:,} were right, {none['wrong']:,} wrong"
        )


def _mistakes(found: dict[str, Any], index: int) -> Any:
    """What a class is most often taken for."""
    from bakeoff.cli import _output as out

    counts = [
        (num, name)
        for place, (num, name) in enumerate(zip(found["confusion"][index], found["classes"], strict=True))
        if place != index
    ]
    wrong = sorted((pair for pair in counts if pair[0]), key=lambda pair: -pair[0])[:3]
    return out.plain(", ".join(f"{name} ({num})" for num, name in wrong))
