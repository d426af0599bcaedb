"""The documentation holds: links lead somewhere, commands exist, the generated page is up to date."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bakeoff import ops, optimizers, registry
from bakeoff.version import __version__

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in ROOT.glob("docs/**/*.md") if "reference" not in page.parts)],
    key=lambda page: page.as_posix(),
)
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


@cache
def generator() -> ModuleType:
    return _module("generate")


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    """The anchors that a git host makes of the headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name}: {link}"
        assert target.is_relative_to(ROOT), f"{name}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{name}: {link}; known: {sorted(anchors(target))}"


def commands() -> list[tuple[str, str]]:
    """(page, line) of every `bakeoff ...` in a block for the shell."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.splitlines():
                line = line.removeprefix("$ ").split("#")[0].split(" > ")[0].strip()
                if line.startswith("bakeoff "):
                    found.append((page.relative_to(ROOT).as_posix(), line))
    return found


@cache
def options(verb: str) -> set[str]:
    """The options of a verb, of a group's verbs together."""
    import typer

    module: Any = importlib.import_module(f"bakeoff.cli.{verb.replace('-', '_')}")
    if hasattr(module, "GROUP"):
        group = typer.main.get_command(module.GROUP)
        chosen = list(group.commands.values())  # type: ignore[attr-defined]
    else:
        app = typer.Typer()
        app.command()(module.command)
        chosen = [typer.main.get_command(app)]
    parameters = [parameter for command in chosen for parameter in command.params]
    return {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_commands_exist(page: str, line: str) -> None:
    _, verb, *words = shlex.split(line)
    assert verb.replace("-", "_") in registry.names("bakeoff.cli"), line
    asked = {word.split("=")[0] for word in words if word.startswith("-")}
    assert asked <= options(verb), f"{page}: {line}"


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 40


def test_recipes_models_and_settings_in_commands_exist() -> None:
    from bakeoff import recipe
    from bakeoff.recipe import with_overrides

    for _, line in commands():
        words = shlex.split(line)
        pairs = list(pairwise(words))
        names = [b for a, b in pairs if a in ("--recipe", "-r") and not b.endswith(".toml")]
        assert set(names) <= set(recipe.names()), line
        changes = [b for a, b in pairs if a == "--set"]
        if changes:
            with_overrides(recipe.load(names[0] if names else "photos"), changes)


def test_the_changelog_is_by_release_and_knows_this_one() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == __version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" in project["dynamic"], "the version is written in version.py alone"


def test_make_words_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = {word for page in PAGES for word in re.findall(r"^make (\w+)", page.read_text(encoding="utf-8"), re.M)}
    assert {"demo", "test"} <= words
    for word in words:
        assert re.search(rf"^{word}:", makefile, re.MULTILINE), word


def test_each_verb_has_a_page() -> None:
    there = {page.stem for page in (ROOT / "docs" / "how-to").glob("*.md")}
    elsewhere = {"data", "recipes", "verify"}  # recipes: on the page of train; verify: on that of convert
    verbs = {name.replace("_", "-") for name in registry.names("bakeoff.cli")} - elsewhere
    assert verbs | {"data-sample"} <= there
    assert "bakeoff recipes" in (ROOT / "docs/how-to/train.md").read_text(encoding="utf-8")


def test_the_generated_page_is_up_to_date() -> None:
    page = generator().DIFFERENCES
    assert page.read_text(encoding="utf-8") == generator().differences(), "run: make docs"


def test_the_table_of_extras_is_up_to_date_and_has_each_library() -> None:
    assert generator().README.read_text(encoding="utf-8") == generator().readme(), "run: make docs"
    from bakeoff.cli.doctor import EXTRAS

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    everything = extras.pop("all")
    assert everything == [f"bakeoff[{','.join(name for name in re.findall(r'[a-z]+', everything[0])[1:])}]"]
    assert set(re.findall(r"[a-z]+", everything[0])[1:]) == extras.keys() - {"dev"}
    named = {(re.split(r"[\[<>=; ]", line)[0], extra) for extra, lines in extras.items() for line in lines}
    wanted = {pair for pair in named if pair[1] != "dev" and not pair[0].startswith("bakeoff")}
    twice = {("torchvision", "transformers"), ("keras", "jax"), ("h5py", "jax")}  # told of once
    assert wanted - twice == {(name, extra) for name, extra, _ in EXTRAS}


def test_the_reference_has_every_name_of_the_package() -> None:
    import bakeoff

    text = generator()._python()
    for name in bakeoff.__all__:
        assert name.startswith("_") or f"## bakeoff.{name}" in text, name


def test_the_map_of_rooms_is_up_to_date() -> None:
    rooms = _module("rooms")
    assert rooms.PAGE.read_text(encoding="utf-8") == rooms.page(), "run: make docs"
    here = {path.stem for path in (ROOT / "src" / "bakeoff").glob("[!_]*") if path.name != "py.typed"}
    assert here <= {room for layer in rooms.layers() for room in layer}


def test_stations_of_the_architecture_stand_and_each_once() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    ways = re.findall(r"stations: begin -->\n```text\n(.*?)```", text, re.DOTALL)
    assert len(ways) == 2
    for way in ways:
        stations = [name for line in way.splitlines() for name in re.findall(r"(?:^|\| ?) ([a-z_]+(?:\.\w+)+)", line)]
        assert len(stations) > 8
        assert len(stations) == len(set(stations))
        for name in stations:
            base = ROOT / "src" / "bakeoff" / name.replace(".", "/")
            assert base.is_dir() or base.with_suffix(".py").is_file(), name


def test_the_generated_page_has_every_page_and_every_trap() -> None:
    text = generator().DIFFERENCES.read_text(encoding="utf-8")
    for name in (*ops.names(), *optimizers.names()):
        assert f"\n### {name}\n" in text


PAGES_OF_CODE = [(ops, name) for name in ops.names()] + [(optimizers, name) for name in optimizers.names()]


@pytest.mark.parametrize(("room", "name"), PAGES_OF_CODE, ids=[name for _, name in PAGES_OF_CODE])
def test_shown_names_traps_and_cases_that_are_there(room: ModuleType, name: str) -> None:
    page = room.page(name)
    shown = getattr(page, "SHOWN", {})
    traps = dict(generator().labelled(generator()._sections(page)[1].get("Traps", "")))
    assert set(shown) <= set(traps), f"{name}: SHOWN has {sorted(set(shown) - set(traps))}; traps: {sorted(traps)}"
    assert {case for cases in shown.values() for case in cases} <= set(page.CASES)


def test_labels_are_read_off_their_column() -> None:
    text = "torch   one\n        more\nfloat32 two\nn = 1   three"
    assert generator().labelled(text) == [("torch", "one more"), ("float32", "two"), ("n = 1", "three")]
    assert generator().labelled("onnx    only one line") == [("onnx", "only one line")]
    assert generator().labelled("no label at all") == [("", "no label at all")]


def test_readmes_are_images_and_sizes_as_promised() -> None:
    assert (ROOT / "docs/images/report.png").stat().st_size < 200_000
    for name in ("README.md", "README.zh-CN.md"):
        assert "docs/images/report.png" in (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_a_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"(/home/|/root/|/tmp/|/work/|C:\\)", text)
