"""The Typer application, made of the files of this folder."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.markup import escape

from bakeoff import registry
from bakeoff.errors import UsageError

HELP = (
    "One recipe, trained natively in PyTorch, TensorFlow and JAX; the same network, proved; "
    "which is best for your images, measured."
)
START = (
    ("bakeoff data sample digits digits", "handwritten digits, to try things on"),
    ("bakeoff train digits --recipe mnist-cnn", "a trained classifier, in runs/"),
    ("bakeoff compare digits --recipe mnist-cnn", "the same net in two frameworks, side by side"),
    ("bakeoff train PHOTOS", "your own: a folder with one folder of images a class"),
)
PANELS = ("Make", "Use", "Know")


def build(words: Sequence[str] = ()) -> Any:
    """The application; where the first word is a verb, with that verb alone."""
    app = typer.Typer(
        name="bakeoff",
        add_completion=True,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(epilog=epilog(START), help=HELP)(_options)
    for name, module in _verbs(words):
        _add(app, name, module)
    return app


def epilog(examples: Sequence[tuple[str, str]]) -> str:
    """Examples as the end of a help text: a line each, what it does below it, dim."""
    rows = [f"  {escape(line)}\n      [dim]{escape(what)}[/dim]" for line, what in examples]
    return "\n".join(["[bold]Examples[/bold]", *rows])


def _show_version(wanted: bool) -> None:
    if wanted:
        from bakeoff.version import __version__

        typer.echo(f"bakeoff {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks (also BAKEOFF_DEBUG=1).")] = False,
) -> None:
    """`debug` is read from the words themselves by `main`, so that it may stand anywhere."""


def _verbs(words: Sequence[str]) -> list[tuple[str, ModuleType]]:
    known = [name.replace("_", "-") for name in registry.names("bakeoff.cli")]
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in known:
        raise UsageError(f"unknown command {first!r}{registry.nearest(first, known)}\nKnown: {', '.join(known)}")
    chosen = [first] if first is not None else known
    found = [(name, importlib.import_module(f"bakeoff.cli.{name.replace('-', '_')}")) for name in chosen]
    return sorted(found, key=lambda pair: (PANELS.index(pair[1].PANEL), pair[1].PLACE))


def _add(app: typer.Typer, name: str, module: ModuleType) -> None:
    shown: dict[str, Any] = {"rich_help_panel": module.PANEL, "epilog": epilog(module.EXAMPLES)}
    if hasattr(module, "GROUP"):
        app.add_typer(module.GROUP, name=name, no_args_is_help=True, **shown)
        return
    app.command(name, no_args_is_help=bool(getattr(module, "NEEDS", True)), **shown)(module.command)
