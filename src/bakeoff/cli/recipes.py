"""`bakeoff recipes`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bakeoff.cli import _options as options

PANEL, PLACE = "Know", 2
NEEDS = False
EXAMPLES = (
    ("bakeoff recipes", "what there is"),
    ("bakeoff recipes mnist-cnn > mine.toml", "a recipe with every default, to change and to give to --recipe"),
)


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME|FILE]", help="Print this recipe as TOML.")] = None,
    json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the recipes, or print one with every default."""
    from bakeoff import recipe as recipes
    from bakeoff.cli import _output as out
    from bakeoff.recipe.write import to_values

    if name is not None:
        found = recipes.load(name)
        if json:
            out.print_json({"name": name, "recipe": to_values(found)})
        else:
            typer.echo(recipes.to_toml(found), nl=False)
        return
    listed = [_entry(each) for each in recipes.names()]
    if json:
        out.print_json({"recipes": listed})
        return
    _show(listed)


def _entry(name: str) -> dict[str, Any]:
    from bakeoff import recipe as recipes

    found = recipes.load(name)
    return {
        "name": name,
        "title": found.title,
        "net": found.model.name or found.model.backbone,
        "phases": [phase.strategy for phase in found.phases],
    }


def _show(listed: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from bakeoff.cli import _output as out

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)  # a name that is cut can't be typed
    table.add_column()
    for row in listed:
        text = out.plain(row["title"])
        text.append(f"\n{row['net'].replace('+', ' + ')}; {', '.join(row['phases'])}", "dim")
        table.add_row(out.plain(row["name"], "bold"), text)
    out.console().print(table)
