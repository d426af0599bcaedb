"""Writes a catalogue anew from the installed library: `python -m bakeoff.zoo.census timm`."""

from __future__ import annotations

import importlib.metadata
import json
import sys

from bakeoff.zoo.listing import FOLDER, source


def main() -> None:
    """One JSON file a library, one model a line."""
    for name in sys.argv[1:]:
        module = source(name)
        rows = dict(module.rows())
        lines = [f"  {json.dumps(model)}: {json.dumps(rows[model])}" for model in sorted(rows)]
        head = f'{{"library": "{module.LIBRARY}", "version": "{importlib.metadata.version(module.LIBRARY)}",'
        text = head + '\n"models": {\n' + ",\n".join(lines) + "\n}}\n"
        (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
        print(f"{name}: {len(rows)} models")


if __name__ == "__main__":
    main()
