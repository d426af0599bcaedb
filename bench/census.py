"""Census: models of timm, torchvision, transformers, keras.applications, and users' own, through `convert`; a row each.

    python bench/census.py                            all that are due: `make census`
    python bench/census.py --only transformers/       those whose names begin so; --only may stand several times
    python bench/census.py --most-minutes 30          no model is begun after that

Rows lie in docs/support-matrix.jsonl, each written when it is done, with its key: the hash of the graph, the judge, the
versions of the libraries. A run may be interrupted at any time; the next one leaves out every row whose key still
holds. Whether the graph is still the same is asked only where the code of Bakeoff is another. Each model has a process
of its own, a deadline, and a limit of memory.

Due are transformers' families, what census.txt has as trained, and DRAWN of its others; with --all these, too.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.metadata
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bakeoff.parity.tolerance import JUDGE

Row = dict[str, Any]
HERE = Path(__file__).resolve().parent
ROWS = HERE.parent / "docs" / "support-matrix.jsonl"
DRAWN, SEED = 30, 19
BOTH = ("torch", "tensorflow", "keras")
LOCK = threading.Lock()
RUNNING: set[int] = set()  # processes of models
STOPPED = threading.Event()


def families() -> Row:
    """Of transformers, with their configs."""
    return dict(json.loads((HERE / "transformers.json").read_text(encoding="utf-8")))


def due(everything: bool = False) -> list[str]:
    """Names with sizes, in order."""
    text = (HERE / "census.txt").read_text(encoding="utf-8")
    trained, others = ([line for line in part.splitlines() if line[0] != "#"] for part in text.split("\n\n"))
    drawn = random.Random(SEED).sample(others, DRAWN)
    rest = [name for name in others if name not in drawn]
    return [*(f"transformers/{name}" for name in families()), *trained, *drawn, *(rest if everything else [])]


def code() -> str:
    """A hash of Bakeoff's own code."""
    files = sorted((HERE.parent / "src").rglob("*.py"))
    return digest(*(part for path in files for part in (path.relative_to(HERE.parent).as_posix(), path.read_text())))


def digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def key_of(named: str, written: str) -> Row:
    """What decides a row, the graph apart: `asked` is the size, or the config of transformers."""
    model, _, size = named.partition(":")
    library, _, name = model.partition("/")
    names = BOTH + ((library,) if library in ("timm", "torchvision", "transformers") else ())
    asked = json.dumps(families().get(name)) if library == "transformers" else size
    versions = {name: importlib.metadata.version(name) for name in names}
    return {"asked": digest(asked), "code": written, "judge": JUDGE, "versions": versions}


def read() -> dict[str, Row]:
    """The rows by model."""
    rows = map(json.loads, ROWS.read_text(encoding="utf-8").splitlines())
    return {row["model"]: row for row in rows}


def keep(row: Row) -> None:
    """Put a row in its place among the others; whoever reads finds the file whole."""
    with LOCK:
        rows = read() | {row["model"]: row}
        text = "".join(json.dumps(rows[name]) + "\n" for name in sorted(rows, key=str.lower))
        fresh = ROWS.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, ROWS)


def same(row: Row | None, key: Row) -> bool:
    """Whether a row is of this net, this judge and these libraries."""
    return row is not None and all(row["key"].get(name) == key[name] for name in ("asked", "judge", "versions"))


def measured(named: str, key: Row, given: argparse.Namespace) -> str:
    """Measure a model, and keep its row; what to say of it."""
    model, _, size = named.partition(":")
    old = read().get(model)
    held = str(old["key"]["graph"]) if same(old, key) and old is not None and not given.failed else ""
    begun = time.monotonic()
    found = asked(model, size or "0", held, given)
    graph = found.pop("graph", None)
    if old is not None and graph is not None and graph == held and "verdict" not in found:
        keep({**old, "key": {"graph": graph, **key}})
        return "the graph is still the same"
    seconds = round(time.monotonic() - begun)
    to = "torch" if model.startswith(("keras/", "own/")) else "keras"
    row = {"model": model, "to": to, **found, "seconds": seconds, "key": {"graph": graph, **key}}
    keep(row)
    return " ".join([row["verdict"], f"{seconds} s", *row.get("failed", [])[:1], row.get("error", "")])


def asked(model: str, size: str, held: str, given: argparse.Namespace) -> Row:
    """What the process of a model says; ended with its workers where it takes too long."""
    command = [sys.executable, str(HERE / "_census_row.py"), model, size, held, str(given.gigabytes)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "OMP_NUM_THREADS": str(given.threads)}
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as process:
        RUNNING.add(process.pid)
        try:
            out, errors = process.communicate(timeout=given.deadline)
        except subprocess.TimeoutExpired:
            return {"verdict": "not finished", "error": f"more than {given.deadline} s"}
        finally:
            RUNNING.discard(process.pid)
            end(process.pid)
    if STOPPED.is_set():
        raise KeyboardInterrupt
    if out:
        return dict(json.loads(out))
    last = (errors.strip().splitlines() or [""])[-1]
    return {"verdict": "not finished", "error": f"its process ended with {process.returncode}: {last}"[:300]}


def end(pid: int) -> None:
    """End a process with its workers."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def stop(*_: Any) -> None:
    """End the run and what it started, without a row for it."""
    STOPPED.set()
    for pid in tuple(RUNNING):
        end(pid)
    sys.exit(130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="names that begin so; or one with its size")
    parser.add_argument("--all", action="store_true", help="those that are not due as well")
    parser.add_argument("--jobs", type=int, default=1, help="models at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--most-minutes", type=float, default=float("inf"))
    parser.add_argument("--deadline", type=int, default=900, help="seconds for a model")
    # a capture promises itself images that nobody touches: at 224 pixels 28 GiB of them
    parser.add_argument("--gigabytes", type=float, default=64, help="address space of each process")
    parser.add_argument("--failed", action="store_true", help="those that neither passed nor are declared once more")
    given = parser.parse_args()
    written, begun = code(), time.monotonic()
    names = [
        name for name in due(given.all or bool(given.only)) if not given.only or name.startswith(tuple(given.only))
    ]

    def one(named: str) -> None:
        model, rows = named.partition(":")[0], read()
        key = key_of(named, written)
        again = given.failed and model in rows and rows[model]["verdict"] not in ("passed", "declared")
        if same(rows.get(model), key) and rows[model]["key"]["code"] == written and not again:
            return
        if time.monotonic() - begun < 60 * given.most_minutes and not STOPPED.is_set():
            print(f"{model} {measured(named, key, given)}", flush=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(one, names))


if __name__ == "__main__":
    main()
