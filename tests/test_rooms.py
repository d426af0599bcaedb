"""The house: layers without a back door, no circles, and room for what comes.

import-linter reads import statements; here is what it cannot see: modules that are loaded by a name in a string.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "bakeoff"
SOURCES = sorted(PACKAGE.rglob("*.py"))
NAMED = re.compile(r"bakeoff((?:\.\w+)+)\.?(?::\w*)?")  # of an f-string, its beginning
LOADERS = {"import_module", "__import__"}
HEAVY = {"torch", "torchvision", "timm", "transformers", "huggingface_hub", "tensorflow", "keras", "jax"}
# Names that are listed or compared, and never loaded from there.
LISTED = {("recipe._checks", "training.schedules"), ("recipe._checks", "optimizers")}
LISTED |= {("checkpoints.keras", "frameworks._keras.layers"), ("checkpoints.keras", "frameworks._keras.grouped")}
TRUSTED = {"runtimes.keras_file": "frameworks._keras.layers"}  # layers of ours in other people's files, by their name
FACADE = ("", "moved")  # what loads anything by name: that is what it is for
# Where a name is loaded that isn't written there: each checks or lists what it may be.
OPEN = {"", "moved", "registry", "workers.worker", "conversion.session", "frameworks", "runtimes._missing"}
OPEN |= {"runtimes.keras_file", "cli._app", "exports.source", "data.sources._hub"}


def layers() -> dict[str, int]:
    """From a room to its height, as the contract has it: 0 is the highest."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (found,) = (one["layers"] for one in linter["contracts"] if one["type"] == "layers")
    return {room.strip(" ()"): height for height, line in enumerate(found) for room in line.split("|")}


def named(path: Path) -> Iterator[str]:
    """The modules that a file names in strings, without `bakeoff.`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            match = NAMED.fullmatch(node.value)
            if match:
                yield match[1].removeprefix(".")


def _has_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and bool(node.body)
        and isinstance(node.body[0], ast.Expr)
    )


def loaded(path: Path) -> Iterator[str]:
    """What `import_module` and `__import__` are handed, under whatever name; "?" where that isn't written there."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    aliases = [alias for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]
    loaders = LOADERS | {alias.asname for alias in aliases if alias.name in LOADERS and alias.asname}
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [*node.args, *(one.value for one in node.keywords if one.arg == "name")]
            if name in loaders:
                yield str(given[0].value) if given and isinstance(given[0], ast.Constant) else "?"


def faces(path: Path) -> Iterator[str]:
    """What a module takes of the package's face, from where all of the package can be reached."""
    rooms = layers().keys()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name == "bakeoff")
        elif isinstance(node, ast.ImportFrom) and (node.level or node.module == "bakeoff"):
            yield from (alias.name for alias in node.names if node.level or alias.name not in rooms)


def module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_is_loaded_by_name_keeps_to_the_layers(path: Path) -> None:
    assert hidden(module(path), named(path), loaded(path)) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_takes_from_the_face(path: Path) -> None:
    """`from bakeoff import train` in a low room is an import of a high one that no contract sees."""
    assert module(path) == "" or list(faces(path)) == []


def hidden(own: str, names: Iterator[str] | list[str], libraries: Iterator[str] | list[str]) -> list[str]:
    """What this module loads by name and may not."""
    heights, found = layers(), []
    for name in () if own in FACADE else names:
        room, target = own.split(".")[0], name.split(".")[0]
        if target not in heights or (own, name) in LISTED or TRUSTED.get(own) == name:
            continue
        if target != room and heights[target] <= heights[room]:
            found.append(f"{own} names bakeoff.{name}, which stands above it")
    adapter = own.startswith(("frameworks.", "runtimes.", "zoo.sources.")) or own == "frameworks"
    for name in libraries:
        if (name.split(".")[0] in HEAVY and not adapter) or name.startswith("."):
            found.append(f"{own} loads {name}")
        if name == "?" and own not in OPEN:
            found.append(f"{own} loads a module whose name isn't written there; if it must, list it in OPEN")
    return found


def test_the_look_for_hidden_imports_finds_them() -> None:
    assert hidden("data.epochs", ["frameworks.torch"], []) != []  # as it was: a neighbour
    assert hidden("graph.passes", ["frameworks.torch"], []) != []
    assert hidden("training.api", ["frameworks.torch"], []) == []
    assert hidden("data.epochs", ["training.work"], []) != []
    assert hidden("conversion.output", [], ["torch"]) != []
    assert hidden("frameworks.torch.net", [], ["torch"]) == []


@pytest.mark.parametrize(
    "line",
    [
        'import_module("bakeoff.training.work")',
        'import_module(f"bakeoff.frameworks.{name}")',
        'ROOM = "bakeoff.frameworks"; registry.load(ROOM, "torch")',
        'worker.call("bakeoff.training.work:work")',
        '__import__("torch")',
        'importlib.import_module(name="torch")',
        "importlib.import_module(name)",
        'from importlib import import_module as get; get("torch")',
        'importlib.import_module(".frameworks", "bakeoff")',
    ],
)
def test_what_is_written_another_way_is_found_too(line: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(line, encoding="utf-8")
    assert hidden("graph.passes", named(tmp_path / "x.py"), loaded(tmp_path / "x.py")) != []


@pytest.mark.parametrize("line", ["from bakeoff import train", "import bakeoff", "from .api import train"])
def test_the_face_is_found(line: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(f"def f():\n    {line}", encoding="utf-8")
    assert list(faces(tmp_path / "x.py")) != []
    (tmp_path / "x.py").write_text("from bakeoff import registry, errors", encoding="utf-8")
    assert list(faces(tmp_path / "x.py")) == []


def test_there_are_no_circles() -> None:
    """Of modules, by every import that is run: those inside functions, too."""
    graph = {module(path): set(_imports(path)) for path in SOURCES}
    assert circles(graph) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def _imports(path: Path) -> Iterator[str]:
    known = {module(one) for one in SOURCES}
    for node in _run(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bakeoff":
            base = (node.module or "")[len("bakeoff.") :]
            for alias in node.names:
                inner = f"{base}.{alias.name}".strip(".")
                yield inner if inner in known else base
        elif isinstance(node, ast.Import):
            yield from (a.name[len("bakeoff.") :] for a in node.names if a.name.startswith("bakeoff."))


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _run(child)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that reach each other (Tarjan), the package itself apart."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph.get(name, ())):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            members = sorted(stack[at:])
            del stack[at:]
            if len(members) > 1 or name in graph.get(name, ()):
                found.append(members)

    for name in sorted(graph):
        if name and name not in index:
            visit(name)
    return found
