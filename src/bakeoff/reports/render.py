"""From a run folder to one HTML file: sections in their order, styles and images inside, nothing loaded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

from bakeoff import registry
from bakeoff.errors import DataError, UsageError
from bakeoff.files import write_text
from bakeoff.reports.source import Report, read
from bakeoff.texts import catalogue

SECTIONS = "bakeoff.reports.sections"


def report(run: str | Path, output: str | Path | None = None, *, lang: str = "en") -> Path:
    """Where the report was written: one self-contained HTML file.

    Args:
        run: a run folder, or the folder of a comparison.
        output: the file to write; `report.html` in the run folder if left out. An older one is replaced.
        lang: en or zh.

    Raises:
        UsageError: an unknown language, or an output that can't be written.
        DataError, VersionError, CorruptError: the folder can't be read, as they say.
    """
    catalogue.check(lang)
    source = Path(run)
    if not source.is_dir():
        raise DataError(f"{source}: no such folder. Give a run folder: bakeoff report RUN")
    html = render(read(source, lang)).encode("utf-8", "replace").decode("utf-8")  # names may hold lone surrogates
    target = source / "report.html" if output is None else Path(output)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, html)
    except OSError as error:
        raise UsageError(f"{target}: can't be written ({(error.strerror or 'I/O error').lower()}).") from None
    return target


def render(report: Report) -> str:
    """The report as HTML."""
    environment = templates()
    sections = []
    for module in ordered():
        say = catalogue.Say(report.language, module.TEXT)
        found: Mapping[str, Any] | None = module.context(report, say)
        if found is not None:
            body = environment.from_string(module.TEMPLATE).render(t=say, report=report, **found)
            sections.append({"id": module.__name__.rsplit(".", 1)[-1], "title": say("title"), "body": markup(body)})
    style = resources.files("bakeoff.reports").joinpath("style.css").read_text(encoding="utf-8")
    page = resources.files("bakeoff.reports").joinpath("page.html").read_text(encoding="utf-8")
    say = catalogue.Say(report.language, {})
    recipe_title = next((line for line in report.first.recipe.splitlines() if line.startswith("title = ")), "")
    html: str = environment.from_string(page).render(
        t=say,
        report=report,
        sections=sections,
        style=markup(style),
        data=report.first.manifest.get("data", ""),
        recipe=recipe_title.removeprefix("title = ").strip('"'),
    )
    return html


def ordered() -> list[ModuleType]:
    """The sections, in their order."""
    found = [registry.load(SECTIONS, name, what="section") for name in registry.names(SECTIONS)]
    return sorted(found, key=lambda module: module.ORDER)


@cache
def templates() -> Any:
    """Jinja's environment: everything escaped, nothing undefined."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(percent=catalogue.percent, short=catalogue.short, size=catalogue.size)
    return made


def markup(text: str) -> Any:
    """Text that is HTML already: our own style sheet, or what Jinja has rendered with escapes."""
    from markupsafe import Markup

    return Markup(text)
