"""From a run folder to one HTML file: sections in their order, styles and images inside, nothing loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from bakeoff import registry
from bakeoff.errors import DataError
from bakeoff.files import absent, named
from bakeoff.given import held
from bakeoff.reports import ledger
from bakeoff.reports.page import page, section, written
from bakeoff.reports.source import Report, read
from bakeoff.rundir.readers import read_json
from bakeoff.rundir.result import BACKBONES, BEGUN, LEDGER, NAME
from bakeoff.shown import to_json
from bakeoff.texts import catalogue

SECTIONS = "bakeoff.reports.sections"


@held
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
        raise DataError(f"{source}: {absent(source, 'folder')} Give a run folder: bakeoff report RUN")
    if (source / LEDGER).is_file():
        with named(source / LEDGER, "Make it anew."):
            shown = ledger.render(read_json(source / LEDGER), lang)
        return written(shown, source / "report.html" if output is None else Path(output))
    of = next((name for name in (BACKBONES, "compare.json", NAME) if (source / name).is_file()), BEGUN)
    with named(source / of, "Make the run anew, or copy its folder anew."):
        shown = render(read(source, lang))
    target = source / "report.html" if output is None else Path(output)
    if of == "compare.json":
        _for_programs(source, target.with_name("report.json"))
    return written(shown, target)


def _for_programs(source: Path, target: Path) -> None:
    """Write what a comparison came to, and what was asked for, so that it can be made again; places are left out."""
    found, asked = read_json(source / "compare.json"), source / "asked.json"
    if asked.is_file():
        told = read_json(asked)
        kept = {"recipe", "seed", "device", "precision", "threads"}
        jobs = {name: {key: job[key] for key in job if key in kept} for name, job in told["jobs"].items()}
        found["asked"] = {**told, "jobs": jobs}
    written(to_json(found, indent=2, nan=True) + "\n", target)


def render(report: Report) -> str:
    """The report as HTML."""
    sections = []
    for module in ordered():
        say = catalogue.Say(report.language, module.TEXT)
        found: Mapping[str, Any] | None = module.context(report, say)
        if found is not None:
            name = module.__name__.rsplit(".", 1)[-1]
            sections.append(section(name, say("title"), module.TEMPLATE, say, report=report, **found))
    return page(
        catalogue.Say(report.language, {}),
        sections,
        title=report.title,
        data=report.first.manifest.get("data", ""),
        recipe=_recipe_title(report),
        version=report.first.environment.get("bakeoff", ""),
    )


def _recipe_title(report: Report) -> str:
    with suppress(tomllib.TOMLDecodeError):  # a damaged one is shown as it is, further down
        recipe = tomllib.loads(report.first.recipe)
        return str(recipe.get(f"title_{report.language}") or recipe.get("title", ""))
    return ""


def ordered() -> list[ModuleType]:
    """The sections, in their order."""
    found = [registry.load(SECTIONS, name, what="section") for name in registry.names(SECTIONS)]
    return sorted(found, key=lambda module: module.ORDER)
