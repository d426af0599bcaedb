"""`bakeoff models`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options
from bakeoff.errors import UsageError

PANEL, PLACE = "Know", 1
NEEDS = False
EXAMPLES = (
    ("bakeoff models", "architectures and pretrained backbones"),
    ("bakeoff models resnet 50", "every model of every library whose name has both words"),
    ("bakeoff models --source keras", "all of one library: timm, torchvision, keras or transformers"),
    ("bakeoff models mnist_cnn --summary", "its layers, outputs and parameters; also of a run or a bundle"),
    ("bakeoff models runs/RUN --summary --framework torch", "the same in PyTorch's own modules"),
    ("bakeoff models timm/resnet50", "one model: its weights, licences and where they come from"),
    ("bakeoff train photos --backbone timm/resnet50", "a backbone under a new head"),
    ("bakeoff train digits -r mnist-cnn --set model.name=mnist_mlp", "another architecture in a recipe"),
)
SHOWN = 40  # rows for a person; --json and --all have all of them


def command(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORDS]", help="Search: every word must be in the name.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="bakeoff (its own), or a library.")] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Of one net, a run or a bundle: its layers, outputs and parameters.")
    ] = False,
    framework: Annotated[
        str | None, typer.Option("--framework", metavar="NAME", help="With --summary: the layers of torch, ...")
    ] = None,
    classes: Annotated[int | None, typer.Option(min=1, help="With --summary: how many logits.")] = None,
    everything: Annotated[bool, typer.Option("--all", help=f"Show more than {SHOWN} rows.")] = False,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List and search what can be trained and converted: Bakeoff's own nets, and those of other libraries."""
    from bakeoff import zoo
    from bakeoff.cli import _output as out

    wanted = " ".join(words or [])
    if summary or framework is not None or classes is not None:
        _summary(wanted, framework, classes, json=json, asked=summary)
        return
    own = source == "bakeoff" or (source is None and not zoo.is_name(wanted))
    listed = [_own(name) for name in _own_names(wanted)] if own else []
    found = [] if source == "bakeoff" else zoo.search(wanted, source)
    if json:
        out.print_json({"models": listed + [_foreign(entry) for entry in found]})
        return
    exact = [entry for entry in found if entry.name == wanted]
    if exact:
        _show_one(exact[0])
    elif not wanted and source is None:
        _show(listed)
        _show_sources()
    else:
        _show_found(listed, found, everything, wanted)


def _summary(name: str, framework: str | None, classes: int | None, *, json: bool, asked: bool) -> None:
    """The layers of one net."""
    from bakeoff import frameworks
    from bakeoff.cli import _output as out
    from bakeoff.cli import _summary as page
    from bakeoff.graph.summary import summary

    if not asked or not name:
        raise UsageError("--summary needs one name: bakeoff models mnist_cnn --summary; the other options go with it.")
    if framework is not None:
        frameworks.require(framework, "a summary in it")
    known, stem = _own_names(""), name.replace("-", "_")
    if stem in known:
        row = _own(stem)
        height, width, channels = row["input_size"]
        graph, size = page.net_of(stem, (height, width, channels), classes or row["classes"])
    else:
        graph, size = page.net_of(name, (224, 224, 3), classes or 1000)
    if json:
        out.print_json({"model": name, **page.to_json(summary(graph, {"height": size[0], "width": size[1]}))})
    else:
        page.show(graph, size, framework)


def _own_names(wanted: str) -> list[str]:
    from bakeoff import models

    return [name for name in models.names() if all(word in name for word in wanted.lower().split())]


def _own(name: str) -> dict[str, Any]:
    from bakeoff import models

    module = models.model(name)
    signature, weights = getattr(module, "SIGNATURE", None), getattr(module, "WEIGHTS", None)
    height, width, channels = (*signature.size, signature.channels) if signature else _own_size(module)
    classes = 1000 if weights else 10
    graph = models.build(name, (height, width), channels, classes)
    return {
        "name": name,
        "source": "bakeoff",
        "summary": module.SUMMARY,
        "pretrained": weights is not None,
        "input_size": [height, width, channels],
        "classes": classes,
        "parameters": graph.count(),
        "stages": list(getattr(module, "STAGES", {})),
        "weights": weights.name if weights else None,
        "licence": weights.licence if weights else None,
        "origin": weights.origin if weights else None,
        "package": weights.package if weights else None,
    }


def _foreign(entry: Any) -> dict[str, Any]:
    first = entry.weights[0] if entry.weights else None
    return {
        "name": entry.name,
        "source": entry.source,
        "summary": "",
        "pretrained": first is not None,
        "input_size": list(entry.input_size) if entry.input_size else None,
        "classes": entry.classes,
        "parameters": entry.parameters,
        "stages": [],
        "weights": first.name if first else None,
        "licence": first.licence if first else None,
        "caution": first.caution if first else None,
        "origin": _address(first) if first else None,
        "package": None,
        "all_weights": [
            {"name": one.name, "licence": one.licence, "address": _address(one), "caution": one.caution}
            for one in entry.weights
        ],
    }


def _address(weights: Any) -> str:
    from bakeoff.zoo.resolve import address

    return address(weights)


def _own_size(module: Any) -> tuple[int, int, int]:
    """The input that the source used: the defaults of its `build`."""
    import inspect

    parameters = inspect.signature(module.build).parameters
    size, channels = parameters["input_size"].default, parameters["channels"].default
    empty = inspect.Parameter.empty
    height, width = size if size is not empty and size else (32, 32)
    return height, width, channels if channels is not empty and channels else 3


def _table(rows: list[dict[str, Any]], *, licences: bool = False) -> Any:
    """A row a model; with licences instead of channels and classes, so that 80 columns are enough."""
    from rich.table import Table

    from bakeoff.cli import _output as out

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True, overflow="ellipsis")
    for name in ("parameters", "input") if licences else ("parameters", "input", "classes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True, max_width=16 if licences else None, overflow="ellipsis")
    if licences:
        table.add_column("licence", no_wrap=True, max_width=16, overflow="ellipsis")
    for row in rows:
        size = " x ".join(map(str, row["input_size"][: 2 if licences else 3])) if row["input_size"] else "-"
        cells: list[Any] = [f"{row['parameters']:,}" if row["parameters"] else "-", size]
        if not licences:
            cells.append(f"{row['classes']:,}")
        cells.append(out.plain(row["weights"] or "-"))
        if licences:
            cells.append(out.plain((row["licence"] or ("not stated" if row["weights"] else "")).split(" for the ")[0]))
        table.add_row(out.plain(row["name"], "bold"), *cells)
    return table


def _show(listed: list[dict[str, Any]]) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    console.print(_table(listed))
    console.print()
    for row in listed:
        console.print(f"[bold]{row['name']}[/bold]  [dim]{out.escaped(row['summary'])}[/dim]")
    for row in listed:
        if row["pretrained"]:
            console.print(f"\n[bold]{row['name']}[/bold] is pretrained: --backbone {row['name']}")
            console.print(f"  weights  {out.escaped(row['origin'])}")
            console.print(f"  licence  {out.escaped(row['licence'])}")
            console.print(f"  stages   {', '.join(row['stages'])}  [dim](--until STAGE)[/dim]")
    console.print(
        "\n[dim]Architectures are built for the size and the classes of the data; shown is the source's own.[/dim]"
    )


def _show_sources() -> None:
    from importlib.util import find_spec

    from bakeoff import zoo
    from bakeoff.cli import _output as out
    from bakeoff.zoo.listing import source, version

    console = out.console()
    console.print("\n[bold]Other libraries[/bold]  [dim]bakeoff models WORDS searches them[/dim]")
    for name in zoo.libraries():
        module = source(name)
        missing = [library for library in module.NEEDS if find_spec(library) is None]
        how = f"  (pip install 'bakeoff[{module.EXTRA}]')" if missing else ""
        console.print(
            f"  {name + '/...':<16}{len(zoo.offered(name)):>6,} models  {module.LIBRARY} {version(name)}{how}",
            markup=False,
        )


def _show_found(listed: list[dict[str, Any]], found: list[Any], everything: bool, wanted: str) -> None:
    from bakeoff.cli import _output as out

    console = out.console()
    rows = listed + [_foreign(entry) for entry in found]
    if not rows:
        console.print(f"no model has {wanted!r} in its name", markup=False)
        return
    shown = rows if everything else rows[:SHOWN]
    console.print(_table(shown, licences=True))
    if len(shown) < len(rows):
        console.print(f"\n[dim]{len(rows) - len(shown)} more: --all, or another word[/dim]")
    if found:
        out.next_steps(f"bakeoff models {found[0].name}", f"bakeoff convert {found[0].name} --to keras")


def _show_one(entry: Any) -> None:
    from bakeoff.cli import _output as out
    from bakeoff.zoo.listing import source

    console = out.console()
    console.print(_table([_foreign(entry)], licences=True))
    if entry.fixed:
        console.print("\ntakes images of this size only")
    for weights in entry.weights:
        console.print(f"\n[bold]{out.escaped(weights.name)}[/bold]")
        console.print(f"  licence  {out.escaped(weights.licence or 'not stated')}")
        if weights.caution:
            console.print(f"  [yellow]caution[/yellow]  {out.escaped(weights.caution)}")
        console.print(f"  address  {out.escaped(_address(weights))}")
        console.print(f"  kept at  {out.escaped(str(source(entry.source).cache_path(weights)))}")
