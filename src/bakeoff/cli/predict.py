"""`bakeoff predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options
from bakeoff.shown import cell

PANEL, PLACE = "Use", 2
EXAMPLES = (
    ("bakeoff predict runs/RUN cat.jpg dog.jpg", "a table"),
    ("bakeoff predict runs/RUN holiday/ --top 3", "every image below a folder, three classes each"),
    ("bakeoff predict model.onnx holiday/ --csv > labels.csv", "with an exported file"),
    ("bakeoff predict runs/RUN holiday/ --json > labels.jsonl", "one JSON object a line"),
    ("bakeoff predict --url http://localhost:8501/v1/models/NAME cat.jpg", "by a server: bakeoff serve, or another"),
    ("bakeoff predict runs/RUN holiday/ --plot labels.png", "the images with their labels, drawn"),
    ("bakeoff predict runs/RUN s3://bucket/shards --cluster auto --csv", "by all CPUs of a Ray cluster"),
    ("bakeoff predict runs/RUN cat.jpg --heatmap maps/", "where in the image the label comes from"),
)


def command(
    model: Annotated[
        Path | None, typer.Argument(metavar="MODEL", help="A run folder, a bundle, or an exported file.")
    ] = None,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATHS...", help="Images, and folders of any depth.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to list for each image.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an image, one a line, on stdout.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Comma-separated values on stdout.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the images with their labels to this image.")
    ] = None,
    font: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A font for --plot; the system's otherwise.")
    ] = None,
    heatmap: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Draw each image with where its label comes from, below this folder."),
    ] = None,
    tta: options.Tta = "none",
    follow_links: options.FollowLinks = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run a file that asks for more than classifiers need; it may reach files.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Ask a server, without MODEL: http://HOST:8501/v1/models/NAME, grpc://..."),
    ] = None,
    token: Annotated[str, typer.Option(envvar="BAKEOFF_TOKEN", help="The server's secret, for --url.")] = "",
    threads: options.Threads = None,
    cluster: options.Cluster = None,
    debug: options.Debug = False,
) -> None:
    """Label images. A file that is no image gets a row with the reason, and the exit code is then not 0."""
    import sys

    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.data.sources.shards import accepts
    from bakeoff.errors import DataError, UsageError
    from bakeoff.workers.progress import counter, progress

    if (plot or heatmap) and any(map(accepts, paths or ())):
        raise UsageError("--plot and --heatmap draw files, and shards have none of their own: leave them out.")
    if json and csv:
        raise UsageError("--json and --csv: give one of the two.")
    if plot is not None:
        from bakeoff.drawing.sheet import check_output

        check_output(plot)
    if heatmap is not None and heatmap.exists() and not heatmap.is_dir():
        raise UsageError(f"--heatmap {heatmap}: that is no folder. Name another.")
    if url is not None:
        if tta != "none" or trust or threads or heatmap or cluster:
            raise UsageError("--tta, --trust, --threads, --heatmap and --cluster: not with --url; the server decides.")
        source: Source = _from_server(url, token, [*([model] if model else ()), *(paths or ())], follow_links)
    else:
        if model is None or not paths:
            raise UsageError("no image was given. Name files or folders after the model, or a server with --url.")
        source = _from_model(model, paths, threads, trust, tta, follow_links, heatmap, cluster)
    streams = (json or csv) and sys.stdout.isatty()
    with progress(bars=not streams) as listen:
        rows = source.rows(top, counter(listen, "predict"))
        show = out.print_json if json else None
        kept = list(_passed(source.as_csv(rows, top) if csv else rows, show))
    if not json and not csv:
        _table(kept)
    if plot is not None:
        _draw(kept, plot, font)
    if heatmap is not None:
        say(f"heat maps: {heatmap}: {sum('heatmap' in row for row in kept):,} images")
    bad = sum("error" in row for row in kept)
    if bad:
        say(f"{bad} of {len(kept)} files could not be read; their rows say why.")
        raise typer.Exit(DataError.exit_code)


def _passed(rows: Iterable[dict[str, Any]], show: Any) -> Iterator[dict[str, Any]]:
    for row in rows:
        if show:
            show(row)
        yield row


@dataclass(frozen=True)
class Source:
    """Where rows come from; whether images have several labels, how many classes there are (None: not known), and
    whether rows say what is of no class."""

    rows: Callable[[int, Callable[[int, int], None]], Iterable[dict[str, Any]]]
    several: bool
    classes: int | None = None
    unknown: bool = False

    def as_csv(self, rows: Iterable[dict[str, Any]], top: int) -> Iterator[dict[str, Any]]:
        """Write them as they come."""
        most = top if self.classes is None else min(top, self.classes)
        return (
            _csv_multilabel(rows)
            if self.several
            else _csv(rows, most, ("unknown", "similarity") if self.unknown else ())
        )


def _from_model(
    model: Path,
    paths: list[Path],
    threads: int | None,
    trust: bool,
    tta: str,
    follow_links: bool,
    heatmap: Path | None,
    cluster: str | None,
) -> Source:
    from bakeoff import runtimes
    from bakeoff.cli._errors import end, say, say_unfinished
    from bakeoff.evaluation.kinds import of_loss
    from bakeoff.evaluation.opening import open_model
    from bakeoff.evaluation.predict import predict
    from bakeoff.evaluation.shared import Asked, predict_on
    from bakeoff.workers.cluster import check

    check(cluster)
    say_unfinished(model)
    runtimes.end_by(end)
    if trust:
        say(f"{model}: trusted: what it is made of isn't looked at, and it may take any time and memory.")
    opened = open_model(model, threads, trust)
    told: dict[str, Any] = {"follow_links": follow_links, "say": lambda line: say(f"note: {line}")}

    def rows(top: int, progress: Callable[[int, int], None]) -> Iterable[dict[str, Any]]:
        if cluster is None:
            found = predict(opened, paths, top=top, tta=tta, progress=progress, **told)
        else:
            found = predict_on(cluster, opened, paths, Asked(threads, trust, top, tta=tta), progress=progress, **told)
        if heatmap is None:
            return found
        from bakeoff.evaluation.heatmaps import written

        return written(opened, found, heatmap)

    return Source(
        rows,
        of_loss(opened.loss).multilabel,
        len(opened.classes),
        opened.unknown is not None,
    )


def _from_server(url: str, token: str, paths: list[Path], follow_links: bool) -> Source:
    from bakeoff.cli import _remote
    from bakeoff.cli._errors import say
    from bakeoff.evaluation.predict import find_images
    from bakeoff.serving.client import Remote

    found = find_images(paths, follow_links=follow_links)
    for line in found.unused:
        say(f"note: {line}")
    remote = Remote(url, token)
    return Source(partial(_remote.rows, remote, found), remote.several, unknown=remote.tells)


def _csv_multilabel(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Write a line a row: path, labels and their probabilities with | between them, error."""
    import csv
    import sys

    writer, shown = csv.writer(sys.stdout, lineterminator="\n"), partial(cell, seen=sys.stdout.isatty())
    writer.writerow(["path", "labels", "probabilities", "error"])
    for row in rows:
        pairs = row.get("labels", [])
        cells = ["|".join(str(pair[place]) for pair in pairs) for place in (0, 1)]
        writer.writerow(map(shown, [row["path"], *cells, row.get("error", "")]))
        yield row


def _csv(rows: Iterable[dict[str, Any]], top: int, last: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Write a line a row: path, label, probability, error, the further classes, then the columns `last`."""
    import csv
    import sys

    writer, shown = csv.writer(sys.stdout, lineterminator="\n"), partial(cell, seen=sys.stdout.isatty())
    more = [f"{column}_{place}" for place in range(2, top + 1) for column in ("label", "probability")]
    writer.writerow(["path", "label", "probability", "error", *more, *last])
    for row in rows:
        others = [value for pair in row.get("top", [])[1:] for value in pair]
        if last:
            others += [""] * (len(more) - len(others)) + [str(row.get(name, "")).lower() for name in last]
        cells = [row["path"], row.get("label", ""), row.get("probability", ""), row.get("error", ""), *others]
        writer.writerow(map(shown, cells))
        yield row


def _table(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    console, common = out.console(), _common([row["path"] for row in rows])
    if common:
        console.print(out.plain(f"in {common}", "dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("image", overflow="fold")
    table.add_column("label")
    table.add_column("probability", justify="right")
    table.add_column("then", style="dim", overflow="fold")
    if any("similarity" in row for row in rows):
        table.add_column("similarity", no_wrap=True)
    for row in rows:
        name = out.plain(row["path"][len(common) :])
        if "error" in row:
            table.add_row(name, "", "", out.plain(row["error"], "red"))
            continue
        if "labels" in row:
            names = [label for label, _ in row["labels"]]
            rest = ", ".join(
                f"{label} {out.percent(share)}" for label, share in row["top"] if label not in names and share >= 0.0005
            )
            shares = ", ".join(out.percent(share) for _, share in row["labels"])
            table.add_row(name, out.plain(", ".join(names) or "(none)", "bold"), shares, out.plain(rest))
            continue
        rest = ", ".join(f"{label} {out.percent(share)}" for label, share in row["top"][1:] if share >= 0.0005)
        near = [f"{row['similarity']:.2f}{', unknown' if row['unknown'] else ''}"] if "similarity" in row else []
        table.add_row(name, out.plain(row["label"], "bold"), out.percent(row["probability"]), out.plain(rest), *near)
    console.print(table)


def _common(paths: list[str]) -> str:
    """The folders that all paths begin with, with a separator at the end; nothing where it saves little room."""
    import os

    folders = {os.path.dirname(path) for path in paths}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # relative and absolute ones, or two drives
        return ""
    return (
        os.path.join(common, "")
        if len(paths) > 1 and len(common) > 12 and all(path.startswith(common) for path in paths)
        else ""
    )


def _draw(rows: list[dict[str, Any]], plot: Path, font: Path | None) -> None:
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.evaluation.plot import MOST, draw

    missing = draw(rows, plot, font=font)
    more = f", the first {MOST} of {len(rows):,} images" if len(rows) > MOST else ""
    out.console(stderr=True).print(out.plain(f"drawn: {plot}{more}"))
    if missing:
        say(
            f"no font here has {' '.join(sorted(missing))}: drawn as boxes.\n"
            "Install one that has (Noto Sans), or give --font FILE."
        )
