"""`bakeoff models`."""

from __future__ import annotations

from typing import Any

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 1
NEEDS = False
EXAMPLES = (
    ("bakeoff models", "architectures and pretrained backbones"),
    ("bakeoff train photos --backbone efficientnet_lite0", "a backbone under a new head"),
    ("bakeoff train digits -r mnist-cnn --set model.name=mnist_mlp", "another architecture in a recipe"),
)
TRIED = ((32, 32, 3), (28, 28, 1), (224, 224, 3))  # (height, width, channels) where a model has no signature


def command(json: options.Json = False, debug: options.Debug = False) -> None:
    """List what can be trained: architectures and pretrained backbones."""
    from bakeoff import models
    from bakeoff.cli import _output as out

    listed = [_entry(name) for name in models.names()]
    if json:
        out.print_json({"models": listed})
    else:
        _show(listed)


def _entry(name: str) -> dict[str, Any]:
    from bakeoff import models

    module = models.model(name)
    signature, weights = getattr(module, "SIGNATURE", None), getattr(module, "WEIGHTS", None)
    height, width, channels = (*signature.size, signature.channels) if signature else _own_size(module)
    classes = 1000 if weights else 10
    graph = models.build(name, (height, width), channels, classes)
    return {
        "name": name,
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


def _own_size(module: Any) -> tuple[int, int, int]:
    """The input that the source used: the defaults of its `build`."""
    import inspect

    parameters = inspect.signature(module.build).parameters
    size, channels = parameters["input_size"].default, parameters["channels"].default
    empty = inspect.Parameter.empty
    height, width = size if size is not empty and size else (32, 32)
    return height, width, channels if channels is not empty and channels else 3


def _show(listed: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    console = out.console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model")
    for name in ("parameters", "input", "classes"):
        table.add_column(name, justify="right")
    table.add_column("weights")
    for row in listed:
        size = " x ".join(map(str, row["input_size"]))
        table.add_row(
            out.plain(row["name"], "bold"), f"{row['parameters']:,}", size, f"{row['classes']:,}", row["weights"] or "-"
        )
    console.print(table)
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
