"""`explain` on differences that were planted, and on pairs that are the same, through its front doors.

python bench/planted.py FOLDER [PHOTOS] [NAME ...]    FOLDER keeps the sides and planted.jsonl, a line a pair

PHOTOS are class folders: the clothing photos beside the checkout, unless others are given.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import _front_doors as front_doors
from _common import clothing, finish, say


def main(folder: Path, photos: Path | None, names: list[str]) -> None:
    if not (folder / "rotated").exists():
        with tempfile.TemporaryDirectory() as place:
            front_doors.made(folder, photos or clothing(Path(place)) / "validation")
    results = folder / "planted.jsonl"
    results.touch()

    def done() -> list[dict[str, Any]]:
        return [json.loads(line) for line in results.read_text().splitlines()]

    with front_doors.served(folder) as host, results.open("a") as out:
        for what, pairs in (("planted", front_doors.PLANTED), ("same", front_doors.SAME)):
            for name, pair in pairs.items():
                if (names and name not in names) or name in [row["name"] for row in done()]:
                    continue
                begun = time.monotonic()
                row = {"name": name, "what": what, "kind": pair.kind, "wanted": pair.causes}
                with tempfile.TemporaryDirectory() as place:
                    try:
                        found = front_doors.explained(pair, folder, host, Path(place) / "scripts")
                        causes = [[one["cause"], round(one["share"], 3), one["place"]] for one in found.causes]
                        row |= {"right": front_doors.right(pair, found), "causes": causes}
                        row |= {"remaining": found.remaining, "verdict": found.result["verdict"]}
                    except Exception as error:  # a side that can't be opened is a cause that isn't named
                        row |= {"right": False, "error": f"{type(error).__name__}: {error}"[:400]}
                row["seconds"] = round(time.monotonic() - begun, 1)
                print("right" if row["right"] else "WRONG", json.dumps(row, ensure_ascii=False), flush=True)
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                out.flush()
    for what, least in (("planted", 0.9), ("same", 1.0)):
        rows = [row for row in done() if row["what"] == what]
        count = Counter(row["kind"] for row in rows if row["right"])
        whole = Counter(row["kind"] for row in rows)
        parts = ", ".join(f"{kind} {count[kind]} of {whole[kind]}" for kind in whole)
        say(
            f"{what}: right in {sum(count.values())} of {len(rows)} ({parts})", sum(count.values()) >= least * len(rows)
        )
    finish()


if __name__ == "__main__":
    given = sys.argv[2:3]
    main(Path(sys.argv[1]), Path(given[0]) if given and Path(given[0]).is_dir() else None, sys.argv[3:])
