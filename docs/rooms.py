"""The map of the code in docs/index.md, made from the layers and from what each room says of itself; `make docs`.

python docs/rooms.py            write it
python docs/rooms.py --check    exit 1 where it is not up to date
"""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "index.md"
BEGIN, END = "<!-- rooms: begin -->\n", "<!-- rooms: end -->\n"


def layers() -> list[list[str]]:
    """The rooms from the top down, those that stand, a list a layer."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (found,) = (one["layers"] for one in linter["contracts"] if one["type"] == "layers")
    named = [[room.strip(" ()") for room in line.split("|")] for line in found]
    return [there for line in named if (there := [room for room in line if home(room) is not None])]


def home(room: str) -> Path | None:
    """The file that speaks for a room."""
    base = ROOT / "src" / "bakeoff" / room
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def says(room: str) -> str:
    """The first sentence of its docstring."""
    path = home(room)
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path else None
    if not text:
        raise SystemExit(f"{room}: says nothing of itself; give it a docstring")
    return text.splitlines()[0]


def table() -> str:
    """Rows of Markdown, the highest layer first."""
    rows = ["| layer | room | what lies there |", "| --- | --- | --- |"]
    for height, rooms in enumerate(reversed(layers())):
        for room in rooms:
            folder = "/" if (home(room) or Path()).name == "__init__.py" else ".py"
            rows.append(f"| {height} | `{room}{folder}` | {says(room)} |")
    return "\n".join([*rows[:2], *reversed(rows[2:])]) + "\n"


def page() -> str:
    """docs/index.md with the map as it is now."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
