"""A page of HTML that is complete in itself: sections in their order, styles inside, nothing loaded."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from bakeoff.errors import UsageError
from bakeoff.files import make_folder, write_text
from bakeoff.shown import html
from bakeoff.texts import catalogue


def written(html: str, target: Path) -> Path:
    """Where a page was written; an older file is replaced.

    Raises:
        UsageError: it can't be written.
    """
    try:
        make_folder(target.parent)
        write_text(target, html.encode("utf-8", "replace").decode("utf-8"))  # names may hold lone surrogates
    except OSError as error:
        raise UsageError(f"{target}: can't be written ({(error.strerror or 'I/O error').lower()}).") from None
    return target


def section(name: str, title: str, template: str, say: catalogue.Say, **values: Any) -> dict[str, Any]:
    """A part of a page: its anchor, its heading and its HTML."""
    return {"id": name, "title": title, "body": markup(templates().from_string(template).render(t=say, **values))}


def page(
    say: catalogue.Say, sections: list[dict[str, Any]], *, data: str, version: str, title: str = "", recipe: str = ""
) -> str:
    """A whole page of these sections, with the style inside; its title is the run's, else that of the data."""
    more = " · ".join(filter(None, (data if title else "", recipe)))
    shown = {"t": say, "sections": sections, "title": title or data, "recipe": more, "version": version}
    html: str = templates().from_string(_text("page.html")).render(style=markup(_text("style.css")), **shown)
    return html


def _text(name: str) -> str:
    return resources.files("bakeoff.reports").joinpath(name).read_text(encoding="utf-8")


@cache
def templates() -> Any:
    """Jinja's environment: everything escaped, nothing undefined."""
    from jinja2 import Environment, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=html)
    made.filters.update(percent=catalogue.percent, short=catalogue.short, size=catalogue.size)
    macros: Any = made.from_string(_text("macros.html")).module
    made.globals["legend"] = macros.legend
    return made


def markup(text: str) -> Any:
    """Text that is HTML already: our own style sheet, or what Jinja has rendered with escapes."""
    from markupsafe import Markup

    return Markup(text)
