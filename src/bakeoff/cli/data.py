"""`bakeoff data`: verbs about data sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bakeoff.cli import _options as options
from bakeoff.cli._app import epilog

if TYPE_CHECKING:
    from bakeoff.data.audit import Audit
    from bakeoff.data.shards.writer import Written

PANEL, PLACE = "Make", 1
EXAMPLES = (
    ("bakeoff data sample digits digits", "1,797 handwritten digits as class folders"),
    ("bakeoff data audit photos --report audit.html", "bad files, copies, wrong labels; with the images"),
    ("bakeoff data shard photos photo-shards", "few large files, for millions of images or object storage"),
    ("bakeoff data preview photos --augment strong", "what training would see of them"),
)
AUDIT_EXAMPLES = (
    ("bakeoff data audit photos", "what can't be trusted in these images"),
    ("bakeoff data audit photos --report audit.html", "the same with the images, in one file"),
    ("bakeoff data audit photos --no-labels --json", "without a look at the labels, for programs"),
)
SHOWN = 8  # findings of a kind in the table

GROUP = typer.Typer(help="Images: look at them, or get some to try things on.", rich_markup_mode="rich")


@GROUP.callback()
def _group() -> None:
    """Images: look at them, or get some to try things on."""


@GROUP.command(no_args_is_help=True, epilog=epilog(EXAMPLES))
def sample(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which; digits is the one there is.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a data set that comes with the installation, as class folders."""
    from bakeoff.cli import _output as out
    from bakeoff.data import write_digits
    from bakeoff.data.sample import SAMPLES
    from bakeoff.errors import UsageError
    from bakeoff.registry import nearest

    if name not in SAMPLES:
        raise UsageError(f"unknown sample {name!r}{nearest(name, SAMPLES)}\nKnown: {', '.join(SAMPLES)}")
    num = write_digits(directory)
    if json:
        out.print_json({"sample": name, "path": str(directory), "num": num})
        return
    console = out.console()
    console.print(f"{num:,} images of 10 classes in {out.shell(directory)}", markup=False)
    out.next_steps(f"bakeoff train {out.shell(directory)} --recipe mnist-cnn")


@GROUP.command(no_args_is_help=True, epilog=epilog(AUDIT_EXAMPLES))
def audit(
    data: options.DataPath,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="An HTML page with the images.")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels/--no-labels", help="Look for wrong labels, too; that takes the longest.")
    ] = True,
    separator: options.Separator = None,
    columns: options.LabelColumns = None,
    follow_links: options.FollowLinks = False,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Of the page.")] = "en",
    threads: options.Threads = None,
    cluster: options.Cluster = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Look at every file of DATA and name what can't be trusted. Nothing is changed; interrupted, it goes on later."""
    from bakeoff.cli import _output as out
    from bakeoff.reports.audit import audit as look
    from bakeoff.workers.progress import counter, progress

    with progress() as listen:
        found = look(
            data,
            suspects=labels,
            labels=options.label_rule(separator, columns),
            follow_links=follow_links,
            threads=threads,
            cluster=cluster,
            progress=lambda part: counter(listen, part, "files"),
            report=report,
            lang=lang,
        )
    changes = options.label_changes(separator, columns) + ["data.follow_links=true"] * follow_links
    out.give(found.to_json(), json, lambda _: _table(found, report, changes))


def _table(found: Audit, report: Path | None, changes: list[str]) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    for kind, count in found.counts.items():
        rows = [finding for finding in found.findings if finding.kind == kind]
        console.print(f"[bold]{kind}[/bold] [dim]{count:,}[/dim]")
        for finding in rows[:SHOWN]:
            console.print(out.plain(f"  {finding.path}  {finding.detail}" if finding.path else f"  {finding.detail}"))
        if count > SHOWN:
            console.print(f"  [dim]and {count - SHOWN:,} more[/dim]")
    if found.findings:
        console.print()
    total, classes, lost = found.num, len(found.table.classes), len(found.excluded)
    text = f"{total:,} files of {classes} classes: "
    text += f"{len(found.findings):,} findings" if found.findings else "nothing wrong was found"
    console.print(out.plain(text + (f"; {lost:,} can't be trained on" if lost else "")))
    more = (" --bad-files exclude" if lost else "") + "".join(f" --set {out.shell(change)}" for change in changes)
    step = f"bakeoff train {out.shell(found.path)}{more}"
    if any(finding.detail.endswith("has no readable image") for finding in found.findings):  # train refuses such
        step = "fill or remove the classes without images; then train"
    out.next_steps(*([f"open {out.shell(report)}"] if report is not None else []), step)


SHARD_EXAMPLES = (
    ("bakeoff data shard photos photo-shards", "tars of 256 MB that WebDataset reads, and a manifest"),
    ("bakeoff train photo-shards", "the same training, bit for bit; also from s3://BUCKET/photo-shards"),
)


@GROUP.command(no_args_is_help=True, epilog=epilog(SHARD_EXAMPLES))
def shard(
    data: options.DataPath,
    directory: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.")],
    size: Annotated[int, typer.Option("--size", min=1, max=100_000, metavar="MB", help="Of a shard, about.")] = 256,
    bad_files: options.BadFiles = None,
    separator: options.Separator = None,
    columns: options.LabelColumns = None,
    follow_links: options.FollowLinks = False,
    threads: options.Threads = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write DATA as few large files: to be trained on as it is, from this disk or from object storage."""
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.data.shards.writer import write_shards
    from bakeoff.workers.progress import counter, progress

    with progress() as listen:
        found = write_shards(
            data,
            directory,
            shard_bytes=size * 1_000_000,
            bad_files=bad_files or "fail",
            labels=options.label_rule(separator, columns),
            follow_links=follow_links,
            workers=threads,
            progress=lambda part: counter(listen, part, "images"),
        )
    for line in found.unused:
        say(f"note: {line}")
    out.give(found.to_json(), json, lambda _: _written(found))


def _written(found: Written) -> None:
    from bakeoff.cli import _output as out

    lost = f"; {len(found.excluded):,} bad files left out" if found.excluded else ""
    what = f"{found.num:,} images, {found.size_bytes / 1e6:,.0f} MB in {len(found.shards):,} shards{lost}"
    out.console().print(f"{out.shell(found.path)}: {what}", markup=False)
    out.next_steps(f"bakeoff train {out.shell(found.path)}")


PREVIEW_EXAMPLES = (
    ("bakeoff data preview photos --augment standard --output sheet.png", "8 images, each in 6 epochs"),
    ("bakeoff data preview digits --augment digits --pictures 10 --epochs 12", "turned and moved, never mirrored"),
    ("bakeoff data preview photos --recipe mine.toml", "with the augmentation and the input of a recipe"),
)


@GROUP.command(no_args_is_help=True, epilog=epilog(PREVIEW_EXAMPLES))
def preview(
    data: options.DataPath,
    augment: Annotated[
        str | None, typer.Option("--augment", "-a", metavar="PRESET", help="none, light, standard, strong or digits.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The image to write.")] = Path(
        "preview.png"
    ),
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", metavar="NAME|FILE", help="Take augmentation and input from it.")
    ] = None,
    size: Annotated[int | None, typer.Option(min=1, max=2048, help="Side in pixels; the images' own, or 224.")] = None,
    pictures: Annotated[int, typer.Option(help="Rows.")] = 8,
    epochs: Annotated[int, typer.Option(help="Columns beside the first.")] = 6,
    seed: Annotated[
        int, typer.Option(help="Of the choice and the augmentation: a training's own shows what it sees.")
    ] = 0,
    separator: options.Separator = None,
    columns: options.LabelColumns = None,
    follow_links: options.FollowLinks = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write a contact sheet of what augmentation makes of images."""
    from bakeoff.cli import _output as out
    from bakeoff.cli._errors import say
    from bakeoff.data import read_data
    from bakeoff.data.augment import augmentation
    from bakeoff.data.preview import contact_sheet
    from bakeoff.data.recipes import rule_of
    from bakeoff.preprocessing import Signature
    from bakeoff.recipe import load
    from bakeoff.training.setup import start

    found = load(recipe) if recipe is not None else None
    if found is not None and augment is None:
        change = augmentation(found.augment.preset, found.augment.operations)
    else:
        change = augmentation(augment or "standard")
    rule = options.label_rule(separator, columns)
    rule = rule or (rule_of(found.data) if found else None)
    follow_links = follow_links or bool(found and found.data.follow_links)
    pixels = read_data(data, bad_files="exclude", labels=rule, follow_links=follow_links)
    if found is not None and size is None:
        signature = start(found, pixels, seed).signature
    else:
        own = (size, size) if size is not None else pixels.size or (224, 224)
        signature = Signature(own, channels=pixels.channels, fit="crop", scaled_decode=True)
    names = contact_sheet(
        pixels.train, change, output, signature=signature, pictures=pictures, epochs=epochs, seed=seed
    )
    for line in pixels.unused:
        say(f"note: {line}")
    if json:
        shown = {"data": str(data), "output": str(output), "operations": list(names), "size": list(signature.size)}
        out.print_json({**shown, "num": min(pictures, len(pixels.train)), "epochs": epochs})
        return
    console = out.console()
    console.print(f"{out.shell(output)}: {', '.join(names) or 'nothing is changed'}", markup=False)
